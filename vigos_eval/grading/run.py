"""Verdicts of a whole run: rules for every answer, the judge for what they leave open.

`commands/grade.py` and the end of `generate_until` call it; nothing here knows lmms-eval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vigos_eval.extract import answer_of
from vigos_eval.grading.cascade import GRADER_VERSION, beyond_limits, grade, official_outcome
from vigos_eval.grading.judge import PATIENCE, Asked, JudgeCost, judged
from vigos_eval.grading.judge_prompt import PROMPT_VERSION
from vigos_eval.grading.verdict_cache import VerdictCache
from vigos_eval.protocol import JudgeSettings, fingerprint
from vigos_eval.records import Attempt, CompletionRecord, VerdictRecord
from vigos_eval.types import Answer, Outcome, Sample, Verdict

Pairs = list[tuple[Answer, Verdict]]


@dataclass(frozen=True)
class GradedRun:
    """All verdicts of a run, the grading fingerprint they carry, and the judge's cost."""

    verdicts: dict[str, VerdictRecord]
    fingerprint: str
    cost: JudgeCost


def grading_fingerprint(extraction: str, judge: JudgeSettings) -> str:
    """Identity of a grading: extraction, judge, prompt and rule versions; never of a generation."""
    rules = {"rules": GRADER_VERSION, "extraction": extraction}
    if judge.mode == "rules":
        return fingerprint(rules)
    return fingerprint(
        {**rules, "mode": judge.mode, "model": judge.model, "prompt": PROMPT_VERSION}
    )


def grade_records(
    records: Mapping[str, CompletionRecord], extraction: str, judge: JudgeSettings, cache: Path
) -> GradedRun:
    """Grade every response of every question.

    Args:
        records: Completions by key; a skipped row gets a verdict record without attempts.
        extraction: ``boxed`` or ``final_answer``.
        judge: Who decides what rules leave open.
        cache: File that keeps the judge's verdicts between gradings.

    Raises:
        ConfigError: The judge's key variable is not set.
        RunFolderError: The cache cannot be opened.
    """
    graded = {key: _by_rules(records[key], extraction) for key in sorted(records)}
    cost = JudgeCost()
    if judge.mode != "rules":
        graded, cost = _by_judge(records, graded, judge, cache)
    mark = grading_fingerprint(extraction, judge)
    verdicts = {
        key: VerdictRecord(
            key, mark, tuple(_attempt(answer, verdict, records[key]) for answer, verdict in pairs)
        )
        for key, pairs in graded.items()
    }
    return GradedRun(verdicts, mark, cost)


def _by_rules(record: CompletionRecord, extraction: str) -> Pairs:
    pairs = []
    for response in record.responses:
        answer = answer_of(response.text, response.finish_reason, extraction)
        pairs.append((answer, grade(answer.text, record.sample)))
    return pairs


def _by_judge(
    records: Mapping[str, CompletionRecord],
    graded: dict[str, Pairs],
    judge: JudgeSettings,
    path: Path,
) -> tuple[dict[str, Pairs], JudgeCost]:
    """The verdicts with the judge's in the places that are its to decide."""
    asked: dict[tuple[str, int], Asked] = {}
    for key, pairs in graded.items():
        sample = records[key].sample
        for place, (answer, verdict) in enumerate(pairs):
            if answer.text is not None and is_for_judge(verdict, answer.text, sample, judge.mode):
                asked[key, place] = Asked(sample.question, sample.options, sample.gold, answer.text)
    with VerdictCache(path) as cache:
        found = judged(asked.values(), judge, cache, PATIENCE)
    for (key, place), item in asked.items():
        name = item.key(judge.model)
        if name in found.verdicts:
            outcome = Outcome.CORRECT if found.verdicts[name] else Outcome.WRONG
            verdict = Verdict(outcome, f"{judge.model} says {outcome.value}", "judge")
        else:
            verdict = Verdict(Outcome.UNGRADED, found.failures[name], "none")
        graded[key][place] = (graded[key][place][0], verdict)
    return graded, found.cost


def is_for_judge(verdict: Verdict, answer: str, sample: Sample, mode: str) -> bool:
    """Whether the judge decides this answer: ``hybrid`` what rules left open, ``llm`` every answer.

    What has no gold cannot be judged, and what exceeds our limits is wrong without asking.
    """
    if not sample.gold.strip() or not answer.strip() or beyond_limits(answer, sample.kind):
        return False
    return mode == "llm" or verdict.outcome is Outcome.UNGRADED


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


def open_reason(verdicts: Mapping[str, VerdictRecord]) -> str:
    """The commonest reason of the ungraded attempts, "" without any.

    >>> open_reason({})
    ''
    """
    reasons = Counter(
        attempt.reason
        for record in verdicts.values()
        for attempt in record.attempts
        if attempt.outcome is Outcome.UNGRADED
    )
    return reasons.most_common(1)[0][0] if reasons else ""


def ungraded_share(verdicts: Mapping[str, VerdictRecord]) -> float:
    """Share of asked questions with an ungraded attempt, in [0, 1]; they leave every mean.

    Above `scores.UNGRADED_LIMIT` a task's score is withheld.

    >>> ungraded_share({})
    0.0
    """
    asked = [record for record in verdicts.values() if record.attempts]
    open_ = [r for r in asked if any(a.outcome is Outcome.UNGRADED for a in r.attempts)]
    return len(open_) / len(asked) if asked else 0.0
