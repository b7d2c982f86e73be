"""Measuring the grader on answers that people, or a benchmark's own rule, have graded already.

A tuple is one JSON line: ``source, id, question, options, prediction, extracted, gold, kind
(mcq, free, text), verdict`` and, where the benchmark has them, ``answer_type`` and ``precision``.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vigos_eval.errors import DataError
from vigos_eval.final_answer import final_answer
from vigos_eval.grading.cascade import grade
from vigos_eval.grading.kinds import kind_of_gold
from vigos_eval.grading.official import mmmu_letter
from vigos_eval.types import AnswerKind, Outcome, Sample

Taken = Literal["extracted", "raw"]
Rules = Literal["benchmark", "general"]

# What decided a set's verdicts beside the gold, by source and kind.
BENCHMARK_RULES: dict[tuple[str, str], dict[str, str]] = {
    ("mathvision", "mcq"): {"rule": "mathvision"},
    ("mathvision", "free"): {"rule": "mathvision"},
    ("mmmu_pro", "mcq"): {"reader": "mmmu"},
    ("mmmu_val", "mcq"): {"reader": "mmmu"},
    ("mmmu_val", "free"): {"precision": "2"},
}
KINDS = {"integer": AnswerKind.NUMBER, "float": AnswerKind.NUMBER, "list": AnswerKind.LIST}


@dataclass(frozen=True)
class GradedTuple:
    """One answer with the verdict it was given elsewhere.

    Attributes:
        source: The set it comes from.
        kind: ``mcq``, ``free`` or ``text``.
        sample: Question and gold as a sample.
        prediction: The model's whole text.
        extracted: The answer that the set's own extraction found, or None.
        is_right: The official verdict.
    """

    source: str
    kind: str
    sample: Sample
    prediction: str
    extracted: str | None
    is_right: bool

    def answer(self, taken: Taken) -> str | None:
        """The answer to grade: the set's own extraction where there is one, else ours.

        Under the benchmarks' own rules a raw text of MMMU's is read as MMMU's script reads it.
        """
        if taken == "extracted" and self.extracted is not None:
            return self.extracted
        if self.sample.grading.get("reader") == "mmmu":
            return mmmu_letter(self.prediction, self.sample.options)
        return final_answer(self.prediction)


@dataclass(frozen=True)
class Agreement:
    """How the grader did on one source and kind.

    Attributes:
        source: The set.
        kind: ``mcq``, ``free`` or ``text``.
        n: Tuples.
        agreement: Share of the decided that got the official verdict, in [0, 1]; NaN without any.
        decided: Tuples that ended CORRECT or WRONG.
        false_positives: CORRECT against an official "wrong".
        false_negatives: WRONG against an official "right".
        undecided: Tuples that ended UNGRADED.
        seconds_per_1000: Extraction and grading, wall-clock seconds per 1,000 tuples.
        slowest_s: The slowest single tuple, wall-clock seconds.
    """

    source: str
    kind: str
    n: int
    agreement: float
    decided: int
    false_positives: int
    false_negatives: int
    undecided: int
    seconds_per_1000: float
    slowest_s: float


@dataclass(frozen=True)
class Judged:
    """One tuple with our outcome, our reason and the seconds it took."""

    item: GradedTuple
    answer: str | None
    outcome: Outcome
    reason: str
    seconds: float

    @property
    def is_disagreement(self) -> bool:
        """Decided, and not as the official verdict."""
        return (
            self.outcome is not Outcome.UNGRADED
            and (self.outcome is Outcome.CORRECT) != self.item.is_right
        )


def read_tuples(path: Path, rules: Rules = "benchmark") -> Iterator[GradedTuple]:
    """The tuples of a file of JSON lines, plain or gzipped.

    Args:
        path: The file.
        rules: ``benchmark`` reads and compares as the set's own script does, where it has one that
            decided its verdicts (MMMU, MATH-Vision); ``general`` is our grader everywhere.

    Raises:
        DataError: The file is missing, or a line is not a tuple; names the line.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8") as file
        ):
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _parsed(line, path, number, rules)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _parsed(line: str, path: Path, number: int, rules: Rules) -> GradedTuple:
    try:
        row: dict[str, Any] = json.loads(line)
        sample = _sample(row, rules)
        return GradedTuple(
            source=row["source"],
            kind=row["kind"],
            sample=sample,
            prediction=row["prediction"],
            extracted=row.get("extracted"),
            is_right=bool(row["verdict"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} line {number} is not a graded tuple ({error!r}); it needs source, id, question, "
            "options, prediction, gold, kind (mcq, free or text) and verdict"
        ) from error


def _sample(row: dict[str, Any], rules: Rules) -> Sample:
    options = tuple(str(option) for option in row.get("options") or ())
    gold = _stated_gold(row["gold"])
    answer_type = row.get("answer_type")
    if row["kind"] not in ("mcq", "free", "text"):
        raise ValueError(f"unknown kind {row['kind']!r}")
    grading: dict[str, str] = {}
    if row["kind"] == "mcq":
        kind = AnswerKind.CHOICE
        # Sets that give an answer type (MathVista) write the gold as an option's text.
        if answer_type is not None:
            grading["gold"] = "text"
    elif row["kind"] == "text":
        kind = AnswerKind.TEXT
    else:
        kind = KINDS.get(str(answer_type)) or kind_of_gold(gold)
    if rules == "benchmark":
        grading |= BENCHMARK_RULES.get((row["source"], row["kind"]), {})
    if row.get("precision") not in (None, ""):
        grading["precision"] = str(row["precision"])
    return Sample(
        task=row["source"],
        source="official",
        id=str(row["id"]),
        question=row.get("question") or "",
        gold=gold,
        kind=kind,
        cluster=str(row["id"]),
        options=options,
        grading=grading,
    )


def _stated_gold(gold: str) -> str:
    """A gold that is a whole worked solution is read as a response is: the answer it ends in."""
    if "\\boxed" in gold or re.search(r"final answer", gold, re.IGNORECASE):
        return final_answer(gold) or gold
    return gold


def judged(item: GradedTuple, taken: Taken) -> Judged:
    """One tuple graded by rules, timed with its extraction."""
    start = time.perf_counter()
    answer = item.answer(taken)
    sample = item.sample
    if (taken == "raw" or item.extracted is None) and sample.grading.get("rule") == "mathvision":
        # MATH-Vision's comparison expects the text that its own extraction leaves.
        sample = replace(sample, grading={})
    verdict = grade(answer, sample)
    seconds = time.perf_counter() - start
    return Judged(item, answer, verdict.outcome, verdict.reason, seconds)


def agreements(results: list[Judged]) -> list[Agreement]:
    """One row per source and kind, in order of first appearance."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for result in results:
        groups.setdefault((result.item.source, result.item.kind), []).append(result)
    return [_agreement(*key, group) for key, group in groups.items()]


def _agreement(source: str, kind: str, group: list[Judged]) -> Agreement:
    decided = [r for r in group if r.outcome is not Outcome.UNGRADED]
    wrongly_right = sum(r.outcome is Outcome.CORRECT and not r.item.is_right for r in decided)
    wrongly_wrong = sum(r.outcome is Outcome.WRONG and r.item.is_right for r in decided)
    agree = len(decided) - wrongly_right - wrongly_wrong
    return Agreement(
        source=source,
        kind=kind,
        n=len(group),
        agreement=agree / len(decided) if decided else float("nan"),
        decided=len(decided),
        false_positives=wrongly_right,
        false_negatives=wrongly_wrong,
        undecided=len(group) - len(decided),
        seconds_per_1000=1000 * sum(r.seconds for r in group) / len(group),
        slowest_s=max(r.seconds for r in group),
    )
