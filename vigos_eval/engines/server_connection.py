"""One server: its client, who is asked next, and what its failures mean. Async; no prompts here.

The official client sends, with its own retries off; retrying is server_pool's subject.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from vigos_eval.engines.server_reply import Json, parsed, shown
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import ConfigError, EngineError

if TYPE_CHECKING:
    import httpx
    import openai

# Below the 5 s after which vLLM's and SGLang's uvicorn close an idle connection: the side that
# closes first must be ours, or a request may be written into a closing connection.
KEEPALIVE_S = 4.0
CONNECT_TIMEOUT_S = 10.0
HEALTH_TIMEOUT_S = 10.0
BUSY = 429
REFUSED_KEY = (401, 403)
NOT_THERE = 404
WORTH_A_RETRY = (408, 409, 425, BUSY)


@dataclass(frozen=True)
class Failure:
    """Why one sending of a request brought no answer, though another may.

    Attributes:
        kind: ``connection``: refused, reset, closed. ``timeout``: no reply in time. ``busy``: the
            server asks to wait (429). ``fault``: it failed (5xx), or stopped half-way.
        reason: For people.
        retry_after_s: What the server asks to wait, seconds; 0 when it does not say.
    """

    kind: Literal["connection", "timeout", "busy", "fault"]
    reason: str
    retry_after_s: float = 0.0


class Refusal(EngineError):
    """The server understood the request and says no; sending it again would not help.

    Attributes:
        status: HTTP status.
        text: What the server says, on one line.
    """

    def __init__(self, message: str, status: int, text: str) -> None:
        super().__init__(message)
        self.status = status
        self.text = text


class Server:
    """One URL and what is known about it now.

    Attributes:
        url: As the user wrote it.
        outstanding: Requests given to it and not yet answered.
        faults: 5xx replies in a row.
        is_suspect: A connection failed; it is being examined and gets no new requests.
        is_dead: Taken out for the rest of the run.
        share: Requests it may have on the wire at once.
        slots: Those of them that are free.
    """

    def __init__(self, url: str, settings: EngineSettings, key: str, share: int) -> None:
        self.url = url
        self.share = share
        self.slots = asyncio.Semaphore(share)
        self.outstanding = 0
        self.faults = 0
        self.is_suspect = False
        self.is_dead = False
        self._key_env = settings.key_env
        self._client = official_client(url, key, bounded_client(self.slots, settings.timeout_s))

    async def completion(self, body: Json) -> bytes | Failure:
        """The body of the reply to a chat request.

        Raises:
            EngineError: The server refuses the request (`Refusal`), or the key.
        """
        import httpx

        reply = await self._sent(
            self._client.post("/chat/completions", body=body, cast_to=httpx.Response)
        )
        return reply if isinstance(reply, Failure) else reply.content

    async def models(self) -> list[Json] | Failure:
        """The entries of GET /models: what the server serves.

        Raises:
            EngineError: The URL answers with something that is no list of models.
        """
        import httpx

        reply = await self._sent(
            self._client.get(
                "/models", cast_to=httpx.Response, options={"timeout": HEALTH_TIMEOUT_S}
            )
        )
        if isinstance(reply, Failure):
            return reply
        entries = parsed(reply.content, self.url).get("data")
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and isinstance(entry.get("id"), str) for entry in entries
        ):
            raise EngineError(
                f"{self.url}/models is no list of models: {shown(reply.content)}. base_url is the "
                "address of an OpenAI-compatible API and usually ends in /v1"
            )
        return entries

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _sent(self, request: Any) -> httpx.Response | Failure:
        import openai

        try:
            reply: httpx.Response = await request
        except openai.APIConnectionError as error:
            return _broken(error)
        except openai.APIStatusError as error:
            return self._failed(error)
        return reply

    def _failed(self, error: openai.APIStatusError) -> Failure:
        status = error.status_code
        text = _server_words(error)
        if status in WORTH_A_RETRY or status >= 500:
            kind: Literal["busy", "fault"] = "busy" if status == BUSY else "fault"
            return Failure(kind, f"HTTP {status}: {text}", _retry_after_s(error))
        if status in REFUSED_KEY:
            source = f"the key in ${self._key_env}" if self._key_env else "a request without a key"
            raise Refusal(
                f"{self.url} refuses {source} (HTTP {status}: {text}); name the variable that "
                "holds the right key: key_env=NAME",
                status,
                text,
            )
        hint = "; base_url usually ends in /v1" if status == NOT_THERE else ""
        raise Refusal(f"{self.url} refuses the request (HTTP {status}): {text}{hint}", status, text)


def _broken(error: openai.APIConnectionError) -> Failure:
    import httpx

    # The client's own class does not tell: aiohttp's "server disconnected" is a timeout to it.
    cause = error.__cause__ or error
    if isinstance(cause, httpx.ReadTimeout):
        return Failure("timeout", f"no reply in time: {cause}")
    return Failure("connection", str(cause) or type(cause).__name__)


def _server_words(error: openai.APIStatusError) -> str:
    """What an error reply says, on one line: its message when it has one, else its beginning."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    if isinstance(message, str):
        return " ".join(message.split())[:400]
    return shown(error.response.content)


def _retry_after_s(error: openai.APIStatusError) -> float:
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0  # a date; our own backoff holds


def open_servers(settings: EngineSettings) -> list[Server]:
    """A client for every URL of `base_url`, each with its share of the requests in flight.

    Shares and not one common bound: requests that wait for a slow server would take the slots of
    a fast one.

    Must be called inside the event loop that will use them.

    Raises:
        ConfigError: A URL that is none, stands twice, or a key variable that is not set.
    """
    urls = [url.strip().rstrip("/") for url in settings.base_url.split(";") if url.strip()]
    if not urls:
        raise ConfigError(
            f"base_url={settings.base_url!r} names no server; write http://HOST:PORT/v1"
        )
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(
                f"base_url={url!r} is no URL; write http://HOST:PORT/v1, several joined by ';'"
            )
        if urls.count(url) > 1:
            raise ConfigError(f"base_url names {url} twice; name every server once")
    if settings.concurrency < len(urls):
        raise ConfigError(
            f"concurrency={settings.concurrency} is below the number of servers, {len(urls)}"
        )
    key = api_key(settings.key_env)
    whole, rest = divmod(settings.concurrency, len(urls))
    return [Server(url, settings, key, whole + (i < rest)) for i, url in enumerate(urls)]


def api_key(key_env: str) -> str:
    """The key in the variable of that name; a placeholder when no variable is named.

    Raises:
        ConfigError: The variable is not set.
    """
    if not key_env:
        return "none"  # the client wants one; a server without keys ignores it
    key = os.environ.get(key_env, "")
    if not key:
        raise ConfigError(
            f"key_env={key_env}: that environment variable is not set; export {key_env}=... first"
        )
    return key


def official_client(url: str, key: str, http_client: httpx.AsyncClient) -> openai.AsyncOpenAI:
    """The openai package's client without retries, and without telling anyone about this machine.

    Its usual headers name the operating system, the Python and, from the environment, an OpenAI
    organization and project: nothing of it concerns a server in one's own cluster, and the ten
    headers are a tenth of the CPU time of a request.
    """
    import openai

    class Quiet(openai.AsyncOpenAI):
        @property
        def default_headers(self) -> dict[str, str | openai.Omit]:
            return {"Accept": "application/json", "Content-Type": "application/json"}

    return Quiet(base_url=url, api_key=key, max_retries=0, http_client=http_client)


def bounded_client(slots: asyncio.Semaphore, timeout_s: float) -> httpx.AsyncClient:
    """An HTTP client whose requests wait for a slot.

    The slot covers the wire only, not the building and parsing of a request, so that `slots`
    requests are really with the servers while the next ones are prepared.

    Args:
        slots: Requests to this server that may be in flight at once.
        timeout_s: Limit per request, seconds.
    """
    import aiohttp
    import httpx
    from httpx_aiohttp import AiohttpTransport

    class Bounded(httpx.AsyncBaseTransport):
        def __init__(self) -> None:
            # aiohttp: httpx's own pool needs 15 times the CPU at 64 requests in flight.
            self._inner = AiohttpTransport(
                client=lambda: aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=True,
                )
            )

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async with slots:
                reply = await self._inner.handle_async_request(request)
                wire = reply.stream
                assert isinstance(wire, httpx.AsyncByteStream)
                try:
                    content = b"".join([chunk async for chunk in wire])
                finally:
                    await wire.aclose()
            reply.stream = httpx.ByteStream(content)
            return reply

        async def aclose(self) -> None:
            await self._inner.aclose()

    timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S, pool=None)
    return httpx.AsyncClient(transport=Bounded(), timeout=timeout, follow_redirects=True)
