"""Verdicts of a whole run: rules for every answer, the judge for what they leave open.

`commands/grade.py` and the end of `generate_until` call it; nothing here knows lmms-eval.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vigos_eval.extract import answer_of
from vigos_eval.grading.cascade import GRADER_VERSION, grade, official_outcome
from vigos_eval.protocol import JudgeSettings, fingerprint
from vigos_eval.records import Attempt, CompletionRecord, VerdictRecord, verdict_line
from vigos_eval.types import Answer, Outcome, Verdict

MAX_UNGRADED_SHARE = 0.01
"""Above this share of ungraded questions no score is printed unless the user allows it."""


@dataclass(frozen=True)
class JudgeCost:
    """What the judge cost in one grading.

    Attributes:
        calls: Requests that were answered or failed, retries not counted.
        cached: Verdicts taken from the cache.
        failed: Calls that ended without a verdict; they are asked again at the next grading.
        prompt_tokens: As the endpoint counts them.
        completion_tokens: As the endpoint counts them.
    """

    calls: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class GradedRun:
    """All verdicts of a run, the grading fingerprint they carry, and the judge's cost."""

    verdicts: dict[str, VerdictRecord]
    fingerprint: str
    cost: JudgeCost


def grading_fingerprint(extraction: str, judge: JudgeSettings) -> str:
    """Identity of a grading: extraction, judge, prompt and rule versions; never of a generation."""
    asked = {k: v for k, v in asdict(judge).items() if k in ("mode", "model")}
    return fingerprint({"rules": GRADER_VERSION, "extraction": extraction, "judge": asked})


def grade_records(
    records: Mapping[str, CompletionRecord], extraction: str, judge: JudgeSettings, cache: Path
) -> GradedRun:
    """Grade every response of every question.

    Args:
        records: Completions by key; a skipped row gets a verdict record without attempts.
        extraction: ``boxed`` or ``final_answer``.
        judge: Who decides what rules leave open.
        cache: File that keeps the judge's verdicts between gradings.
    """
    mark = grading_fingerprint(extraction, judge)
    verdicts: dict[str, VerdictRecord] = {}
    for key in sorted(records):
        record = records[key]
        attempts = []
        for response in record.responses:
            answer = answer_of(response.text, response.finish_reason, extraction)
            attempts.append(_attempt(answer, grade(answer.text, record.sample), record))
        verdicts[key] = VerdictRecord(key, mark, tuple(attempts))
    return GradedRun(verdicts, mark, JudgeCost())


def _attempt(answer: Answer, verdict: Verdict, record: CompletionRecord) -> Attempt:
    return Attempt(
        answer=answer.text,
        outcome=verdict.outcome,
        reason=verdict.reason,
        decided_by=verdict.decided_by,
        is_format_valid=answer.is_format_valid,
        is_unparsed=answer.is_unparsed,
        is_truncated=answer.is_truncated,
        official=official_outcome(answer.text, record.sample),
    )


def ungraded_share(verdicts: Mapping[str, VerdictRecord]) -> float:
    """Share of asked questions with an ungraded attempt, in [0, 1]; they leave every mean.

    A caller withholds its scores when it exceeds `MAX_UNGRADED_SHARE`.

    >>> ungraded_share({})
    0.0
    """
    asked = [record for record in verdicts.values() if record.attempts]
    open_ = [r for r in asked if any(a.outcome is Outcome.UNGRADED for a in r.attempts)]
    return len(open_) / len(asked) if asked else 0.0


def write_verdicts(folder: Path, verdicts: Mapping[str, VerdictRecord]) -> Path:
    """Write verdicts.jsonl at once: a reader sees the old file or the new one, never half of one."""
    path = folder / "verdicts.jsonl"
    half = folder / f".verdicts.{os.getpid()}.jsonl"
    half.write_text("".join(verdict_line(verdicts[key]) for key in sorted(verdicts)), "utf-8")
    half.replace(path)
    return path
