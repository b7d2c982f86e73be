"""engine=server: any OpenAI-compatible chat server, or several, behind the engines' signature.

A thread of its own talks to the servers (server_pool); this module feeds it inside a sliding
window and hands the answers on as they come.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Any, TypeVar

from vigos_eval.engines.rendering import ImageLimits
from vigos_eval.engines.server_client import Turnstile
from vigos_eval.engines.server_connection import Server, open_servers
from vigos_eval.engines.server_pool import Pace, Pool
from vigos_eval.engines.server_probe import agreed_wording, served_root
from vigos_eval.engines.server_request import Wording, chat_request, needs_drawing
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import ConfigError, EngineError
from vigos_eval.types import Decoding, Generated, Prompt

Result = TypeVar("Result")


class ServerEngine:
    """One or several servers of the same checkpoint, asked with bounded concurrency.

    Answers depend on prompt and seed, not on which server gave them: a request that a dying
    server lost is sent again with the same seed.
    """

    def __init__(self, settings: EngineSettings, pace: Pace | None = None) -> None:
        """Connect and check every server.

        Raises:
            ConfigError: No URL, a key variable that is not set, a limit below 1.
            EngineError: A server does not answer, is none, refuses the key or serves another model.
        """
        for name, value in (
            ("concurrency", settings.concurrency),
            ("timeout_s", settings.timeout_s),
        ):
            if value <= 0:
                raise ConfigError(f"{name}={value}; use a value above 0")
        self._pace = pace or Pace()
        # Requests beyond those on the wire are being built or parsed: the servers never wait.
        self._window = settings.window or settings.concurrency + max(8, settings.concurrency // 2)
        self._wording = Wording(
            settings.pretrained,
            # TRAP: the checkpoint's own factor is not told by a server; 28 is Qwen2.5-VL's.
            ImageLimits(settings.min_pixels, settings.max_pixels),
            settings.chat_template,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers", daemon=True)
        self._thread.start()
        self._pool: Pool | None = None
        # A process that ends without closing gets pages of "unclosed session" from aiohttp.
        atexit.register(self.close)
        with ExitStack() as undo:
            undo.callback(self.close)
            self._turnstile, servers = self._result(_opened(settings))
            self._pool = Pool(servers, self._pace)
            self._root = self._result(served_root(servers, settings.pretrained))
            undo.pop_all()

    @property
    def identity(self) -> Mapping[str, str]:
        """The served name and the path or hub id behind it. URLs are no part of a run's identity."""
        return {"served_model": self._wording.model, "root": self._root}

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        """Answers in the order in which they come.

        After a failure no new prompt is sent; answers already under way are still handed on, so
        that they are not paid for twice. Then the failure is raised.

        Raises:
            EngineError: A prompt is refused, failed too often, or no server is left.
        """
        done: SimpleQueue[asyncio.Task[Generated]] = SimpleQueue()
        tasks: set[asyncio.Task[Generated]] = set()
        source = iter(prompts)
        wording: dict[str, Wording] = {}
        failure: EngineError | None = None
        is_exhausted = False
        under_way = 0
        try:
            while True:
                while failure is None and not is_exhausted and under_way < self._window:
                    prompt = next(source, None)
                    if prompt is None:
                        is_exhausted = True
                        break
                    if prompt.prefill not in wording:
                        wording[prompt.prefill] = self._agreed(prompt.prefill, decoding)
                    self._submit(prompt, decoding, wording[prompt.prefill], (tasks, done))
                    under_way += 1
                if under_way == 0:
                    break
                task = done.get()
                under_way -= 1
                try:
                    answer = task.result()
                except EngineError as error:
                    failure = failure or error
                else:
                    yield answer
        finally:
            self._result(_cancelled(tasks))
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Close connections and end the thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        atexit.unregister(self.close)
        if self._pool is not None:
            self._result(self._pool.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _agreed(self, prefill: str, decoding: Decoding) -> Wording:
        assert self._pool is not None
        wording = self._result(
            agreed_wording(self._pool.servers, self._wording, prefill, decoding, self._pace)
        )
        if wording.dialect == "plain":
            print(
                "engine=server: this server knows neither min_p, repetition_penalty nor token ids; "
                "its own defaults hold, and a sample's tokens are its share of the request's",
                file=sys.stderr,
                flush=True,
            )
        return wording

    def _submit(
        self,
        prompt: Prompt,
        decoding: Decoding,
        wording: Wording,
        inbox: tuple[set[asyncio.Task[Generated]], SimpleQueue[asyncio.Task[Generated]]],
    ) -> None:
        tasks, done = inbox

        def finished(task: asyncio.Task[Generated]) -> None:
            tasks.discard(task)
            done.put(task)

        def start() -> None:
            task = self._loop.create_task(self._answer(prompt, decoding, wording))
            tasks.add(task)
            task.add_done_callback(finished)

        self._loop.call_soon_threadsafe(start)

    async def _answer(self, prompt: Prompt, decoding: Decoding, wording: Wording) -> Generated:
        assert self._pool is not None
        await self._turnstile.passed()
        if needs_drawing(prompt, wording.limits):
            body = await asyncio.to_thread(chat_request, prompt, decoding, wording)
        else:
            body = chat_request(prompt, decoding, wording)
        return await self._pool.answer(body, prompt.key, decoding)

    def _result(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _opened(settings: EngineSettings) -> tuple[Turnstile, list[Server]]:
    turnstile = Turnstile()
    return turnstile, open_servers(settings, turnstile)


async def _cancelled(tasks: set[asyncio.Task[Generated]]) -> None:
    left = list(tasks)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
