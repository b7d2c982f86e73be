"""What holds for every gold and every text: reflexive, blind to white space and dollars, never raises."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.grading.samples import sample
from vigos_eval.grading import cascade, grade
from vigos_eval.grading.kinds import kind_of_gold
from vigos_eval.grading.pool import Compared
from vigos_eval.types import AnswerKind, Outcome, Sample

numbers = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.decimals(-9999, 9999, places=3).map(str),
    st.fractions(-99, 99, max_denominator=60).map(str),
    st.integers(0, 10**7).map("{:,}".format),
    st.integers(0, 100).map("{}%".format),
    st.tuples(st.integers(1, 999), st.sampled_from(["cm", "kg", "m/s", "metres", "apples"])).map(
        "{0[0]} {0[1]}".format
    ),
)
atoms = st.sampled_from(["x", "y", "2", "3", "7", r"\pi", "a", "n"])
formulas = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("{0[0]} + {0[1]}".format),
        st.tuples(inner, inner).map(r"\frac{{{0[0]}}}{{{0[1]}}}".format),
        inner.map(r"\sqrt{{{}}}".format),
        st.tuples(inner, st.integers(2, 5)).map("({0[0]})^{{{0[1]}}}".format),
    ),
    max_leaves=5,
)
lists = st.lists(formulas, min_size=2, max_size=4).map(", ".join)
words = st.from_regex(r"[A-Za-z]{3,10}( [a-z]{3,8}){0,3}", fullmatch=True)
golds = st.one_of(numbers, formulas, lists, words)
options = st.lists(
    st.one_of(words, numbers), min_size=2, max_size=6, unique_by=lambda text: text.casefold()
)
texts = st.one_of(
    st.text(max_size=60),
    st.text("\\{}()[]$^_,.;:=<>|+-*/!%'\"&~ 0123456789abxyABCdfrqtspi\n", max_size=60),
    st.lists(st.sampled_from([r"\frac", r"\sqrt", "{", "}", "(", ")", "x", "2", "^", "_", r"\pm", r"\cup", ",", "=", "|", r"\{", r"\}", r"\text{and}", "<", "-", ".5", "1.5", "1,000", "10^{400}", "9e300", "km", "!", "%", "not", "half", "k"]), max_size=25).map(" ".join),
)  # fmt: skip
relaxed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
KINDS = [kind for kind in AnswerKind if kind is not AnswerKind.CHOICE]


@pytest.fixture(scope="module", autouse=True)
def no_workers() -> object:
    """The workers have tests of their own; here they would only cost time."""
    with mock.patch.object(cascade, "compared", lambda gold, answer: Compared.UNREAD):
        yield


@relaxed
@given(golds)
@example("0")
@example("5'")
@example('12"')
@example("5 cm")
def test_every_gold_is_right(gold: str) -> None:
    for kind in (kind_of_gold(gold), AnswerKind.EXPRESSION, AnswerKind.TEXT):
        assert grade(gold, sample(kind, gold)).outcome is Outcome.CORRECT


@relaxed
@given(options, st.data())
def test_every_option_is_right_by_letter_and_by_text(
    texts_: list[str], data: st.DataObject
) -> None:
    gold = data.draw(st.integers(0, len(texts_) - 1))
    item = sample(AnswerKind.CHOICE, "ABCDEF"[gold], options=tuple(texts_))
    letter = "ABCDEF"[gold]
    for answer in (
        letter,
        f"({letter.lower()})",
        f"{letter}.",
        f"\\text{{{letter}}}",
        f"{letter}. {texts_[gold]}",
    ):
        assert grade(answer, item).outcome is Outcome.CORRECT
    other = "ABCDEF"[(gold + 1) % len(texts_)]
    assert grade(other, item).outcome is Outcome.WRONG


def dressed(answer: str) -> list[str]:
    return [f"  {answer}\n", f"\t{answer} ", f"${answer}$", f"$ {answer} $", f" $$ {answer} $$ "]


@relaxed
@given(golds, golds)
def test_outer_space_and_dollars_change_nothing(gold: str, answer: str) -> None:
    item = sample(kind_of_gold(gold), gold)
    plain = grade(answer, item).outcome
    assert {grade(text, item).outcome for text in dressed(answer)} == {plain}


@relaxed
@given(texts, golds, st.sampled_from(KINDS))
def test_grading_never_raises(answer: str, gold: str, kind: AnswerKind) -> None:
    verdict = grade(answer, sample(kind, gold))
    if kind is not AnswerKind.TEXT:
        assert verdict.outcome is not Outcome.UNGRADED


@relaxed
@given(texts, options)
def test_choice_never_raises_and_always_decides(answer: str, texts_: list[str]) -> None:
    item: Sample = sample(AnswerKind.CHOICE, "A", options=tuple(texts_))
    assert grade(answer, item).outcome is not Outcome.UNGRADED


@relaxed
@given(texts, st.sampled_from(KINDS))
def test_a_gold_that_cannot_be_read_raises_nothing(gold: str, kind: AnswerKind) -> None:
    assert grade("7", sample(kind, gold)).outcome in Outcome
