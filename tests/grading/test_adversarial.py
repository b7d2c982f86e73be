"""Pairs written to trip the rules: what a strict reader takes for the gold, and what he does not."""

from __future__ import annotations

import pytest

from tests.grading.samples import sample
from vigos_eval.grading import grade
from vigos_eval.types import AnswerKind, Outcome

NUMBER, EXPRESSION, WORD, LIST, TEXT = (
    AnswerKind.NUMBER,
    AnswerKind.EXPRESSION,
    AnswerKind.WORD,
    AnswerKind.LIST,
    AnswerKind.TEXT,
)
FRUIT = ("one pear", "two apples", "three plums", "a fig")
NUMBERS = ("10", "12", "15", "20")
SHARES = ("0.5", "1/3", "2/3", "25%")
FORMULAS = ("$x^2$", "$2x$", r"$\frac{x}{2}$", "$x$", r"$\sqrt{x}$", r"$\infty$", "$2^x$")
MOTION = ("moves left", "does not move", "moves right")
CENTURIES = ("first or second century C. E.", "sixth or seventh century C. E.", "none", "all")

SAME = [
    (NUMBER, "25", "twenty-five dollars"),
    (NUMBER, "-3", "minus three"),
    (NUMBER, "-3", "negative 3"),
    (NUMBER, "1206", "one thousand two hundred and six"),
    (NUMBER, "0.5", "one half"),
    (NUMBER, "2.5", "two and a half"),
    (NUMBER, "7", "seven dogs"),
    (NUMBER, "7", "I count 7"),
    (NUMBER, "7", "x=7"),
    (NUMBER, "7", "8-1 = 7 cm"),
    (NUMBER, "7", "7\\\\"),
    (NUMBER, "7", r"\{7\}"),
    (NUMBER, "5000", "5k"),
    (NUMBER, "100", "10**2"),
    (NUMBER, "2:30", "2:30 pm"),
    (NUMBER, "2:30 PM", "14:30"),
    (NUMBER, "12:15 AM", "0:15"),
    (NUMBER, "60 mph", "60 mi/h"),
    (NUMBER, "1/3", "33.3%"),
    (EXPRESSION, "x^2+1", "x**2+1"),
    (EXPRESSION, "x=3", "3=x"),
    (EXPRESSION, "n!", "n(n-1)!"),
    (EXPRESSION, r"5\sqrt{2}", r"5\sqrt2 cm"),
    (EXPRESSION, r"2\pi", r"2 \pi \text{ cm}"),
    (EXPRESSION, r"16\sqrt{3} \text{ cm}^2", r"16\sqrt3"),
    (EXPRESSION, r"2\pi \text{ m}", r"200\pi \text{ cm}"),
    (EXPRESSION, r"\emptyset", r"\varnothing"),
    (EXPRESSION, "AB", r"\overline{AB}"),
    (EXPRESSION, "1/6", r"0.1\overline{6}"),
    (EXPRESSION, r"5\sqrt{2}", r"AB = 5\sqrt{2}"),
    (EXPRESSION, "3:4", "3 to 4"),
    (EXPRESSION, r"k\pi, k\in\mathbb{Z}", r"n\pi"),
    (EXPRESSION, r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1,2],[3,4]]"),
    (EXPRESSION, "(0,-3)", "P(0,-3)"),
    (EXPRESSION, "(0,-3)", "point (0, -3)"),
    (EXPRESSION, r"x \leq -2 \text{ or } x > 3", r"(-\infty,-2]\cup(3,\infty)"),
    (NUMBER, "1998", "in 1998"),
    (WORD, "television", "televisions"),
    (WORD, "T-shirt", "tshirt"),
    (LIST, "[1000, 2000]", "1,000 and 2,000"),
    (LIST, "[2014, 2016]", "2014 & 2016"),
    (WORD, "cat", "It is a cat."),
    (WORD, "ice cream", "icecream"),
]

DIFFERENT = [
    (NUMBER, "7", "more than 7"),
    (NUMBER, "7", "at least 7"),
    (NUMBER, "7", "less than 7"),
    (NUMBER, "8 cm", "8-1 = 7 cm"),
    (NUMBER, "5 cm", "5-6 cm"),
    (NUMBER, "5 cm", "5, 6 cm"),
    (NUMBER, "-3", "--3"),
    (NUMBER, "20", "twenty twenty"),
    (NUMBER, "1", "one two"),
    (NUMBER, "6", "six and seven"),
    (NUMBER, "5", "5k"),
    (NUMBER, "21:30", "9:30"),
    (NUMBER, "2:30 PM", "2:30 AM"),
    (NUMBER, "2:30", "150 minutes"),
    (NUMBER, "60 km/h", "60 mph"),
    (NUMBER, "1", "2:1"),
    (EXPRESSION, "x^2+1", "y^2+1"),
    (EXPRESSION, r"5\sqrt{2} cm", r"5\sqrt{2} meters"),
    (EXPRESSION, r"16\sqrt{3} \text{ cm}^2", r"16\sqrt3\text{ cm}"),
    (EXPRESSION, r"2\pi", r"2\pi r"),
    (EXPRESSION, r"2\pi m", r"2\pi"),
    (EXPRESSION, r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "1,2,3,4"),
    (EXPRESSION, r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1,3],[2,4]]"),
    (EXPRESSION, "n!", "n"),
    (EXPRESSION, "C", "B"),
    (EXPRESSION, "k", "n"),
    (EXPRESSION, "1/6", r"0.\overline{16}"),
    (EXPRESSION, r"x \leq -2 \text{ or } x > 3", r"(-\infty,-2)\cup(3,\infty)"),
    (NUMBER, "1998", "before 1998"),
    (NUMBER, "12", "over 12"),
    (LIST, "[1000, 2000]", "1,000, 2,001"),
    (WORD, "cat", "c a t"),
]

CHOSEN = [
    ("B", "It is B, not C.", FRUIT),
    ("B", "A is wrong, so B", FRUIT),
    ("B", "B, because there are two", FRUIT),
    ("B", "not a pear but two apples", FRUIT),
    ("B", "x=12", NUMBERS),
    ("B", "10 + 2", NUMBERS),
    ("D", "1/4", SHARES),
    ("B", r"2\cdot x", FORMULAS),
    ("B", "x + x", FORMULAS),
    ("C", r"\frac{1}{2}x", FORMULAS),
    ("C", "0.5x", FORMULAS),
    ("E", "x^{1/2}", FORMULAS),
    ("F", "infinity", FORMULAS),
    ("B", "It does not move at all.", MOTION),
    ("B", "(B) sixth or seventh century C", CENTURIES),
]

NOT_CHOSEN = [
    ("B", "not B", FRUIT),
    ("B", "Not two apples", FRUIT),
    ("B", "B is wrong", FRUIT),
    ("B", "B is incorrect", FRUIT),
    ("B", "anything but B", FRUIT),
    ("B", "everything except B", FRUIT),
    ("B", "It is not B", FRUIT),
    ("B", "I don't think it is B", FRUIT),
    ("B", "The answer is not B", FRUIT),
    ("B", r"\neg B", FRUIT),
    ("B", "B. no wait, C", FRUIT),
    ("B", "B -> C", FRUIT),
    ("B", "A is wrong, B maybe, C sure", FRUIT),
    ("B", "B is not correct; the answer is C", FRUIT),
    ("B", r"\frac{x}{3}", FORMULAS),
    ("F", r"-\infty", FORMULAS),
    ("B", "2^x", FORMULAS),
    ("A", "It does not move.", MOTION),
    ("B", "10 cm^2", ("5 cm", "10 cm", "15 cm")),
]

OPEN = [
    ("Walter Hagen/Hagen", "Hagen or Nicklaus"),
    ("Hagen", "either Nicklaus or Hagen"),
    ("1990", "before 1990"),
    ("1990", "1989 or 1990"),
    ("5%", "0.5%"),
    ("5", "It rose by 1.5 points."),
]


@pytest.mark.parametrize(("kind", "gold", "answer"), SAME)
def test_another_form_of_the_gold_is_right(kind: AnswerKind, gold: str, answer: str) -> None:
    assert grade(answer, sample(kind, gold)).outcome is Outcome.CORRECT


@pytest.mark.parametrize(("kind", "gold", "answer"), DIFFERENT)
def test_what_only_looks_like_the_gold_is_wrong(kind: AnswerKind, gold: str, answer: str) -> None:
    assert grade(answer, sample(kind, gold)).outcome is Outcome.WRONG


@pytest.mark.parametrize(("gold", "answer", "options"), CHOSEN)
def test_an_option_is_chosen_in_other_words(gold: str, answer: str, options: tuple[str]) -> None:
    item = sample(AnswerKind.CHOICE, gold, options=options)
    assert grade(answer, item).outcome is Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer", "options"), NOT_CHOSEN)
def test_an_option_that_is_refused_or_taken_back_is_not_chosen(
    gold: str, answer: str, options: tuple[str]
) -> None:
    item = sample(AnswerKind.CHOICE, gold, options=options)
    assert grade(answer, item).outcome is Outcome.WRONG


@pytest.mark.parametrize(("gold", "answer"), OPEN)
def test_a_text_that_names_the_gold_beside_another_answer_is_left_open(
    gold: str, answer: str
) -> None:
    assert grade(answer, sample(TEXT, gold)).outcome is Outcome.UNGRADED


@pytest.mark.parametrize(
    "answer",
    [
        r"\frac1.5",
        r"\frac1,000",
        r"\sqrt.5",
        r"\frac{1}.",
        "10^{400}",
        "10^{400} cm",
        r"\frac{10^{400}}{3}",
        "x < 10^{400}",
        "(10^{400}, 1)",
        "9" * 60 + "e300 km",
        "9" * 60 + "e300",
    ],
)
@pytest.mark.parametrize("gold", ["42", "5 cm", "x+1", "x < 2", "(1, 2)", "0.333", "[1, 2]"])
def test_numbers_cut_off_or_too_large_are_wrong_and_end_no_run(gold: str, answer: str) -> None:
    for kind in (NUMBER, EXPRESSION, LIST):
        given = {"precision": "1"} if kind is NUMBER and gold.isdigit() else {}
        assert grade(answer, sample(kind, gold, **given)).outcome is Outcome.WRONG
    item = sample(AnswerKind.CHOICE, "A", options=(gold, "7 m", r"\sqrt{x}"))
    assert grade(answer, item).outcome is Outcome.WRONG


def test_asked_for_x_another_letter_is_no_answer() -> None:
    asked = sample(EXPRESSION, "x=3", question="Solve for x: 2x = 6")
    assert grade("y=3", asked).outcome is Outcome.WRONG
    assert grade("x=3", asked).outcome is Outcome.CORRECT
    length = sample(EXPRESSION, "AB=3", question="How long is AB?")
    assert grade("x=3", length).outcome is Outcome.CORRECT


def test_a_formula_takes_the_unit_that_the_question_fixes() -> None:
    item = sample(EXPRESSION, r"5\sqrt{2}", question="How long is it in cm?")
    assert grade(r"5\sqrt{2} \text{ cm}", item).outcome is Outcome.CORRECT
    assert grade(r"50\sqrt{2} \text{ mm}", item).outcome is Outcome.CORRECT
    assert grade(r"5\sqrt{2} \text{ m}", item).outcome is Outcome.WRONG
