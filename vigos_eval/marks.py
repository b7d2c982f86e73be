"""What one graded question contributes to every number: a `Mark`, without its texts. No formula here.

A run of 15,000 questions x 5 responses holds hundreds of megabytes of text; its marks hold a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vigos_eval.errors import RunFolderError
from vigos_eval.records import CompletionRecord, VerdictRecord, task_label
from vigos_eval.types import Outcome

POSITION = "position"
"""The subgroup in which a ViLP sample says which of its row's three images it asks about."""

PRIOR_POSITION = "image1"
SCORE_POSITIONS = ("image2", "image3")


@dataclass(frozen=True, slots=True)
class Mark:
    """One question, graded.

    Attributes:
        key: Unique in the run.
        label: The task it is reported under; both parts of MMMU-Pro are one.
        cluster: Questions of one cluster are not independent draws.
        subgroups: Named groups for the report.
        prompt_hash: Identity of what was asked; equal in two runs that can be paired.
        gold: The gold answer as the data set writes it.
        attempts: Responses sampled; 0 for a skipped row.
        correct: CORRECT attempts by our rules.
        ungraded: UNGRADED attempts by our rules.
        official_correct: CORRECT attempts by the benchmark's own rule, where it has one.
        official_ungraded: The same for UNGRADED.
        unparsed: Responses without an answer.
        truncated: Responses cut off at the token limit.
        format_valid: Responses with all three segments.
        lengths: Sampled tokens of each response.
        is_skipped: The row was never asked (unreadable image).
    """

    key: str
    label: str
    cluster: str
    subgroups: Mapping[str, str]
    prompt_hash: str
    gold: str
    attempts: int
    correct: int
    ungraded: int
    official_correct: int
    official_ungraded: int
    unparsed: int
    truncated: int
    format_valid: int
    lengths: tuple[int, ...]
    is_skipped: bool = False

    @property
    def tokens(self) -> int:
        """Sampled tokens over all responses."""
        return sum(self.lengths)


def reported_label(label: str) -> str:
    """The label a task is reported under: MMMU-Pro's two parts are one benchmark.

    >>> reported_label("mmmu_pro_vision"), reported_label("mmmu_pro_standard_official")
    ('mmmu_pro', 'mmmu_pro_official')
    >>> reported_label("mmmu")
    'mmmu'
    """
    if not label.startswith("mmmu_pro"):
        return label
    return "mmmu_pro_official" if label.endswith("_official") else "mmmu_pro"


def mark_of(record: CompletionRecord, verdict: VerdictRecord | None) -> Mark:
    """The mark of one question.

    Raises:
        RunFolderError: A question that was asked has no verdict, or not one per response.
    """
    sample = record.sample
    attempts = verdict.attempts if verdict is not None else ()
    if not record.skipped and len(attempts) != len(record.responses):
        what = "no verdict" if verdict is None else f"{len(attempts)} verdicts"
        raise RunFolderError(
            f"{record.key} has {len(record.responses)} responses and {what}; "
            "grade the run again with: vigos-eval grade RUN"
        )
    if record.skipped:
        attempts = ()
    outcomes = [attempt.outcome for attempt in attempts]
    official = [attempt.official or attempt.outcome for attempt in attempts]
    return Mark(
        key=record.key,
        label=reported_label(task_label(sample.task, sample.source)),
        cluster=sample.cluster,
        subgroups=sample.subgroups,
        prompt_hash=record.prompt_hash,
        gold=sample.gold,
        attempts=len(attempts),
        correct=outcomes.count(Outcome.CORRECT),
        ungraded=outcomes.count(Outcome.UNGRADED),
        official_correct=official.count(Outcome.CORRECT),
        official_ungraded=official.count(Outcome.UNGRADED),
        unparsed=sum([attempt.is_unparsed for attempt in attempts]),
        truncated=sum([attempt.is_truncated for attempt in attempts]),
        format_valid=sum([attempt.is_format_valid for attempt in attempts]),
        lengths=tuple([response.tokens for response in record.responses]) if attempts else (),
        is_skipped=record.skipped is not None,
    )


def marks_of(
    records: Iterable[CompletionRecord], verdicts: Mapping[str, VerdictRecord]
) -> list[Mark]:
    """The marks of all questions, sorted by key, so that every sum over them is deterministic.

    Raises:
        RunFolderError: A question without its verdicts, or a verdict without its question.
    """
    marks = sorted((mark_of(r, verdicts.get(r.key)) for r in records), key=lambda mark: mark.key)
    if odd := sorted(verdicts.keys() - {mark.key for mark in marks}):
        raise RunFolderError(
            f"{len(odd)} verdicts have no completion, e.g. {', '.join(odd[:3])}; "
            "grade the run again with: vigos-eval grade RUN"
        )
    return marks
