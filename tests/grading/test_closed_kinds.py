"""Numbers, expressions, lists and words: what is the same, what is not. The id says why a row is there."""

from __future__ import annotations

import pytest

from tests.grading.samples import sample
from vigos_eval.grading import grade
from vigos_eval.types import AnswerKind, Outcome

NUMBER, EXPRESSION, WORD, LIST = (
    AnswerKind.NUMBER,
    AnswerKind.EXPRESSION,
    AnswerKind.WORD,
    AnswerKind.LIST,
)

SAME = [
    pytest.param(NUMBER, "1234", "1,234", id="thousands"),
    pytest.param(NUMBER, "1234.5", "$1,234.50", id="money"),
    pytest.param(NUMBER, "14916", "14{,}916", id="tex-thousands"),
    pytest.param(NUMBER, "0.5", r"\frac{1}{2}", id="fraction"),
    pytest.param(NUMBER, "7/3", r"2\frac{1}{3}", id="mixed-number"),
    pytest.param(NUMBER, "3/4", ".75", id="no-leading-zero"),
    pytest.param(NUMBER, "300000000", r"3 \times 10^{8}", id="latex-power-of-ten"),
    pytest.param(NUMBER, "0.00012", "1.2e-4", id="scientific"),
    pytest.param(NUMBER, "50", "50%", id="percent-sign-where-the-gold-has-none"),
    pytest.param(NUMBER, "62.5%", r"\frac{5}{8}", id="percent-as-fraction"),
    pytest.param(NUMBER, "28%", "28 percent", id="percent-word"),
    pytest.param(NUMBER, "0", "0.0", id="zero-is-a-gold"),
    pytest.param(NUMBER, "5", "5 cm", id="a-unit-beside-a-bare-gold"),
    pytest.param(NUMBER, "5 cm", "5", id="the-question-fixes-the-unit"),
    pytest.param(NUMBER, "5 m", "500 cm", id="units-of-one-dimension"),
    pytest.param(NUMBER, "2191.7 metres", "2191.7 m", id="unit-spelled-out"),
    pytest.param(NUMBER, "15 cm^2", "15 square centimeters", id="square-unit"),
    pytest.param(NUMBER, "72 km/h", "20 m/s", id="speed"),
    pytest.param(NUMBER, "45^{\\circ}", "45", id="degrees"),
    pytest.param(NUMBER, "12 apples", "12", id="a-noun-is-no-unit"),
    pytest.param(NUMBER, "7", "seven", id="number-word"),
    pytest.param(NUMBER, "12.55", r"\frac{640}{51}", id="exact-value-that-the-gold-rounds"),
    pytest.param(NUMBER, "2.653 m", "2.65", id="answer-rounds-the-gold"),
    pytest.param(NUMBER, "2.74", "2,74", id="decimal-comma"),
    pytest.param(NUMBER, "60", "The throughput is 60 Mbps.", id="number-at-a-sentence's-end"),
    pytest.param(NUMBER, "8", r"\sqrt{64}", id="formula-of-numbers"),
    pytest.param(NUMBER, "12:30", "12:30 pm", id="time"),
    pytest.param(NUMBER, "2.5 million", "2,500,000", id="scale-word"),
    pytest.param(NUMBER, "5'", "5 ft", id="feet-mark"),
    pytest.param(EXPRESSION, r"\frac{11+9a}{20}", r"\dfrac{9a+11}{20}", id="order-of-terms"),
    pytest.param(EXPRESSION, r"5 \sqrt[3]{4}", r"5 \cdot 2^{2/3}", id="roots-and-powers"),
    pytest.param(EXPRESSION, "x = 3", "3", id="a-name-is-no-value"),
    pytest.param(EXPRESSION, "f(x)=x+1", "f(t) = t + 1", id="argument-renamed"),
    pytest.param(EXPRESSION, r"\frac{2\pi}{3}", r"120^\circ", id="radians-and-degrees"),
    pytest.param(EXPRESSION, "(6,3),(9,3)", "(9, 3), (6, 3)", id="pairs-in-any-order"),
    pytest.param(EXPRESSION, "$1,3$", r"1 \text{ and } 3", id="and"),
    pytest.param(EXPRESSION, r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}", id="plus-minus"),
    pytest.param(EXPRESSION, "20<P<30", "(20, 30)", id="inequality-as-interval"),
    pytest.param(EXPRESSION, r"[\frac{1}{2}, 8]", r"0.5 \leq x \leq 8", id="closed-interval"),
    pytest.param(EXPRESSION, r"\{x|-2<x<3\}", "(-2, 3)", id="set-builder"),
    pytest.param(EXPRESSION, "x <= 1", "-x >= -1", id="inequality-turned"),
    pytest.param(EXPRESSION, r"(-\infty, -3) \cup (3, +\infty)", "(-∞, -3) ∪ (3, ∞)", id="printed-signs"),
    pytest.param(EXPRESSION, r"\begin{pmatrix} -7 \\ 16 \end{pmatrix}", "(-7, 16)", id="column-as-tuple"),
    pytest.param(EXPRESSION, "1,2", "a = 1, b = 2", id="named-members"),
    pytest.param(EXPRESSION, "p=5,q=2;p=7,q=2", "(5,2),(7,2)", id="groups-as-pairs"),
    pytest.param(EXPRESSION, "y^2 = 4x", "4x = y^{2}", id="equation-turned"),
    pytest.param(EXPRESSION, "2x - 4y = 6", "x - 2y = 3", id="equation-scaled"),
    pytest.param(EXPRESSION, "5:8", r"\frac{5}{8}", id="ratio"),
    pytest.param(EXPRESSION, "b < a < d < c", "b, a, d, c", id="an-order-as-a-list"),
    pytest.param(EXPRESSION, r"\arctan x", r"\tan^{-1} x", id="inverse-function"),
    pytest.param(EXPRESSION, "19, 46, and 82", r"$19, 46, \text{ and } 82$", id="oxford-comma"),
    pytest.param(LIST, "[2014, 2016]", "2014, 2016", id="list-without-brackets"),
    pytest.param(LIST, "['red', 'blue']", "[red, blue]", id="quoted-list"),
    pytest.param(WORD, "cats", "a cat", id="plural-and-article"),
    pytest.param(WORD, "café", "Cafe.", id="accent"),
    pytest.param(WORD, "children", "child", id="irregular-plural"),
    pytest.param(WORD, "seven", "7", id="word-for-number"),
    pytest.param(WORD, "fridge", "Refrigerator", id="documented-equivalent"),
    pytest.param(WORD, "Doughnut", "donuts", id="equivalent-in-plural"),
    pytest.param(WORD, "(-2, 5)", "(-2,5)", id="a-formula-that-was-called-a-word"),
]  # fmt: skip

DIFFERENT = [
    pytest.param(NUMBER, "5 cm", "5 m", id="unit-differs"),
    pytest.param(NUMBER, "5 cm", "5 kg", id="dimension-differs"),
    pytest.param(NUMBER, "50", "0.5", id="percent-needs-its-sign"),
    pytest.param(NUMBER, "3.14", "3", id="rounded-too-far"),
    pytest.param(NUMBER, "44", "44.3", id="a-whole-gold-is-exact"),
    pytest.param(NUMBER, "165.47", "160.0", id="near-is-not-equal"),
    pytest.param(NUMBER, "5", "-5", id="sign"),
    pytest.param(NUMBER, "5", "5 or 6", id="two-numbers"),
    pytest.param(NUMBER, "5", "between 4 and 5", id="a-range-is-no-number"),
    pytest.param(NUMBER, "5", "5 more than 3", id="a-number-in-a-phrase"),
    pytest.param(NUMBER, "4", "٤", id="digits-of-another-script"),
    pytest.param(NUMBER, "42", "4 2", id="split-digits"),
    pytest.param(NUMBER, "9", "2x", id="a-variable"),
    pytest.param(NUMBER, "12:30", "1:30", id="another-time"),
    pytest.param(EXPRESSION, r"\frac{1}{6}x^2", r"\frac{1}{6}x^3", id="power"),
    pytest.param(EXPRESSION, "x > 5", "x < 5", id="direction"),
    pytest.param(EXPRESSION, "x > 5", "x \\geq 5", id="open-and-closed"),
    pytest.param(EXPRESSION, "[0,9)", "(0,9)", id="open-end"),
    pytest.param(EXPRESSION, "(1, 2)", "(2, 1)", id="pairs-have-an-order"),
    pytest.param(EXPRESSION, "1, 2, 3", "1, 2", id="a-member-is-missing"),
    pytest.param(EXPRESSION, "1, 2", "1, 2, 3", id="a-member-too-many"),
    pytest.param(EXPRESSION, "2x + z = 1", "1", id="half-an-equation"),
    pytest.param(EXPRESSION, "f(x) = 2x", "f(x) = x", id="function"),
    pytest.param(EXPRESSION, "6a-3b", "6a+3b", id="sign-inside"),
    pytest.param(EXPRESSION, "n + 1", "n", id="term-missing"),
    pytest.param(EXPRESSION, r"1 \pm \sqrt{19}", r"1 + \sqrt{19}", id="one-of-two-roots"),
    pytest.param(EXPRESSION, r"3^x \geq x^2 + y \otimes z", r"3^x > x^2 + y \otimes z", id="unread-and-different"),
    pytest.param(LIST, "[1, 2]", "[2, 1]", id="lists-have-an-order"),
    pytest.param(LIST, "[2014, 2016]", "[]", id="empty-list"),
    pytest.param(WORD, "kitten", "cat", id="ours-knows-kittens"),
    pytest.param(WORD, "cat", "сat", id="cyrillic-look-alike"),
    pytest.param(WORD, "glass", "glas", id="no-plural"),
    pytest.param(WORD, "red", "dark red", id="a-word-more"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "gold", "answer"), SAME)
def test_the_same_in_other_dress_is_correct(kind: AnswerKind, gold: str, answer: str) -> None:
    assert grade(answer, sample(kind, gold)).outcome is Outcome.CORRECT


@pytest.mark.parametrize(("kind", "gold", "answer"), DIFFERENT)
def test_what_differs_is_wrong(kind: AnswerKind, gold: str, answer: str) -> None:
    assert grade(answer, sample(kind, gold)).outcome is Outcome.WRONG


@pytest.mark.parametrize(
    ("gold", "answer", "precision", "is_same"),
    [
        ("1.2", "1.24", "1", True),
        ("1.2", "1.26", "1", False),
        ("1.25", "1.249", "2", True),
        ("4", "4.0", "", True),
    ],
)
def test_a_benchmark_says_how_far_to_round(
    gold: str, answer: str, precision: str, is_same: bool
) -> None:
    item = sample(NUMBER, gold, **({"precision": precision} if precision else {}))
    assert (grade(answer, item).outcome is Outcome.CORRECT) == is_same


def test_the_question_or_the_data_set_fixes_the_unit() -> None:
    asked = sample(NUMBER, "5", question="How long is the rope in metres?")
    given = sample(NUMBER, "5", unit="metres")
    for item in (asked, given):
        outcomes = [
            grade(answer, item).outcome.value for answer in ("5", "5 m", "500 cm", "5 cm", "5 kg")
        ]
        assert outcomes == ["correct", "correct", "correct", "wrong", "wrong"]


def test_a_letter_is_renamed_only_where_the_question_does_not_speak_of_it() -> None:
    free = sample(EXPRESSION, "x = k\\pi", question="Solve for x.")
    bound = sample(EXPRESSION, "n + 1", question="Express it in terms of n.")
    taken = sample(EXPRESSION, "x = k\\pi", question="Solve for x, where n is the number of rows.")
    assert grade("n\\pi", taken).outcome is Outcome.WRONG
    assert grade("n\\pi", free).outcome is Outcome.CORRECT
    assert grade("k + 1", bound).outcome is Outcome.WRONG


def test_golds_that_list_alternatives_take_each_of_them() -> None:
    item = sample(LIST, "['1.06', '1.1']", rule="alternatives")
    outcomes = [
        grade(answer, item).outcome.value for answer in ("1.06", "1.1", "1.2", "[1.06, 1.1]")
    ]
    assert outcomes == ["correct", "correct", "wrong", "wrong"]


def test_an_or_gold_of_a_closed_kind_takes_each_side() -> None:
    item = sample(NUMBER, "5<OR>6")
    assert [grade(a, item).outcome.value for a in ("5", "6", "7")] == [
        "correct",
        "correct",
        "wrong",
    ]


def test_no_answer_is_wrong_and_no_gold_is_ungraded() -> None:
    assert grade(None, sample(NUMBER, "5")).outcome is Outcome.WRONG
    assert grade("5", sample(NUMBER, " ")).outcome is Outcome.UNGRADED
