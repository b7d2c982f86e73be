"""One row's metrics for lmms-eval's table: looked up from the run's verdicts, else graded here.

Our model grades a whole run at once, judge included, before the host asks for metrics; other
models' answers are graded by rules as they come.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vigos_eval.grading.run import grade_records
from vigos_eval.marks import POSITION, PRIOR_POSITION
from vigos_eval.protocol import JudgeSettings
from vigos_eval.records import Attempt, CompletionRecord, Response, VerdictRecord, row_name, row_of
from vigos_eval.types import Outcome, Sample


@dataclass(frozen=True)
class RowIdentity:
    """What ties a row of the host's to a question of the run; rows may repeat ids."""

    task: str
    source: str
    id: str
    question: str
    gold: str
    responses: tuple[str, ...]


# The host's process_results knows neither the model nor the run folder: the verdicts of the run
# that was just graded in this process wait here.
_verdicts: dict[RowIdentity, VerdictRecord] = {}
_skipped: set[str] = set()
_withheld: set[str] = set()
_folders: list[Path] = []
_faults: list[str] = []
_lock = threading.Lock()


def publish_verdicts(
    folder: Path,
    completions: Mapping[str, CompletionRecord],
    verdicts: Mapping[str, VerdictRecord],
    withheld: frozenset[str] = frozenset(),
) -> None:
    """Make a graded run's verdicts known to `row_metrics`, in place of any earlier run's.

    Args:
        folder: The run folder.
        completions: What was answered.
        verdicts: What it is worth.
        withheld: Labels of the tasks whose scores are not shown: too much of them is ungraded.
    """
    with _lock:
        _folders.append(folder)
        _verdicts.clear()
        _skipped.clear()
        _withheld.clear()
        _withheld.update(withheld)
        for key, record in completions.items():
            if record.skipped is not None:
                _skipped.add(row_of(key))
                continue
            texts = tuple(response.text for response in record.responses)
            _verdicts[_identity(record.sample, texts)] = verdicts[key]


def is_skipped(label: str, row: int, responses: Sequence[str]) -> bool:
    """Whether the run left this row out (`skip_bad_rows`): it was never asked, so it has no metric."""
    with _lock:
        return row_name(label, row) in _skipped and not any(responses)


def is_withheld(label: str) -> bool:
    """Whether the run that was just graded shows no score of this task."""
    with _lock:
        return label in _withheld


def row_metrics(sample: Sample, responses: Sequence[str]) -> dict[str, float]:
    """Metrics of one row by their printed names, e.g. ``pass@5`` and ``avg@5``; ViLP's by position.

    Empty for a question with an ungraded attempt: it leaves every mean.
    """
    verdict = _verdicts.get(_identity(sample, tuple(responses)))
    if verdict is None:
        verdict = _graded_here(sample, responses)
    return attempt_metrics(sample, verdict.attempts)


def _graded_here(sample: Sample, responses: Sequence[str]) -> VerdictRecord:
    """By rules alone, the answer taken from the closing words: other models write no boxes."""
    texts = tuple(Response(text, 0, "stop", 0) for text in responses)
    record = CompletionRecord("row", "", sample, (), 0, texts)
    graded = grade_records({"row": record}, "final_answer", JudgeSettings(), Path("unused"))
    return graded.verdicts["row"]


def attempt_metrics(sample: Sample, attempts: Sequence[Attempt]) -> dict[str, float]:
    """The row's metrics from its graded attempts; empty when one is ungraded or none is there.

    The share without any answer stands beside them: a low score may be a question of format.
    """
    outcomes = [attempt.outcome for attempt in attempts]
    if not outcomes or Outcome.UNGRADED in outcomes:
        return {}
    k = len(outcomes)
    correct = outcomes.count(Outcome.CORRECT)
    unparsed = {"unparsed": sum(attempt.is_unparsed for attempt in attempts) / k}
    if POSITION in sample.subgroups:
        name = "prior" if sample.subgroups[POSITION] == PRIOR_POSITION else "score"
        return {name: float(correct > 0), **unparsed}
    return {f"pass@{k}": float(correct > 0), f"avg@{k}": correct / k, **unparsed}


def finished_runs() -> tuple[Path, ...]:
    """Folders of the runs that were graded in this process."""
    with _lock:
        return tuple(_folders)


def record_fault(message: str) -> None:
    """Note an exception in process_results, where raising would lose every generation."""
    with _lock:
        _faults.append(message)


def recorded_faults() -> tuple[str, ...]:
    """What `record_fault` noted in this process."""
    with _lock:
        return tuple(_faults)


def _identity(sample: Sample, responses: tuple[str, ...]) -> RowIdentity:
    return RowIdentity(
        sample.task, sample.source, sample.id, sample.question, sample.gold, responses
    )
