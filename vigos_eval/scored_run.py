"""A run folder as report, compare and plots need it: settings, marks, scores, notes. No table here.

Texts are read past, not kept: a run of 15,000 questions x 5 fits into a few megabytes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigos_eval.errors import RunFolderError
from vigos_eval.marks import POSITION, Mark, mark_of, reported_label
from vigos_eval.metrics import scores_of
from vigos_eval.records import (
    CompletionRecord,
    VerdictRecord,
    read_completions,
    read_run_settings,
    read_verdicts,
)
from vigos_eval.scores import RunScores
from vigos_eval.types import Outcome, Sample

NEEDED_SETTINGS = ("name", "protocol", "tasks", "control", "partial", "model")


@dataclass(frozen=True)
class PositionedAnswers:
    """A ViLP question with its answers, kept for the prior-flip table.

    Attributes:
        label: ``vilp_f``, ...
        sample: The question; `Sample.images` is empty.
        answers: Extracted answer and outcome of every attempt.
    """

    label: str
    sample: Sample
    answers: tuple[tuple[str | None, Outcome], ...]


@dataclass(frozen=True)
class ScoredRun:
    """One run folder, read.

    Attributes:
        folder: Where it lies.
        settings: run.json.
        marks: One per question, sorted by key.
        scores: Scores by task label, and means.
        gradings: Grading fingerprints that occur in the verdicts (one, in a sound run).
        positioned: ViLP's answers.
        notes: By label, what is wrong with a task: incomplete, empty.
    """

    folder: Path
    settings: Mapping[str, Any]
    marks: tuple[Mark, ...]
    scores: RunScores
    gradings: tuple[str, ...]
    positioned: tuple[PositionedAnswers, ...]
    notes: Mapping[str, str]

    @property
    def name(self) -> str:
        """The run's name as people see it."""
        return str(self.settings["name"])

    @property
    def control(self) -> str | None:
        """``blind``, ``shuffled``, or None for a real run."""
        control: str | None = self.settings["control"]
        return control

    @property
    def cut_by(self) -> str:
        """What made a partial run partial: ``limit 8``, or ``not finished`` when it was stopped."""
        limit = self.settings.get("limit")
        return "not finished" if limit is None else f"limit {limit}"

    @property
    def protocol(self) -> Mapping[str, Any]:
        """The protocol's fields."""
        fields: Mapping[str, Any] = self.settings["protocol"]
        return fields

    @property
    def tasks(self) -> dict[str, Mapping[str, Any]]:
        """Facts of each task in run.json (source, dataset, revision, questions, k), by label."""
        return {reported_label(label): facts for label, facts in self.settings["tasks"].items()}


def differing_fields(
    one: Mapping[str, Any], other: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Protocol settings that two runs do not share, with both values; names and bookkeeping aside.

    Of the judge only who judges matters, not how fast it was asked.

    >>> differing_fields({"top_k": 20, "name": "paper"}, {"top_k": 50, "name": "custom"})
    {'top_k': (20, 50)}
    """
    a, b = _compared(one), _compared(other)
    return {k: (a.get(k), b.get(k)) for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)}


def _compared(protocol: Mapping[str, Any]) -> dict[str, Any]:
    fields = {k: v for k, v in protocol.items() if k not in ("name", "base", "judge")}
    judge = protocol.get("judge") or {}
    return {**fields, "judge.mode": judge.get("mode"), "judge.model": judge.get("model")}


def read_run(folder: Path) -> ScoredRun:
    """The run in a folder.

    Raises:
        RunFolderError: Not a run folder, no completions, no verdicts, or verdicts that do not
            belong to the completions; the message ends with the next command.
    """
    settings = checked_settings(folder)
    marks: list[Mark] = []
    positioned: list[PositionedAnswers] = []
    with _no_cycle_search():
        verdicts = read_verdicts(folder)
        for record in read_completions(folder, texts=False).values():
            verdict = verdicts.get(record.key)
            marks.append(_mark(folder, record, verdict))
            if POSITION in record.sample.subgroups and verdict is not None and not record.skipped:
                answers = tuple((attempt.answer, attempt.outcome) for attempt in verdict.attempts)
                positioned.append(PositionedAnswers(marks[-1].label, record.sample, answers))
    _refuse_strangers(folder, marks, verdicts)
    marks.sort(key=lambda mark: mark.key)
    scores = scores_of(marks)
    return ScoredRun(
        folder=folder,
        settings=settings,
        marks=tuple(marks),
        scores=scores,
        gradings=tuple(sorted({verdict.grading for verdict in verdicts.values()})),
        positioned=tuple(sorted(positioned, key=lambda p: (p.label, p.sample.id))),
        notes=dict(_notes(settings, scores)),
    )


@contextmanager
def _no_cycle_search() -> Iterator[None]:
    """Keep the collector from walking a million records that hold no cycle: a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def checked_settings(folder: Path) -> Mapping[str, Any]:
    """run.json with everything in it that results need.

    Raises:
        RunFolderError: It is missing, no JSON, or lacks a field.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder; give the run folder, e.g. runs/<name>")
    settings = read_run_settings(folder)
    for name in NEEDED_SETTINGS:
        if not isinstance(settings, Mapping) or name not in settings:
            raise RunFolderError(
                f"{folder / 'run.json'} has no {name!r}: it is half-written or of another version; "
                "run the same command again with run=" + str(folder)
            )
    for name in ("protocol", "tasks", "model"):
        if not isinstance(settings[name], Mapping):
            raise RunFolderError(f"{folder / 'run.json'}: {name!r} is no mapping")
    return settings


def _mark(folder: Path, record: CompletionRecord, verdict: VerdictRecord | None) -> Mark:
    try:
        mark = mark_of(record, verdict)
    except RunFolderError as error:
        raise RunFolderError(f"{folder}: {error}".replace("RUN", str(folder))) from error
    # NaN compares false with everything, so "not >=" catches it too.
    if not mark.tokens >= 0:
        raise RunFolderError(f"{folder}: {record.key} has a token count that is no number")
    return mark


def _refuse_strangers(
    folder: Path, marks: list[Mark], verdicts: Mapping[str, VerdictRecord]
) -> None:
    if odd := sorted(verdicts.keys() - {mark.key for mark in marks}):
        raise RunFolderError(
            f"{folder}: {len(odd)} verdicts have no completion, e.g. {', '.join(odd[:3])}; "
            f"grade again with: vigos-eval grade {folder}"
        )


def _notes(settings: Mapping[str, Any], scores: RunScores) -> Iterator[tuple[str, str]]:
    """What a reader must know of a task before trusting its row."""
    limit = settings.get("limit")
    for label, facts in settings["tasks"].items():
        reported = reported_label(label)
        found = scores.tasks.get(reported)
        expected = facts.get("questions") if isinstance(facts, Mapping) else None
        if found is None:
            yield reported, "empty: no question was asked"
        elif isinstance(expected, int) and found.n < expected:
            why = f"--limit {limit}" if limit is not None else "unfinished"
            yield reported, f"partial ({why}): {found.n} of {expected} questions"
