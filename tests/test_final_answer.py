"""The answer of a text without boxes: what its closing words state."""

from __future__ import annotations

import time

import pytest

from vigos_eval.extract import answer_of, last_boxed
from vigos_eval.final_answer import final_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("Answer: D", "D", id="answer-colon"),
        pytest.param("First (A).\n\nSo the answer is (B).", "(B)", id="the-answer-is"),
        pytest.param("**Final Answer:** 42", "42", id="markdown"),
        pytest.param(
            "The answer is $x = 7$. I hope it is correct.", "x = 7", id="formula-and-hope"
        ),
        pytest.param("Answer: A\nWait.\nAnswer: C", "C", id="the-last-statement-counts"),
        pytest.param(r"So \boxed{3}.", "3", id="box"),
        pytest.param(r"so \boxed{3} and \boxed{5}.", "3, 5", id="boxes-joined-by-and"),
        pytest.param(r"\boxed{3} no \boxed{5}", "5", id="boxes-not-joined"),
        pytest.param(r"\boxed{1.76}" + "\n\nAnswer: D", "D", id="a-statement-after-the-box"),
        pytest.param("Answer: D, so " + r"\boxed{B}", "B", id="a-box-after-the-statement"),
        pytest.param(r"so \boxed{\frac{1", None, id="cut-off-in-the-box"),
        pytest.param(
            "The answer is:\n\n(J) Roman mosaics", "(J) Roman mosaics", id="on-the-next-line"
        ),
        pytest.param("Thus the sum is $5$.<|im_end|>\n<|im_start|>user", "5", id="template-marks"),
        pytest.param("some words\nB. A cat", "B. A cat", id="last-line"),
        pytest.param("The roots are $2$ and $3$.", "2, 3", id="formulas-joined-by-and"),
        pytest.param("It is $28$ %", "28 %", id="percent-outside-the-formula"),
        pytest.param("42", "42", id="nothing-but-the-answer"),
        pytest.param("  \n ", None, id="empty"),
    ],
)
def test_final_answer(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


def test_the_mode_decides_whether_a_text_without_box_has_an_answer() -> None:
    text = "<description>Answer: A</description> So the answer is B."
    assert answer_of(text, "stop", "boxed").text is None
    assert answer_of(text, "stop", "final_answer").text == "B"


def test_a_description_is_no_answer() -> None:
    assert answer_of("<description>Answer: A</description>", "stop", "final_answer").text is None


@pytest.mark.parametrize(
    "text",
    ["\\boxed{" * 10_000, "\\boxed{" * 5_000 + "}" * 5_000, "answer is " * 100_000, "$" * 300_000, "\\[" * 100_000],
    ids=["unclosed", "nested", "statements", "dollars", "brackets"],
)  # fmt: skip
def test_a_hostile_text_is_read_in_no_time(text: str) -> None:
    start = time.process_time()
    final_answer(text)
    last_boxed(text)
    assert time.process_time() - start < 2.0
