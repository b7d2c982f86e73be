"""Servers that stumble or die: nothing is lost, nothing comes twice, no failure becomes an answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chat_server import Body, ChatServer, Manners, Trouble

from vigos_eval.engines.server import ServerEngine
from vigos_eval.engines.server_pool import Pace
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import EngineError, PromptRefused
from vigos_eval.types import Decoding, Generated, Message, Prompt, TextPart

QUICK = Pace(first_wait_s=0.01, longest_wait_s=0.05)
HOW = Decoding(n=2, temperature=1.0, top_p=0.9, top_k=20, max_new_tokens=64, seed=7)
PROMPTS = [
    Prompt(f"q{i}", (Message("user", (TextPart(f"What is {i}?"),)),), prefill="<description>")
    for i in range(60)
]


def opened(*urls: str, pace: Pace = QUICK, **values: object) -> ServerEngine:
    given = {"engine": "server", "pretrained": "tiny", "concurrency": 8, "timeout_s": 10.0}
    return ServerEngine(EngineSettings(**(given | {"base_url": ";".join(urls)} | values)), pace)  # type: ignore[arg-type]


def undisturbed() -> list[Generated]:
    """What a run without any trouble gives, by key."""
    with ChatServer() as server:
        engine = opened(server.url)
        found = sorted(engine.generate(PROMPTS, HOW), key=lambda answer: answer.key)
        engine.close()
    return found


def after_start(
    then: Callable[[int, Body], Trouble | None],
) -> Callable[[int, Body], Trouble | None]:
    """Trouble for questions only: the probe before them is answered."""
    return lambda number, body: then(number, body) if "What is" in str(body) else None


def test_a_server_that_dies_in_the_middle_costs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    dying = Manners(
        latency_s=0.01,
        trouble=after_start(lambda number, body: Trouble("die") if number >= 20 else None),
    )
    with ChatServer(dying) as first, ChatServer(Manners(latency_s=0.04)) as second:
        engine = opened(first.url, second.url)
        found = list(engine.generate(PROMPTS, HOW))
        engine.close()
        assert first.requests >= 20
        # It also takes over the other's share of the requests in flight: 4 and 4.
        assert second.most_in_flight == 8
    assert sorted(found, key=lambda answer: answer.key) == undisturbed()
    said = capsys.readouterr().err
    assert f"server {first.url} is taken out" in said
    assert f"its requests go to {second.url}" in said


def started(latency_s: float) -> tuple[subprocess.Popen[str], str]:
    """A server in a process of its own, and its URL."""
    program = Path(__file__).parents[1] / "chat_server.py"
    process = subprocess.Popen(
        [sys.executable, str(program), "--latency", str(latency_s)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_killed_process_costs_nothing() -> None:
    first, first_url = started(0.02)
    second, second_url = started(0.02)
    try:
        engine = opened(first_url, second_url)
        found = []
        for answer in engine.generate(PROMPTS, HOW):
            found.append(answer)
            if len(found) == 20:
                os.kill(first.pid, signal.SIGKILL)
        engine.close()
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    assert sorted(found, key=lambda answer: answer.key) == undisturbed()


def test_when_every_server_is_dead_the_run_ends_with_an_error() -> None:
    with ChatServer(Manners(latency_s=0.01)) as server:
        engine = opened(server.url)
        found = []
        with pytest.raises(EngineError, match="no server is left") as caught:
            for answer in engine.generate(PROMPTS, HOW):
                found.append(answer.key)
                if len(found) == 10:
                    server.loop.call_soon_threadsafe(server.die)
        engine.close()
    assert 10 <= len(found) < len(PROMPTS)
    assert "run the same command again" in str(caught.value)


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(Trouble("status", 500), id="500"),
        pytest.param(Trouble("status", 503, "loading"), id="503"),
        pytest.param(Trouble("status", 429, "slow down", retry_after="0.02"), id="429"),
        pytest.param(Trouble("status", 408), id="408"),
        pytest.param(Trouble("cut"), id="connection-cut-half-way"),
        pytest.param(Trouble("abort"), id="aborted-by-the-server"),
    ],
)
def test_a_passing_failure_is_tried_again_and_changes_nothing(trouble: Trouble) -> None:
    shaky = Manners(trouble=after_start(lambda number, body: trouble if number % 3 == 0 else None))
    with ChatServer(shaky) as server:
        engine = opened(server.url)
        found = sorted(engine.generate(PROMPTS, HOW), key=lambda answer: answer.key)
        engine.close()
        assert server.requests > len(PROMPTS) + 10
    assert found == undisturbed()


def test_a_prompt_that_always_fails_is_named_and_the_others_are_handed_on() -> None:
    def only_q5(number: int, body: Body) -> Trouble | None:
        return Trouble("status", 500, "CUDA error") if "What is 5?" in str(body) else None

    with ChatServer(Manners(trouble=only_q5)) as server:
        engine = opened(server.url)
        found = []
        with pytest.raises(EngineError, match="prompt q5: no answer after 10 attempts") as caught:
            found.extend(answer.key for answer in engine.generate(PROMPTS[:8], HOW))
        engine.close()
    assert "CUDA error" in str(caught.value)


def test_answers_under_way_are_handed_on_before_a_failure_is_raised() -> None:
    def refused(number: int, body: Body) -> Trouble | None:
        return Trouble("status", 400, "bad image") if "What is 0?" in str(body) else None

    found = []
    with ChatServer(Manners(latency_s=0.02, trouble=refused)) as server:
        engine = opened(server.url)
        with pytest.raises(PromptRefused, match=r"prompt q0: .*HTTP 400.*bad image") as caught:
            for answer in engine.generate(PROMPTS, HOW):
                found.append(answer.key)
        engine.close()
    assert len(found) >= 7
    assert caught.value.key == "q0"


def test_the_end_of_the_context_cuts_an_answer_off_like_in_the_other_engines() -> None:
    with ChatServer() as server:
        engine = opened(server.url)
        for room in (20, 5):
            # <user>...<end><assistant><description> around the text
            words = "x" * (4096 - room - len("<user><end><assistant><description>"))
            prompt = Prompt("k", (Message("user", (TextPart(words),)),), prefill="<description>")
            (answer,) = engine.generate([prompt], HOW)
            assert answer.prompt_tokens == 4096 - room
            for sample in answer.completions:
                expected = ("stop", 13) if room == 20 else ("length", 5)
                assert (sample.finish_reason, sample.tokens) == expected
        engine.close()


def test_a_prompt_longer_than_the_context_is_named() -> None:
    long = Prompt("long", (Message("user", (TextPart("What is " + "x" * 5000),)),))
    with ChatServer() as server:
        engine = opened(server.url)
        with pytest.raises(PromptRefused, match="prompt long is longer than the server's context"):
            list(engine.generate([long], HOW))
        engine.close()
        # Once as asked and once without a limit of its own; never again.
        assert sum("xxx" in str(body) for body in server.bodies) == 2


def test_a_failed_request_goes_to_another_server_next() -> None:
    sick = Manners(trouble=after_start(lambda number, body: Trouble("status", 500)))
    twice = Pace(first_wait_s=0.01, longest_wait_s=0.05, attempts=2, faults_in_a_row=1000)
    with ChatServer(sick) as first, ChatServer(Manners(latency_s=0.005)) as second:
        engine = opened(first.url, second.url, pace=twice)
        assert len(list(engine.generate(PROMPTS, HOW))) == len(PROMPTS)
        engine.close()


def test_a_server_that_fails_at_everything_is_taken_out_for_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sick = Manners(trouble=after_start(lambda number, body: Trouble("status", 500)))
    with ChatServer(sick) as first, ChatServer(Manners(latency_s=0.005)) as second:
        engine = opened(first.url, second.url)
        found = sorted(engine.generate(PROMPTS, HOW), key=lambda answer: answer.key)
        engine.close()
    assert found == undisturbed()
    assert f"server {first.url} is taken out (20 failures in a row" in capsys.readouterr().err


def test_a_server_that_never_replies_is_a_timeout_and_says_what_to_change() -> None:
    hanging = Manners(trouble=after_start(lambda number, body: Trouble("hang")))
    with ChatServer(hanging) as server:
        engine = opened(server.url, timeout_s=0.1)
        began = time.monotonic()
        with pytest.raises(EngineError, match=r"3 times no reply in time.*larger timeout_s"):
            list(engine.generate(PROMPTS[:2], HOW))
        assert time.monotonic() - began < 5
        engine.close()


def test_waits_grow_with_jitter_up_to_a_limit_and_a_server_may_ask_for_more() -> None:
    pace = Pace(first_wait_s=1.0, longest_wait_s=8.0)
    for retry, whole in enumerate([1, 2, 4, 8, 8, 8]):
        waits = {pace.wait_s(retry) for _ in range(50)}
        assert len(waits) > 10
        assert min(waits) >= whole / 2
        assert max(waits) <= whole
    assert pace.wait_s(0, asked_s=5.0) == 5.0
    assert pace.wait_s(0, asked_s=1e9) == 8.0
