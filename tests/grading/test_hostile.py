"""Hostile answers: none executes, hangs, crashes or is CORRECT."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.grading.hostile import HOSTILE, MARK
from tests.grading.samples import record, sample
from vigos_eval.grading import grade
from vigos_eval.grading.pool import POOL
from vigos_eval.grading.run import grade_records
from vigos_eval.protocol import JudgeSettings
from vigos_eval.types import AnswerKind, Outcome

GOLDS = [
    sample(AnswerKind.CHOICE, "B", options=("one pear", "two apples", "three plums", "a fig")),
    sample(AnswerKind.NUMBER, "42"),
    sample(AnswerKind.EXPRESSION, "x^2 + 1"),
    sample(AnswerKind.LIST, "[2014, 2016]"),
    sample(AnswerKind.WORD, "cat", rule="vilp"),
    sample(AnswerKind.TEXT, "a black cat"),
]
PAIR_LIMIT_S = 3.5
"""2.5 s on an idle machine; tests share theirs."""


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an executed answer would leave its mark."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_enough_of_them() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("gold", GOLDS, ids=lambda item: item.kind.value)
def test_no_hostile_answer_executes_hangs_or_is_correct(gold: object, tmp_path: Path) -> None:
    assert gold in GOLDS
    for answer in HOSTILE:
        POOL.warm()  # the import of a killed worker's replacement is no pair's time
        start = time.perf_counter()
        verdict = grade(answer, gold)  # type: ignore[arg-type]
        took = time.perf_counter() - start
        assert took < PAIR_LIMIT_S, answer[:60]
        assert verdict.outcome is not Outcome.CORRECT, answer[:60]
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("answer", ["4\u200b2", "\u202e24\u202c", "4\x002", "42\x1b[2J"])
def test_invisible_characters_are_named_in_the_reason(answer: str) -> None:
    verdict = grade(answer, GOLDS[1])
    assert verdict.outcome is Outcome.WRONG
    assert "invisible character" in verdict.reason


def test_invisible_characters_around_an_answer_do_not_matter() -> None:
    assert grade("\ufeff42\u200b", GOLDS[1]).outcome is Outcome.CORRECT


def test_hostile_responses_leave_a_run_graded(tmp_path: Path) -> None:
    records = {
        f"t:{i}": record(f"t:{i}", GOLDS[0], "\\boxed{" + answer + "}")
        for i, answer in enumerate(answer for answer in HOSTILE if len(answer) < 100_000)
    }
    graded = grade_records(records, "boxed", JudgeSettings(), tmp_path / "cache.jsonl")
    assert len(graded.verdicts) == len(records)
    outcomes = {
        attempt.outcome for verdict in graded.verdicts.values() for attempt in verdict.attempts
    }
    assert outcomes == {Outcome.WRONG}
    assert not (tmp_path / MARK).exists()
