"""Several servers as one: least outstanding requests first, retries, dead servers taken out.

What a request says is server_request's subject, how one is sent server_connection's.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from vigos_eval.engines.server_connection import Failure, Refusal, Server
from vigos_eval.engines.server_reply import Json, UnfinishedReply, generated
from vigos_eval.errors import EngineError, PromptRefused
from vigos_eval.types import Decoding, Generated

TIMEOUTS_PER_REQUEST = 3
# The probe was answered, so it is not the server or the key: this prompt's image or text is refused.
ABOUT_ONE_PROMPT = (400, 413, 422)


@dataclass(frozen=True)
class Pace:
    """How patient the pool is.

    Attributes:
        first_wait_s: Before the first retry, seconds; doubles with each, times a random factor
            in [0.5, 1] so that requests that failed together do not come back together.
        longest_wait_s: Where doubling stops, seconds; also the most a server's Retry-After gets.
        attempts: Sendings of one request before it counts as failed.
        examinations: GET /models calls to a server whose connection failed before it is dead.
        faults_in_a_row: 5xx replies without a good one between before a server is taken out.
    """

    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    attempts: int = 10
    examinations: int = 4
    faults_in_a_row: int = 20

    def wait_s(self, retry: int, asked_s: float = 0.0) -> float:
        """Seconds to wait before the given retry (from 0).

        >>> Pace(first_wait_s=1, longest_wait_s=8).wait_s(0, asked_s=99)
        8
        """
        backoff = min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(retry, 16))
        return max(min(asked_s, self.longest_wait_s), backoff * random.uniform(0.5, 1.0))


class Pool:
    """The servers of a run. All methods belong to one event loop."""

    def __init__(self, servers: Sequence[Server], pace: Pace) -> None:
        self.servers = servers
        self._pace = pace
        self._examinations: dict[str, asyncio.Task[None]] = {}
        self._last_failure = "none"

    async def answer(self, body: Json, key: str, decoding: Decoding) -> Generated:
        """Send a request until some server answers it.

        Raises:
            EngineError: It is refused, failed too often, or every server is dead.
        """
        tried: Server | None = None
        failed = 0
        timed_out = 0
        while True:
            server = await self._next_server(avoid=tried)
            outcome = await self._sent(server, body, key, decoding)
            if isinstance(outcome, Generated):
                return outcome
            tried = server
            await self._judge(server, outcome)
            failed += 1
            timed_out += outcome.kind == "timeout"
            if timed_out >= TIMEOUTS_PER_REQUEST:
                raise EngineError(
                    f"prompt {key}: {timed_out} times no reply in time, last from {server.url}; "
                    "pass a larger timeout_s, or a smaller concurrency"
                )
            if failed >= self._pace.attempts:
                raise EngineError(
                    f"prompt {key}: no answer after {failed} attempts, last from {server.url}: "
                    f"{outcome.reason}. See that server's log; the same command then goes on "
                    "where this one stopped"
                )
            # While a server is examined, or when it is dead, another takes the request at once.
            if not (server.is_suspect or server.is_dead):
                await asyncio.sleep(self._pace.wait_s(failed - 1, outcome.retry_after_s))

    async def close(self) -> None:
        """Close all connections."""
        for task in self._examinations.values():
            task.cancel()
        await asyncio.gather(*self._examinations.values(), return_exceptions=True)
        for server in self.servers:
            await server.close()

    async def _next_server(self, avoid: Server | None) -> Server:
        """The server with the fewest outstanding requests, another than `avoid` if there is one.

        Raises:
            EngineError: All are dead.
        """
        while True:
            living = [server for server in self.servers if not server.is_dead]
            if not living:
                raise EngineError(
                    f"no server is left of {', '.join(server.url for server in self.servers)}; "
                    f"last failure: {self._last_failure}. Start them and run the same command "
                    "again: it goes on where this one stopped"
                )
            trusted = [server for server in living if not server.is_suspect]
            if trusted:
                others = [server for server in trusted if server is not avoid]
                return min(others or trusted, key=lambda server: server.outstanding)
            await asyncio.wait(
                [self._examinations[server.url] for server in living],
                return_when=asyncio.FIRST_COMPLETED,
            )

    async def _sent(
        self, server: Server, body: Json, key: str, decoding: Decoding
    ) -> Generated | Failure:
        server.outstanding += 1
        try:
            reply = await server.completion(body)
            if isinstance(reply, Failure):
                return reply
            server.faults = 0
            return generated(reply, key, decoding, server.url, server.context)
        except UnfinishedReply as stopped:
            return Failure("fault", str(stopped))
        except Refusal as refusal:
            if is_too_long(refusal) and "max_tokens" in body:
                # vLLM refuses prompt + max_tokens beyond the context; without a limit it answers
                # up to the context's end, which is nearer: what the engines in process do too.
                rest = {name: value for name, value in body.items() if name != "max_tokens"}
                return await self._sent(server, rest, key, decoding)
            raise _refused(key, refusal) from refusal
        finally:
            server.outstanding -= 1

    async def _judge(self, server: Server, failure: Failure) -> None:
        """Take the server out, or have it examined, if the failure says so."""
        self._last_failure = f"{server.url}: {failure.reason}"
        if failure.kind == "fault":
            server.faults += 1
            if server.faults >= self._pace.faults_in_a_row:
                self._take_out(server, f"{server.faults} failures in a row, last {failure.reason}")
        if failure.kind in ("connection", "timeout"):
            await self._examined(server)

    async def _examined(self, server: Server) -> None:
        if server.is_dead:
            return
        if not server.is_suspect:
            server.is_suspect = True
            self._examinations[server.url] = asyncio.create_task(self._examine(server))
        if any(not other.is_dead and not other.is_suspect for other in self.servers):
            return  # others can take the request meanwhile
        await asyncio.shield(self._examinations[server.url])

    async def _examine(self, server: Server) -> None:
        """Ask a server that lost a connection whether it is still there."""
        reason = ""
        for examination in range(self._pace.examinations):
            if examination:
                await asyncio.sleep(self._pace.wait_s(examination))
            try:
                reply = await server.models()
            except EngineError as error:
                reason = str(error)
                continue
            if not isinstance(reply, Failure) or reply.kind == "busy":
                server.is_suspect = False
                return
            reason = reply.reason
        self._take_out(server, reason)

    def _take_out(self, server: Server, reason: str) -> None:
        if server.is_dead:
            return
        server.is_dead = True
        server.is_suspect = False
        left = [other for other in self.servers if not other.is_dead]
        for slot in range(server.share if left else 0):
            heir = left[slot % len(left)]
            heir.share += 1
            heir.slots.release()
        names = ", ".join(other.url for other in left)
        rest = f"its requests go to {names}" if left else "no other is left"
        print(f"server {server.url} is taken out ({reason}); {rest}", file=sys.stderr, flush=True)


def is_too_long(refusal: Refusal) -> bool:
    """The server refuses because the prompt, or prompt and answer, exceed its context.

    >>> is_too_long(Refusal("", 400, "This model's maximum context length is 1024 tokens. However,"))
    True
    """
    words = refusal.text.lower()
    return any(mark in words for mark in ("context length", "context_length", "maximum model len"))


def _refused(key: str, refusal: Refusal) -> EngineError:
    """The refusal with the prompt's name, and the way out of a prompt that is too long."""
    if is_too_long(refusal):
        return PromptRefused(
            key,
            f"prompt {key} is longer than the server's context: {refusal.text}. Serve with a "
            "larger --max-model-len, or pass a smaller max_pixels, or skip_bad_rows=true",
        )
    if refusal.status in ABOUT_ONE_PROMPT:
        return PromptRefused(
            key, f"prompt {key}: {refusal}; mend the row, or pass skip_bad_rows=true"
        )
    return EngineError(f"prompt {key}: {refusal}")
