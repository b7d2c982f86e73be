"""The official openai client on the transport and with the headers that suit a cluster's servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

if TYPE_CHECKING:
    import httpx
    import openai

# Below the 5 s after which vLLM's and SGLang's uvicorn close an idle connection: the side that
# closes first must be ours, or a request may be written into a closing connection.
KEEPALIVE_S = 4.0
CONNECT_TIMEOUT_S = 10.0


class Turnstile:
    """Lets one task through per turn of the event loop.

    Building and parsing requests takes most of our time. Where dozens of replies arrive together,
    doing all of it in one turn keeps the sockets waiting, and the servers idle; a piece per turn
    does not.
    """

    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(1)

    async def passed(self) -> None:
        """Return when it is this task's turn, in the order of asking."""
        await self._gate.acquire()
        asyncio.get_running_loop().call_soon(self._gate.release)


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


def is_behind_proxy(url: str) -> bool:
    """The environment names a proxy for this URL (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).

    >>> is_behind_proxy("http://127.0.0.1:8000/v1") and not getproxies()
    False
    """
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")


def bounded_client(
    slots: asyncio.Semaphore, turnstile: Turnstile, timeout_s: float, is_proxied: bool
) -> httpx.AsyncClient:
    """An HTTP client whose requests wait for a slot, and go straight to the wire.

    The slot covers the wire only, not the building and parsing of a request, so that `slots`
    requests are really with the server while the next ones are prepared. Redirects are not
    followed and cookies not kept: an API has neither, and they are a tenth of the CPU time.

    Args:
        slots: Requests to this server that may be in flight at once.
        turnstile: Passed before a reply is parsed.
        timeout_s: Limit per request, seconds.
        is_proxied: Ask the environment for the proxy with each request, in a thread: slow.
    """
    import aiohttp
    import httpx
    from httpx_aiohttp import AiohttpTransport

    class Bounded(httpx.AsyncClient):
        async def send(self, request: httpx.Request, **_: object) -> httpx.Response:
            async with slots:
                reply = await wire.handle_async_request(request)
                try:
                    await reply.aread()
                finally:
                    await reply.aclose()
            await turnstile.passed()
            reply.request = request
            return reply

        async def aclose(self) -> None:
            await wire.aclose()
            await super().aclose()

    # aiohttp: httpx's own pool needs 15 times the CPU at 64 requests in flight.
    wire = AiohttpTransport(
        client=lambda: aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=is_proxied,
        )
    )
    timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S, pool=None)
    return Bounded(timeout=timeout)
