"""The one door: `grade(answer, sample)` picks the rule by the gold's kind. No rule lives here."""

from __future__ import annotations

import unicodedata

from vigos_eval.errors import GraderFault
from vigos_eval.grading.choice import grade_choice
from vigos_eval.grading.expression import same_expression
from vigos_eval.grading.freetext import alternatives, says_gold
from vigos_eval.grading.listing import members, same_list
from vigos_eval.grading.number import parse_quantity, stated_quantity
from vigos_eval.grading.official import mathvision_equal
from vigos_eval.grading.pool import Compared, compared
from vigos_eval.grading.same_number import question_unit, same_quantity
from vigos_eval.grading.surface import INVISIBLE_ENDS, compact, undressed
from vigos_eval.grading.word import same_word, vilp_rule
from vigos_eval.types import AnswerKind, Outcome, Sample, Verdict

GRADER_VERSION = 2
"""Part of the grading fingerprint: raised whenever a rule changes a verdict."""

MAX_TEXT_CHARS = 20_000
MAX_CLOSED_CHARS = 2_000
MAX_NESTING = 30

UNDECIDED = "undecided"


def grade(answer: str | None, sample: Sample) -> Verdict:
    """One answer against the sample's gold, by rules alone.

    Closed kinds end CORRECT or WRONG. A free text that does not state the gold is UNGRADED with
    the reason "undecided": the judge's, where there is one. An answer beyond our limits is WRONG.

    >>> from vigos_eval.types import AnswerKind, Sample
    >>> s = Sample("t", "paper", "1", "2 + 2 = ?", "4", AnswerKind.NUMBER, cluster="1")
    >>> grade("$4.0$", s).outcome, grade(None, s).outcome, grade("5", s).outcome
    (<Outcome.CORRECT: 'correct'>, <Outcome.WRONG: 'wrong'>, <Outcome.WRONG: 'wrong'>)
    """
    if answer is None:
        return Verdict(Outcome.WRONG, "no answer found in the response", "none")
    if not sample.gold.strip():
        return Verdict(Outcome.UNGRADED, "the data set gives no gold answer", "none")
    if limit := beyond_limits(answer, sample.kind):
        return Verdict(Outcome.WRONG, limit)
    answer = answer.strip(INVISIBLE_ENDS)
    if not answer:
        return Verdict(Outcome.WRONG, "the answer is empty")
    try:
        return _decided(answer, sample)
    except GraderFault as fault:
        return Verdict(Outcome.UNGRADED, str(fault), "none")
    except (RecursionError, OverflowError):
        return Verdict(Outcome.WRONG, "the answer is nested too deep, or its numbers are too large")


def _decided(answer: str, sample: Sample) -> Verdict:
    """The rule that the sample's kind asks for."""
    if sample.grading.get("rule") == "mathvision":
        return _verdict(mathvision_equal(sample.gold, sample.options, answer), answer, sample)
    if sample.kind is AnswerKind.CHOICE:
        return grade_choice(answer, sample)
    if sample.kind is AnswerKind.TEXT:
        return _grade_text(answer, sample)
    equal = answer == sample.gold.strip() or any(
        _equal(gold, answer, sample) for gold in _golds(sample)
    )
    return _verdict(equal, answer, sample)


def _verdict(equal: bool, answer: str, sample: Sample) -> Verdict:
    outcome = Outcome.CORRECT if equal else Outcome.WRONG
    return Verdict(outcome, f"{_short(answer)} against gold {_short(sample.gold)}")


def beyond_limits(answer: str, kind: AnswerKind) -> str:
    """Why the answer is too much for us (and so wrong), or "".

    >>> beyond_limits("a" * 3000, AnswerKind.NUMBER)
    'the answer has 3000 characters; at most 2000 are read'
    """
    limit = MAX_TEXT_CHARS if kind is AnswerKind.TEXT else MAX_CLOSED_CHARS
    if len(answer) > limit:
        return f"the answer has {len(answer)} characters; at most {limit} are read"
    inner = answer.strip(INVISIBLE_ENDS)
    if not inner.isprintable():
        # Directional and other invisible characters make a text look like another one.
        for char in inner:
            if (
                unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs", "Cn")
                and char not in "\t\r\n\f\v"
            ):
                return f"the answer holds the invisible character U+{ord(char):04X}"
    depth = deepest = 0
    for char in answer:
        if char in "{([":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "})]":
            depth -= 1
    if deepest > MAX_NESTING:
        return f"the answer nests brackets {deepest} deep; at most {MAX_NESTING} are read"
    return ""


def official_outcome(answer: str | None, sample: Sample) -> Outcome | None:
    """The outcome under the benchmark's own rule where it differs from ours (ViLP), else None."""
    if sample.grading.get("rule") != "vilp":
        return None
    if answer is None or beyond_limits(answer, sample.kind):
        return Outcome.WRONG
    return Outcome.CORRECT if vilp_rule(sample.gold, answer) else Outcome.WRONG


def _grade_text(answer: str, sample: Sample) -> Verdict:
    if compact(answer) == compact(sample.gold) or says_gold(sample.gold, answer, sample.question):
        return Verdict(Outcome.CORRECT, f"says the gold {_short(sample.gold)}")
    return Verdict(Outcome.UNGRADED, UNDECIDED, "none")


def _golds(sample: Sample) -> tuple[str, ...]:
    """The golds of which each alone is right: MM-Vet's <OR>, MMMU's open lists, else the one gold."""
    if sample.grading.get("rule") == "alternatives":
        return members(sample.gold)
    if "<OR>" in sample.gold:
        return tuple(parts[0] for parts in alternatives(sample.gold) if len(parts) == 1)
    return (sample.gold,)


def _equal(gold: str, answer: str, sample: Sample) -> bool:
    if sample.kind is AnswerKind.WORD:
        return same_word(gold, answer)
    # An alternative of a list of golds is a number or a word of its own.
    if sample.kind is AnswerKind.NUMBER or sample.grading.get("rule") == "alternatives":
        left, right = parse_quantity(gold), stated_quantity(answer)
        if left is not None and right is not None:
            given = sample.grading.get("precision")
            unit = (
                "" if left.unit else question_unit(sample.question, sample.grading.get("unit", ""))
            )
            return same_quantity(
                left, right, precision=int(float(given)) if given else None, unit=unit
            )
    if sample.kind is AnswerKind.LIST and sample.grading.get("rule") == "alternatives":
        return _same_member(gold, answer, sample)
    if sample.kind is AnswerKind.LIST:
        return same_list(gold, answer, lambda a, b: _same_member(a, b, sample))
    return _same_formula(gold, answer, sample.question)


def _same_member(gold: str, answer: str, sample: Sample) -> bool:
    return same_word(gold, answer) or _same_formula(gold, answer, sample.question)


def _same_formula(gold: str, answer: str, question: str) -> bool:
    """Our grammar's word, and math-verify's in a worker where our grammar cannot read a side."""
    equal = same_expression(gold, answer, question)
    if equal is not None:
        return equal
    return compared(undressed(gold), undressed(answer)) is Compared.EQUAL


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else text[:57] + "...")
