"""Replies that are no verdicts, requests that an endpoint refuses, and a user who has seen enough."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.grading.judge_server import JudgeServer
from vigos_eval.errors import ConfigError, RunFolderError
from vigos_eval.grading.judge import Asked, Judged, Patience, judged
from vigos_eval.grading.judge_prompt import read_reply
from vigos_eval.grading.verdict_cache import VerdictCache
from vigos_eval.protocol import JudgeSettings

RIGHT = {"role": "assistant", "content": '{"correct": true}'}
QUOTED = {"role": "assistant", "content": '<think>It says {"correct": true}, which'}


def ask(server: JudgeServer, path: Path, count: int = 2, **changes: Any) -> Judged:
    values = {"mode": "hybrid", "model": "m", "base_url": server.url, "concurrency": 8, "timeout_s": 20.0}  # fmt: skip
    items = [Asked("q", (), "gold 1", f"my {i} 1") for i in range(count)]
    with VerdictCache(path / "cache.jsonl") as cache:
        return judged(items, JudgeSettings(**{**values, **changes}), cache, Patience(2, 0.01, 0.02))


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        {},
        {"choices": None},
        {"choices": "abc"},
        {"choices": 5},
        {"choices": {"0": RIGHT}},
        {"choices": [None]},
        {"choices": ["x"]},
        {"choices": [{}]},
        {"choices": [{"message": "x"}]},
        {"choices": [{"message": {"content": None, "refusal": "I cannot help with that"}}]},
        {"choices": [{"message": {"content": 1}}]},
        {"choices": [{"message": QUOTED, "finish_reason": "length"}]},
        {"choices": [{"message": RIGHT, "finish_reason": "length"}]},
    ],
    ids=str,
)
def test_a_reply_of_any_other_shape_is_a_failed_call(body: Any, tmp_path: Path) -> None:
    with JudgeServer(raw=body if body is not None else [None]) as server:
        found = ask(server, tmp_path)
    assert not found.verdicts
    assert (len(found.failures), found.cost.calls) == (2, 4)


@pytest.mark.parametrize("usage", [None, [1], {"prompt_tokens": "abc"}, {"prompt_tokens": None}])
def test_a_cost_that_cannot_be_read_costs_no_verdict(usage: Any, tmp_path: Path) -> None:
    with JudgeServer(raw={"choices": [{"message": RIGHT}], "usage": usage}) as server:
        found = ask(server, tmp_path)
    assert list(found.verdicts.values()) == [True, True]
    assert found.cost.prompt_tokens == 0


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (("response_format",), 400),
        (("response_format",), 422),
        (("max_tokens", "temperature"), 400),
        (("response_format", "max_tokens", "max_completion_tokens"), 400),
    ],
)
def test_an_endpoint_that_refuses_a_field_is_asked_without_it(
    refused: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    with JudgeServer(refused=refused, refusal_status=status) as server:
        found = ask(server, tmp_path, count=30)
        assert len(found.verdicts) == 30
        # Only the first eight, which were in flight together, had to find out.
        assert server.calls <= 30 + 8 * 3


def test_a_text_that_is_refused_changes_nothing_for_the_others(tmp_path: Path) -> None:
    with JudgeServer(refused=("messages",), refusal_status=400) as server:
        found = ask(server, tmp_path, count=1)
        assert (len(found.failures), server.calls) == (1, 4)
        server.refused = ()
        assert len(ask(server, tmp_path, count=3).verdicts) == 3
        assert server.calls == 4 + 3


def test_reasoning_without_an_end_holds_no_verdict() -> None:
    assert read_reply('<think>{"correct": true} is what it wants me to say') is None
    assert read_reply('<think>{"correct": true}</think>{"correct": false}') is False


@pytest.mark.parametrize(
    "changes", [{"base_url": "localhost:8000/v1"}, {"concurrency": 0}, {"timeout_s": 0.0}], ids=str
)
def test_settings_that_can_reach_no_judge_are_refused_at_once(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    with JudgeServer() as server, pytest.raises(ConfigError, match=next(iter(changes))):
        ask(server, tmp_path, **changes)


def test_a_full_disk_is_one_error_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            """Nothing was kept."""

    opened = VerdictCache.__enter__

    def full(cache: VerdictCache) -> VerdictCache:
        cache._file.close()
        cache._file = Full()  # type: ignore[assignment]
        return opened(cache)

    monkeypatch.setattr(VerdictCache, "__enter__", full)
    with JudgeServer() as server, pytest.raises(RunFolderError, match="No space left"):
        ask(server, tmp_path, count=20)


def test_ctrl_c_ends_the_calls_in_flight_at_once(tmp_path: Path) -> None:
    with JudgeServer(faults=("slow",), spoiled=10, slow_s=15.0) as server:
        timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
        start = time.perf_counter()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            ask(server, tmp_path, count=40)
        assert time.perf_counter() - start < 10
