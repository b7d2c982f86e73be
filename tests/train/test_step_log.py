r"""Which rollouts count as right while training: the evaluation's rules, without options or judge."""

from __future__ import annotations

import pytest

from vigos_train.step_log import is_right


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        pytest.param("B", "(B)", True, id="letter-in-brackets"),
        pytest.param("(B)", r"\text{B. 12 cm}", True, id="letter-with-its-text"),
        pytest.param("B", "C", False, id="another-letter"),
        pytest.param("x", "y", False, id="another-variable"),
        pytest.param("0.5", r"\frac{1}{2}", True, id="equal-numbers"),
        pytest.param("1,000", "1000", True, id="thousands"),
        pytest.param("3", "three", True, id="a-number-in-words"),
        pytest.param("12 cm", "12", True, id="unit-left-out"),
        pytest.param("red", "Red.", True, id="word"),
        pytest.param("red", "dark red", False, id="another-word"),
        pytest.param("yes", "no", False, id="the-opposite"),
        pytest.param("<answer> \\boxed{4} </answer>", "4", True, id="dressed-reference"),
        pytest.param("because it rained", "the road is wet", False, id="only-a-judge-could-say"),
        pytest.param("", "", False, id="a-row-without-answer"),
    ],
)
def test_an_answer_in_another_dress_is_the_same_answer(
    reference: str, answer: str, expected: bool
) -> None:
    text = f"two cats</description><think>so</think> \\boxed{{{answer}}}"
    assert is_right(text, reference, "Which one?") is expected


def test_no_box_is_no_answer() -> None:
    assert not is_right("</think> B", "B")
