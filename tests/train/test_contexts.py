r"""The contexts word for word, and what a teacher is shown of an answer."""

from __future__ import annotations

import pytest

from vigos_eval.protocol import load_protocol
from vigos_eval.types import ImagePart, Message, TextPart
from vigos_train.contexts import (
    NO_ANSWER,
    Context,
    Question,
    Speaker,
    context,
    short_answer,
)

PROMPT = load_protocol("release").prompt
ASK = Question(" How many {cats} are there?\n", "\\boxed{3}", images=2)

AFTER = (
    "\n\nAfter reading the reference solution above, make sure you truly understand the reasoning "
    "behind each step; do not copy or paraphrase it. Now, using your own words and independent "
    "reasoning, derive the same final answer to the problem above. Think step by step, explore "
    "different approaches, and don't be afraid to backtrack or reconsider if something doesn't "
    "work out:\n"
)
REASONING = rf"""Problem: How many {{cats}} are there?

Here is a reference solution to this problem:
=== Reference Solution Begin ===
3
=== Reference Solution End ===
{AFTER}
Please reason step by step, and put your final answer within \boxed{{}}.The output format should be: <think> reasoning process here </think> \boxed{{}}"""
REFERENCE = rf"""Problem: How many {{cats}} are there?

Here is a reference solution to this problem:
=== Reference Solution Begin ===
3
=== Reference Solution End ===
{AFTER}
Please first describe the visual evidence that can lead to the correct answer. Wrap the entire description in <description> </description> tags.
Then reason step by step, and enclose this part within <think> </think> tags.
Finally, put your final answer within \boxed{{}}.The output format should be: <description> image description here </description> <think> reasoning process here </think> \boxed{{FINAL ANSWER here}}."""


def text_of(made: Context) -> str:
    (part,) = [p for p in made.messages[0].parts if isinstance(p, TextPart)]
    return part.text


@pytest.mark.parametrize(
    ("speaker", "text", "prefill"),
    [
        pytest.param(Speaker.REASONING, REASONING, "<description>", id="reasoning"),
        pytest.param(Speaker.REFERENCE, REFERENCE, "<description>", id="reference"),
        pytest.param(
            Speaker.STUDENT,
            PROMPT.replace("{question}", "How many {cats} are there?"),
            "<description>",
            id="student",
        ),
    ],
)
def test_the_texts_are_the_released_trainer_s_word_for_word(
    speaker: Speaker, text: str, prefill: str
) -> None:
    made = context(speaker, ASK, prompt=PROMPT)
    assert text_of(made) == text
    assert made.prefill == prefill
    assert made.messages[0].parts[:2] == (ImagePart(0), ImagePart(1))
    assert [m.role for m in made.messages] == ["user"]


def test_the_perception_teacher_sees_images_and_not_one_word() -> None:
    made = context(Speaker.PERCEPTION, ASK, prompt=PROMPT)
    assert made == Context((Message("user", (ImagePart(0), ImagePart(1))),), "")


def test_the_release_s_reasoning_teacher_starts_at_its_own_think() -> None:
    ours = context(Speaker.REASONING, ASK, prompt=PROMPT)
    release = context(Speaker.REASONING, ASK, prompt=PROMPT, reasoning_prefix="none")
    assert release.prefill == "<think>"
    assert release.messages == ours.messages
    broken = context(Speaker.REASONING, ASK, prompt=PROMPT, reasoning_prefix="none", think_bytes=3)
    assert broken.prefill == "<thi"


def test_the_student_is_never_shown_the_answer_and_the_teachers_only_the_short_one() -> None:
    ask = Question("Why?", "First 17 + 4, so \\boxed{21}")
    assert "21" not in text_of(context(Speaker.STUDENT, ask, prompt=PROMPT))
    for speaker in (Speaker.REASONING, Speaker.REFERENCE):
        shown = text_of(context(speaker, ask, prompt=PROMPT))
        assert "\n21\n" in shown and "17" not in shown


@pytest.mark.parametrize("answer", ["", "  \n", "<answer></answer>", "```\n```"])
def test_a_row_without_an_answer_says_so(answer: str) -> None:
    shown = text_of(context(Speaker.REFERENCE, Question("Why?", answer), prompt=PROMPT))
    assert f"Begin ===\n{NO_ANSWER}\n===" in shown


@pytest.mark.parametrize(
    ("written", "short"),
    [
        pytest.param("B", "B", id="plain"),
        pytest.param(" 12 cm^{2} \n", "12 cm^{2}", id="blanks"),
        pytest.param("$\\boxed{\\frac{1}{2}}$", "\\frac{1}{2}", id="box"),
        pytest.param("\\boxed{\\text{B}}", "\\text{B}", id="text-in-a-box-is-its-content"),
        pytest.param("<answer>C</answer>", "C", id="tags"),
        pytest.param("<ANSWER> C </ANSWER>", "C", id="capital-tags"),
        pytest.param("Let me see... <answer>\\boxed{C}</answer> done", "C", id="box-in-tags"),
        pytest.param("Answer: 5", "5", id="label"),
        pytest.param("The final answer: 5", "5", id="long-label"),
        pytest.param("answer:answer: 5", "5", id="label-twice"),
        pytest.param("```latex\nx^2\n```", "x^2", id="fence"),
        pytest.param("```\nanswer: <answer>\\boxed{7}</answer>\n```", "7", id="all-of-them"),
        pytest.param("<answer>C", "C", id="unclosed-tag"),
        pytest.param("The answer is not here", "The answer is not here", id="a-sentence-stays"),
    ],
)
def test_only_the_short_answer_is_left(written: str, short: str) -> None:
    assert short_answer(written) == short
