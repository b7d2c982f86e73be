"""engine=server against real HTTP servers on loopback: order, windows, seeds, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from chat_server import ChatServer, Manners, Trouble

from vigos_eval.engines.server import ServerEngine
from vigos_eval.engines.server_pool import Pace
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import ConfigError, EngineError
from vigos_eval.types import Decoding, Generated, Message, Prompt, TextPart

QUICK = Pace(first_wait_s=0.01, longest_wait_s=0.05)
HOW = Decoding(n=3, temperature=1.0, top_p=0.9, top_k=20, max_new_tokens=64, seed=42)


def asked(count: int, prefill: str = "<description>") -> list[Prompt]:
    return [
        Prompt(f"q{i}", (Message("user", (TextPart(f"What is {i}?"),)),), prefill=prefill)
        for i in range(count)
    ]


def settings(*servers: ChatServer, **values: object) -> EngineSettings:
    given = {"engine": "server", "pretrained": "tiny", "concurrency": 8, "timeout_s": 10.0}
    urls = ";".join(server.url for server in servers)
    return EngineSettings(**(given | {"base_url": urls} | values))  # type: ignore[arg-type]


def answers(
    engine: ServerEngine, prompts: list[Prompt], how: Decoding = HOW
) -> dict[str, Generated]:
    listed = list(engine.generate(prompts, how))
    assert len({answer.key for answer in listed}) == len(listed), "a prompt was answered twice"
    return {answer.key: answer for answer in listed}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as running:
        yield running


@pytest.fixture
def engine(server: ChatServer) -> Iterator[ServerEngine]:
    opened = ServerEngine(settings(server), QUICK)
    yield opened
    opened.close()


def test_every_prompt_comes_back_once_with_n_samples(engine: ServerEngine) -> None:
    found = answers(engine, asked(40))
    assert sorted(found) == sorted(prompt.key for prompt in asked(40))
    for answer in found.values():
        assert len({sample.text for sample in answer.completions}) == HOW.n
        assert [sample.tokens for sample in answer.completions] == [13] * HOW.n
        assert bytes(answer.prompt_ids).endswith(b"<description>")
        assert answer.prompt_tokens == len(answer.prompt_ids)


def test_sample_i_has_the_seed_of_a_single_request_with_seed_plus_i(engine: ServerEngine) -> None:
    together = answers(engine, asked(1))["q0"].completions
    singly = [
        answers(engine, asked(1), replace(HOW, n=1, seed=HOW.seed + i))["q0"].completions[0]
        for i in range(HOW.n)
    ]
    assert list(together) == singly


def test_one_request_asks_for_all_samples(server: ChatServer, engine: ServerEngine) -> None:
    answers(engine, asked(10))
    assert sum("What is" in body["messages"][0]["content"] for body in server.bodies) == 10
    assert {body["n"] for body in server.bodies} == {HOW.n}


def test_greedy_samples_are_one_request_for_one_sample(
    server: ChatServer, engine: ServerEngine
) -> None:
    """vLLM refuses n > 1 at temperature 0; five greedy samples are one text five times."""
    found = answers(engine, asked(2), replace(HOW, temperature=0.0, n=5))
    assert [len(answer.completions) for answer in found.values()] == [5, 5]
    assert {len(set(answer.completions)) for answer in found.values()} == {1}
    assert {body["n"] for body in server.bodies} == {1}


def test_a_sample_cut_at_the_limit_says_length(engine: ServerEngine) -> None:
    found = answers(engine, asked(1), replace(HOW, max_new_tokens=5))["q0"]
    assert [(s.finish_reason, s.tokens) for s in found.completions] == [("length", 5)] * HOW.n


def test_as_many_requests_are_in_flight_as_allowed_and_no_more(server: ChatServer) -> None:
    server.manners.latency_s = 0.02
    engine = ServerEngine(settings(server, concurrency=6), QUICK)
    answers(engine, asked(60))
    engine.close()
    assert server.most_in_flight == 6


def test_prompts_are_taken_only_as_fast_as_the_window_needs_them(engine: ServerEngine) -> None:
    """Images of thousands of prompts are never in memory at once."""
    taken = 0

    def prompts() -> Iterator[Prompt]:
        nonlocal taken
        for prompt in asked(200):
            taken += 1
            yield prompt

    for handed_on, _ in enumerate(engine.generate(prompts(), HOW), 1):
        assert taken - handed_on <= 8 + 8  # concurrency and what is being built or parsed
    assert taken == 200


def test_leaving_early_stops_the_requests(server: ChatServer, engine: ServerEngine) -> None:
    server.manners.trouble = lambda number, body: Trouble("hang") if number > 1 else None
    stream = engine.generate(iter(asked(1000)), HOW)
    next(stream)
    pause = threading.Event()
    pause.wait(0.1)
    assert len(server.connections) == 8
    stream.close()  # type: ignore[attr-defined]
    pause.wait(0.1)
    # Cutting the connection is what makes a server stop generating.
    assert len(server.connections) == 0
    assert server.requests < 20


def test_a_slow_server_gets_fewer_requests() -> None:
    with ChatServer(Manners(latency_s=0.15)) as slow, ChatServer(Manners(latency_s=0.004)) as fast:
        engine = ServerEngine(settings(slow, fast), QUICK)
        assert len(answers(engine, asked(120))) == 120
        engine.close()
    assert fast.requests > 3 * slow.requests > 0


def test_the_identity_names_the_checkpoint_and_not_the_address(engine: ServerEngine) -> None:
    assert dict(engine.identity) == {"served_model": "tiny", "root": "/checkpoints/tiny"}


def refusal(*servers: ChatServer, **values: object) -> str:
    """What opening an engine and asking one prompt is refused with."""
    engine = None
    with pytest.raises((EngineError, ConfigError)) as caught:
        engine = ServerEngine(settings(*servers, **values), QUICK)
        answers(engine, asked(1))
    if engine is not None:
        engine.close()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_another_model_is_named_before_anything_is_asked(server: ChatServer) -> None:
    message = refusal(server, pretrained="org/large")
    assert "serves 'tiny', not pretrained='org/large'" in message
    assert server.requests == 0


def test_a_web_page_is_no_server(server: ChatServer) -> None:
    server.manners.is_page = True
    assert "answers with a web page" in (message := refusal(server))
    assert "/v1" in message


def test_an_address_without_v1_is_named(server: ChatServer) -> None:
    assert "usually ends in /v1" in refusal(base_url=server.url.removesuffix("/v1"))


def test_no_server_at_all_is_named_with_the_command_that_starts_one() -> None:
    message = refusal(base_url="http://127.0.0.1:9/v1")
    assert "does not answer" in message
    assert "vllm serve tiny" in message


def test_a_missing_key_names_the_variable(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    assert "key_env=SOME_KEY: that environment variable is not set" in refusal(
        server, key_env="SOME_KEY"
    )


def test_a_wrong_key_is_refused_without_being_shown(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.manners.key = "right"
    monkeypatch.setenv("SOME_KEY", "very-secret")
    message = refusal(server, key_env="SOME_KEY")
    assert "refuses the key in $SOME_KEY" in message
    assert "very-secret" not in message
    assert "refuses a request without a key" in refusal(server)


def test_the_right_key_is_sent(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.manners.key = "right"
    monkeypatch.setenv("SOME_KEY", "right")
    engine = ServerEngine(settings(server, key_env="SOME_KEY"), QUICK)
    assert len(answers(engine, asked(3))) == 3
    engine.close()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"base_url": "localhost:8000"}, "is no URL"),
        ({"base_url": "http://h/v1;http://h/v1/"}, "names http://h/v1 twice"),
        ({"base_url": "http://h/v1", "concurrency": 0}, "concurrency=0; use a value above 0"),
        ({"base_url": "http://h/v1", "timeout_s": 0}, "timeout_s=0; use a value above 0"),
        ({"base_url": " ; "}, "base_url=' ; ' names no server"),
    ],
)
def test_a_setting_that_cannot_be_is_named(values: dict[str, object], words: str) -> None:
    assert words in refusal(**values)


def test_two_checkpoints_under_one_name_are_not_mixed(server: ChatServer) -> None:
    with ChatServer(Manners(models={"tiny": "/elsewhere/tiny"})) as other:
        message = refusal(server, other)
    assert "'/checkpoints/tiny'" in message
    assert "'/elsewhere/tiny'" in message


@pytest.mark.parametrize(
    ("manners", "words"),
    [
        pytest.param(Manners(prefill="refuses"), "The last message must be", id="refuses-prefill"),
        pytest.param(Manners(prefill="ignores"), "ends with", id="ignores-prefill-vllm"),
        pytest.param(
            Manners(prefill="ignores", is_vllm=False),
            "ignores continue_final",
            id="ignores-prefill",
        ),
    ],
)
def test_a_server_without_prefill_is_found_out_and_told_the_way_out(
    manners: Manners, words: str
) -> None:
    with ChatServer(manners) as server:
        message = refusal(server)
        assert "does not continue an answer begun with '<description>'" in message
        assert words in message
        assert "prefill=off" in message
        assert all("What is" not in str(body["messages"]) for body in server.bodies)
        engine = ServerEngine(settings(server, is_prefill_on=False), QUICK)
        assert len(answers(engine, asked(3, prefill=""))) == 3
        engine.close()


@pytest.mark.parametrize("samples", [0, 1], ids=["ignores-n", "refuses-n"])
def test_a_server_that_gives_one_sample_per_request_is_found_out(samples: int) -> None:
    with ChatServer(Manners(max_samples=samples)) as server:
        assert "n=3" in (message := refusal(server))
        assert "vllm serve" in message


def test_a_hosted_api_that_knows_only_the_standard_is_asked_in_the_standard(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ChatServer(Manners(is_vllm=False, is_lenient=False)) as server:
        engine = ServerEngine(settings(server), QUICK)
        found = answers(engine, asked(3), replace(HOW, top_k=0))["q0"]
        engine.close()
        assert not {"top_k", "min_p", "return_token_ids"} & server.bodies[-1].keys()
    # The server tells only the sum over the samples.
    assert sum(sample.tokens for sample in found.completions) == 13 * HOW.n
    assert found.prompt_ids == found.completions[0].token_ids == ()
    assert "its own defaults hold" in capsys.readouterr().err


def test_top_k_is_not_dropped_for_a_server_that_refuses_it() -> None:
    with ChatServer(Manners(is_vllm=False, is_lenient=False)) as server:
        assert "Unrecognized request argument supplied: top_k" in refusal(server)


def test_servers_of_two_kinds_do_not_share_a_run(server: ChatServer) -> None:
    with ChatServer(Manners(is_vllm=False, is_lenient=False)) as plain:
        engine = ServerEngine(settings(server, plain), QUICK)
        with pytest.raises(EngineError, match="Use servers of one kind"):
            answers(engine, asked(1), replace(HOW, top_k=0))
        engine.close()


def test_a_lenient_server_that_tells_counts_only_is_accepted() -> None:
    with ChatServer(Manners(is_vllm=False)) as server:
        engine = ServerEngine(settings(server), QUICK)
        assert len(answers(engine, asked(3))) == 3
        engine.close()


def test_a_page_instead_of_an_answer_is_an_error_and_no_answer(
    server: ChatServer, engine: ServerEngine
) -> None:
    server.manners.trouble = lambda number, body: Trouble("html") if number == 5 else None
    with pytest.raises(EngineError, match="web page"):
        answers(engine, asked(20))
