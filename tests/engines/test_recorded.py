"""engine=recorded: a run folder answers again, and refuses what it never answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vigos_eval.engines.open import open_engine
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import EngineError, RunFolderError
from vigos_eval.records import CompletionRecord, Response, completion_line
from vigos_eval.types import AnswerKind, Decoding, Prompt, Sample

HOW = Decoding(n=2, temperature=1.0, top_p=0.9, top_k=20, max_new_tokens=64, seed=42)


def record(number: int) -> CompletionRecord:
    sample = Sample("mmmu", "paper", f"id{number}", "Why?", "A", AnswerKind.CHOICE, f"id{number}")
    responses = tuple(
        Response(f"<description>answer {number}.{i}", 10 + i, "stop", 42 + i) for i in range(2)
    )
    return CompletionRecord(
        f"mmmu:{number:05d}:id{number}", "0" * 12, sample, (), 30 + number, responses
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of two ranks."""
    for rank in range(2):
        lines = [completion_line(record(number)) for number in (rank, rank + 2)]
        (tmp_path / f"completions.rank{rank}.jsonl").write_text("".join(lines))
    return tmp_path


def replayed(folder: Path, prompt: Prompt, how: Decoding = HOW) -> list[str]:
    engine = open_engine(EngineSettings(engine="recorded", run=str(folder)))
    (answer,) = engine.generate([prompt], how)
    engine.close()
    return [sample.text for sample in answer.completions]


def prompt(number: int, prefill: str = "<description>") -> Prompt:
    return Prompt(f"mmmu:{number:05d}:id{number}", (), prefill=prefill)


def test_every_prompt_of_every_rank_gets_its_own_answers_without_the_prefill(folder: Path) -> None:
    engine = open_engine(EngineSettings(engine="recorded", run=str(folder)))
    found = list(engine.generate([prompt(3), prompt(0), prompt(1), prompt(2)], HOW))
    assert [answer.key for answer in found] == [prompt(n).key for n in (3, 0, 1, 2)]
    first = found[0]
    assert [sample.text for sample in first.completions] == ["answer 3.0", "answer 3.1"]
    assert [sample.tokens for sample in first.completions] == [10, 11]
    assert first.prompt_tokens == 33


def test_fewer_samples_than_recorded_are_the_first_ones(folder: Path) -> None:
    assert replayed(folder, prompt(1), replace(HOW, n=1)) == ["answer 1.0"]


def test_a_protocol_without_prefill_gets_the_whole_text(folder: Path) -> None:
    assert replayed(folder, prompt(1, prefill=""))[0] == "<description>answer 1.0"


@pytest.mark.parametrize(
    ("asked", "how", "words"),
    [
        pytest.param(prompt(9), HOW, "holds no answer to mmmu:00009:id9", id="unknown-prompt"),
        pytest.param(
            prompt(1), replace(HOW, n=5), "holds 2 answers to mmmu:00001:id1, but 5", id="too-few"
        ),
        pytest.param(prompt(1), replace(HOW, seed=7), "pass seed=42", id="another-seed"),
        pytest.param(prompt(1, "<think>"), HOW, "do not start with the prefill", id="prefill"),
    ],
)
def test_what_was_never_answered_is_refused_by_name(
    folder: Path, asked: Prompt, how: Decoding, words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        replayed(folder, asked, how)


def test_a_skipped_row_is_refused_by_name(folder: Path) -> None:
    skipped = replace(record(8), responses=(), skipped="image cannot be read")
    (folder / "completions.rank2.jsonl").write_text(completion_line(skipped))
    with pytest.raises(EngineError, match=r"id8 was skipped there \(image cannot be read\)"):
        replayed(folder, prompt(8))


def test_no_run_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is no folder"):
        replayed(tmp_path / "nowhere", prompt(1))
    with pytest.raises(RunFolderError, match=r"holds no completions\.jsonl"):
        replayed(tmp_path, prompt(1))


def test_the_identity_follows_the_answers(folder: Path) -> None:
    def identity() -> dict[str, str]:
        return dict(open_engine(EngineSettings(engine="recorded", run=str(folder))).identity)

    before = identity()
    assert before == identity()
    with (folder / "completions.rank1.jsonl").open("a") as file:
        file.write(completion_line(record(7)))
    assert identity() != before
