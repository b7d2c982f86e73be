"""One server: its client, who is asked next, and what its failures mean. Async; no prompts here.

The HTTP client is server_client's subject, retrying server_pool's.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from vigos_eval.engines.server_client import (
    Turnstile,
    bounded_client,
    is_behind_proxy,
    official_client,
)
from vigos_eval.engines.server_reply import Json, parsed, shown
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import ConfigError, EngineError

if TYPE_CHECKING:
    import httpx
    import openai

HEALTH_TIMEOUT_S = 10.0
BUSY = 429
REFUSED_KEY = (401, 403)
NOT_THERE = 404
# Never sent; without it the client draws a random name for every request.
UNNAMED: Any = {"idempotency_key": "none"}
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
        context: Tokens of prompt and answer that it can hold; 0 when it does not tell.
        share: Requests it may have on the wire at once.
        slots: Those of them that are free.
    """

    def __init__(
        self, url: str, settings: EngineSettings, key: str, share: int, turnstile: Turnstile
    ) -> None:
        self.url = url
        self.context = 0
        self.share = share
        self.slots = asyncio.Semaphore(share)
        self.outstanding = 0
        self.faults = 0
        self.is_suspect = False
        self.is_dead = False
        self._key_env = settings.key_env
        self._client = official_client(
            url,
            key,
            bounded_client(self.slots, turnstile, settings.timeout_s, is_behind_proxy(url)),
        )

    async def completion(self, body: Json) -> bytes | Failure:
        """The body of the reply to a chat request.

        Raises:
            EngineError: The server refuses the request (`Refusal`), or the key.
        """
        import httpx

        reply = await self._sent(
            self._client.post(
                # The whole address: a relative one is parsed three times.
                f"{self.url}/chat/completions",
                body=body,
                cast_to=httpx.Response,
                options=UNNAMED,
            )
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


def open_servers(settings: EngineSettings, turnstile: Turnstile) -> list[Server]:
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
    return [Server(url, settings, key, whole + (i < rest), turnstile) for i, url in enumerate(urls)]


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
