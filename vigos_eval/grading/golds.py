"""Does the grader accept a data set's own golds, and refuse what is not equivalent to them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vigos_eval.grading.cascade import grade
from vigos_eval.grading.choice import LETTERS, gold_index
from vigos_eval.grading.listing import members
from vigos_eval.grading.number import parse_quantity
from vigos_eval.grading.surface import folded
from vigos_eval.types import AnswerKind, Outcome, Sample


@dataclass(frozen=True)
class GoldFault:
    """A gold on which the grader is wrong.

    Attributes:
        id: The question.
        gold: Its gold.
        given: What was graded: the gold itself, or what is not equivalent to it.
        outcome: What the grader said.
        reason: Why.
    """

    id: str
    gold: str
    given: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class GoldCheck:
    """One task's golds.

    Attributes:
        label: The task.
        questions: Golds that were graded.
        contrasts: Answers that are not equivalent to a gold, graded against it.
        refused: Golds that did not grade CORRECT.
        accepted: Contrasts that did.
    """

    label: str
    questions: int
    contrasts: int
    refused: tuple[GoldFault, ...]
    accepted: tuple[GoldFault, ...]

    @property
    def is_sound(self) -> bool:
        """Every gold accepted, every contrast refused."""
        return not self.refused and not self.accepted


def check_golds(label: str, samples: Sequence[Sample]) -> GoldCheck:
    """Grade every sample's gold against itself and against a contrast.

    Args:
        label: The task.
        samples: Its questions; images are not needed.
    """
    refused, accepted, contrasts = [], [], 0
    for place, sample in enumerate(samples):
        verdict = grade(sample.gold, sample)
        if verdict.outcome is not Outcome.CORRECT:
            refused.append(
                GoldFault(sample.id, sample.gold, sample.gold, verdict.outcome, verdict.reason)
            )
        other = contrast(sample, samples[place + 1 :] or samples[:place])
        if other is None:
            continue
        contrasts += 1
        verdict = grade(other, sample)
        if verdict.outcome is Outcome.CORRECT:
            accepted.append(
                GoldFault(sample.id, sample.gold, other, verdict.outcome, verdict.reason)
            )
    return GoldCheck(label, len(samples), contrasts, tuple(refused), tuple(accepted))


def contrast(sample: Sample, others: Sequence[Sample]) -> str | None:
    """An answer that is certainly not the sample's gold, or None when none can be made.

    The next option's letter, the number plus one, a list without its last member, a formula plus
    one, another question's gold that shares no word.

    >>> contrast(Sample("t", "paper", "1", "q", "7 cm", AnswerKind.NUMBER, cluster="1"), ())
    '8 cm'
    """
    if sample.kind is AnswerKind.CHOICE:
        return _other_letter(sample)
    number = parse_quantity(sample.gold)
    if sample.kind is AnswerKind.NUMBER and number is not None:
        more = number.value + 1
        shown = (
            str(more)
            if more.denominator == 1 or number.decimals is None
            else f"{float(more):.{number.decimals}f}"
        )
        return f"{shown}{'%' if number.is_percent else ''} {number.unit}".strip()
    if sample.kind is AnswerKind.LIST:
        return None if sample.grading.get("rule") else str([*members(sample.gold), "another"])
    if sample.kind is AnswerKind.EXPRESSION and not any(sign in sample.gold for sign in "=<>,[({"):
        return f"({sample.gold}) + 1"
    words = set(folded(sample.gold).split())
    return next(
        (o.gold for o in others if o.gold.strip() and not words & set(folded(o.gold).split())), None
    )


def _other_letter(sample: Sample) -> str | None:
    gold = gold_index(sample.gold, sample.options, sample.grading.get("gold") == "text")
    count = len(sample.options) or 4
    if gold is None or count < 2:
        return None
    return LETTERS[(gold + 1) % count]
