"""Free text, MM-Vet's golds, and ViLP's two comparisons."""

from __future__ import annotations

import pytest

from tests.grading.samples import sample
from vigos_eval.grading import grade
from vigos_eval.grading.cascade import official_outcome
from vigos_eval.grading.word import vilp_rule
from vigos_eval.types import AnswerKind, Outcome

TEXT = AnswerKind.TEXT


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        pytest.param("Walter Hagen/Hagen", "It was Walter Hagen.", id="one-of-the-names"),
        pytest.param("Beyoncé", "beyonce", id="accent"),
        pytest.param("a cat<AND>two dogs", "I see two dogs and a cat.", id="and"),
        pytest.param("a cat<OR>a kitten", "a kitten", id="or"),
        pytest.param("a line segment, a circle", "line segment and circle", id="enumeration"),
        pytest.param("The year 1990.", "the year 1990", id="case-and-stop"),
    ],
)
def test_a_text_that_says_the_gold_is_correct(gold: str, answer: str) -> None:
    assert grade(answer, sample(TEXT, gold)).outcome is Outcome.CORRECT


@pytest.mark.parametrize(
    ("gold", "answer", "question"),
    [
        pytest.param("Hagen", "John Ball", "Who?", id="another-name"),
        pytest.param("1990", "It was not 1990", "When?", id="negated"),
        pytest.param("a cat<AND>two dogs", "a cat", "What?", id="half-of-and"),
        pytest.param("art", "a party", "What?", id="inside-a-word"),
        pytest.param("the naval base", "The naval base lies in Cuba", "What was the naval base before?", id="echo"),
        pytest.param("cat", "cat " + "and so on " * 60, "What?", id="a-long-answer-says-many-things"),
    ],
)  # fmt: skip
def test_a_text_that_does_not_say_the_gold_is_left_open_and_never_wrong(
    gold: str, answer: str, question: str
) -> None:
    verdict = grade(answer, sample(TEXT, gold, question=question))
    assert (verdict.outcome, verdict.reason) == (Outcome.UNGRADED, "undecided")


@pytest.mark.parametrize(
    ("gold", "answer", "official", "ours"),
    [
        pytest.param("cat", "cats.", True, True, id="plural"),
        pytest.param("seven", "7", True, True, id="number-word"),
        pytest.param("twenty one", "21", False, True, id="the-script-counts-to-twenty"),
        pytest.param("fridge", "Refrigerator", True, True, id="synonym"),
        pytest.param("kitten", "cat", True, False, id="looser-than-ours"),
        pytest.param("man", "women", True, False, id="any-person"),
        pytest.param("cube", "square", True, False, id="shape"),
        pytest.param("cat", "a cat", False, True, id="article"),
        pytest.param("cat", "dog", False, False, id="other"),
    ],
)
def test_vilp_is_graded_by_its_own_rule_and_by_ours(
    gold: str, answer: str, official: bool, ours: bool
) -> None:
    item = sample(AnswerKind.WORD, gold, rule="vilp")
    assert vilp_rule(gold, answer) == official
    assert (official_outcome(answer, item) is Outcome.CORRECT) == official
    assert (grade(answer, item).outcome is Outcome.CORRECT) == ours


def test_only_vilp_has_an_official_column() -> None:
    assert official_outcome("cat", sample(AnswerKind.WORD, "cat")) is None
    assert official_outcome(None, sample(AnswerKind.WORD, "cat", rule="vilp")) is Outcome.WRONG
