"""Asking a language model about the answers that rules leave open. What it is told: judge_prompt.py.

A call that fails is no verdict: it is counted, leaves the answer UNGRADED and is made again at the
next grading. Verdicts that were given are on disk before the next one is awaited.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vigos_eval.errors import ConfigError
from vigos_eval.grading.judge_call import FORMS, call
from vigos_eval.grading.judge_prompt import judge_messages
from vigos_eval.grading.verdict_cache import VerdictCache, verdict_key
from vigos_eval.protocol import JudgeSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

FAILURES_IN_A_ROW = 8
"""After so many calls in a row that failed with all their tries the judge counts as unplugged."""


@dataclass(frozen=True)
class Patience:
    """How a call is tried again: `tries` in all, waits doubling from `first_s` up to `most_s`."""

    tries: int = 6
    first_s: float = 0.5
    most_s: float = 30.0


PATIENCE = Patience()


@dataclass(frozen=True)
class Asked:
    """One answer to judge."""

    question: str
    options: tuple[str, ...]
    gold: str
    answer: str

    def key(self, model: str) -> str:
        """Its identity in the cache."""
        return verdict_key(model, self.question, self.options, self.gold, self.answer)


@dataclass(frozen=True)
class JudgeCost:
    """What the judge cost in one grading.

    Attributes:
        calls: Requests sent, tries included.
        cached: Answers whose verdict was on disk.
        failed: Answers that ended without a verdict; the next grading asks them again.
        prompt_tokens: As the endpoint counts them; 0 when it does not.
        completion_tokens: As the endpoint counts them; 0 when it does not.
    """

    calls: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __str__(self) -> str:
        return (
            f"judge: {self.calls} calls, {self.cached} verdicts from the cache, {self.failed} failed, "
            f"{self.prompt_tokens} prompt and {self.completion_tokens} completion tokens"
        )


@dataclass(frozen=True)
class Judged:
    """What came of asking: verdicts by cache key, reasons for those that failed, and the cost."""

    verdicts: Mapping[str, bool]
    failures: Mapping[str, str]
    cost: JudgeCost


@dataclass
class _Session:
    """The running state of one `judged`."""

    settings: JudgeSettings
    patience: Patience
    client: AsyncOpenAI
    keep: Callable[[str, bool], None]
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failures_in_a_row: int = 0
    stopped: str = ""
    form: int = 0
    verdicts: dict[str, bool] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def judged(
    asked: Iterable[Asked],
    settings: JudgeSettings,
    cache: VerdictCache,
    patience: Patience = PATIENCE,
) -> Judged:
    """Verdicts of all answers: from the cache, else from the judge, identical ones asked once.

    Args:
        asked: The answers.
        settings: Endpoint, model, concurrency and limit per call.
        cache: Where verdicts are kept.
        patience: How failed calls are tried again.

    Raises:
        ConfigError: The variable that should hold the key is not set.
    """
    wanted = {item.key(settings.model): item for item in asked}
    known = {key: found for key in wanted if (found := cache.get(key)) is not None}
    open_ = {key: item for key, item in wanted.items() if key not in known}
    if not open_:
        return Judged(known, {}, JudgeCost(cached=len(known)))
    api_key = _api_key(settings)
    session = _run(_all(open_, settings, api_key, cache, patience))
    cost = JudgeCost(
        session.calls,
        len(known),
        len(session.failures),
        session.prompt_tokens,
        session.completion_tokens,
    )
    return Judged({**known, **session.verdicts}, session.failures, cost)


def _run(work: Coroutine[None, None, _Session]) -> _Session:
    """The work's result, in a thread of its own where the caller is inside an event loop.

    Everywhere else in this thread, so that Ctrl-C ends the calls in flight at once.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1, "judge") as thread:
        return thread.submit(asyncio.run, work).result()


def _api_key(settings: JudgeSettings) -> str:
    if not settings.key_env:
        return "none"
    if not os.environ.get(settings.key_env):
        raise ConfigError(
            f"judge_key_env names {settings.key_env}, and that environment variable is not set; "
            f"set it, or leave judge_key_env out for an endpoint without a key"
        )
    return os.environ[settings.key_env]


async def _all(
    open_: Mapping[str, Asked],
    settings: JudgeSettings,
    api_key: str,
    cache: VerdictCache,
    patience: Patience,
) -> _Session:
    from openai import AsyncOpenAI

    # The client's own retries are off: ours count calls and know when the judge is gone.
    async with AsyncOpenAI(
        api_key=api_key, base_url=settings.base_url, timeout=settings.timeout_s, max_retries=0
    ) as client:
        session = _Session(
            settings, patience, client, lambda key, said: cache.add(key, settings.model, said)
        )
        queue = iter(open_.items())

        async def work() -> None:
            for key, item in queue:
                await _one(session, key, item)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(settings.concurrency, len(open_))):
                    group.create_task(work())
        except ExceptionGroup as errors:
            # A full disk is one error to the user, however many calls meet it.
            raise errors.exceptions[0] from errors
    return session


async def _one(session: _Session, key: str, item: Asked) -> None:
    """One answer, tried until the judge says something readable or patience ends."""
    messages = judge_messages(item.question, item.options, item.gold, item.answer)
    settings, patience = session.settings, session.patience
    form, tries, reason = session.form, 0, "not asked"
    while tries < patience.tries:
        if session.stopped:
            session.failures[key] = session.stopped
            return
        session.calls += 1
        reply = await call(session.client, settings.model, messages, form, settings.timeout_s)
        session.prompt_tokens += reply.prompt_tokens
        session.completion_tokens += reply.completion_tokens
        reason = reply.reason
        if reply.said is not None:
            session.failures_in_a_row = 0
            # Only a form that was answered becomes everybody's: a 400 may be about this one text.
            session.form = max(session.form, form)
            session.verdicts[key] = reply.said
            session.keep(key, reply.said)
            return
        if reply.is_form_refused and form + 1 < len(FORMS):
            form += 1
            continue
        if reply.is_final:
            break
        tries += 1
        if tries < patience.tries:
            pause = min(patience.most_s, patience.first_s * 2 ** (tries - 1))
            # Full jitter, so that calls which failed together do not come back together.
            asked_for = min(patience.most_s, reply.wait_s)
            await asyncio.sleep(max(asked_for, random.uniform(pause / 2, pause)))
    session.failures[key] = reason
    session.failures_in_a_row += 1
    if session.failures_in_a_row >= FAILURES_IN_A_ROW:
        session.stopped = f"the judge does not answer ({reason})"
