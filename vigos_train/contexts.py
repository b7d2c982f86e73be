r"""The four contexts a rollout is written and scored under, as messages. No tokens, no model here.

Texts are verbatim those of the released trainer and constants of the method. A teacher is the
same network with its adapter off; what it knows more or less than the student is its context:
the perception teacher sees the image and nothing else, the two privileged teachers are shown
the reference answer. Contexts exist in training only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from vigos_eval.extract import last_boxed
from vigos_eval.types import ImagePart, Message, Part, TextPart

TRANSITION = (
    "\n\nAfter reading the reference solution above, make sure you truly understand the reasoning"
    " behind each step; do not copy or paraphrase it. Now, using your own words and independent"
    " reasoning, derive the same final answer to the problem above. Think step by step, explore"
    " different approaches, and don't be afraid to backtrack or reconsider if something doesn't"
    " work out:\n"
)
REASONING_FORMAT = (
    "\nPlease reason step by step, and put your final answer within \\boxed{}."
    "The output format should be: <think> reasoning process here </think> \\boxed{}"
)
REFERENCE_FORMAT = (
    "\nPlease first describe the visual evidence that can lead to the correct answer."
    " Wrap the entire description in <description> </description> tags."
    "\nThen reason step by step, and enclose this part within <think> </think> tags."
    "\nFinally, put your final answer within \\boxed{}."
    "The output format should be: <description> image description here </description>"
    " <think> reasoning process here </think> \\boxed{FINAL ANSWER here}."
)
NO_ANSWER = "No reference answer was provided."
DESCRIPTION_PREFILL = "<description>"
THINK_PREFILL = "<think>"

_FENCE = re.compile(r"```[^\n`]*\n(.*?)\n?```", re.DOTALL)
_TICKS = re.compile(r"`{3,}")
_ANSWER_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_LOOSE_TAG = re.compile(r"</?answer>", re.IGNORECASE)
_LABEL = re.compile(r"^\s*(?:the\s+)?(?:final\s+)?answer\s*:\s*", re.IGNORECASE)


class Speaker(StrEnum):
    """Whose context it is."""

    STUDENT = "student"
    PERCEPTION = "perception"
    REASONING = "reasoning"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Context:
    """What stands before the first scored token.

    Attributes:
        messages: One user turn, images first.
        prefill: What the assistant's turn starts with; "" for none.
    """

    messages: tuple[Message, ...]
    prefill: str


@dataclass(frozen=True)
class Question:
    """What a training row asks.

    Attributes:
        problem: The problem text, without image marks.
        answer: The reference answer as the data set writes it; "" when the row has none.
        images: How many images the row has.
    """

    problem: str
    answer: str
    images: int = 1


def context(
    speaker: Speaker,
    question: Question,
    *,
    prompt: str,
    reasoning_prefix: str = "student",
    think_bytes: int = 0,
) -> Context:
    """The context of one speaker for one question.

    Args:
        speaker: Whose.
        question: The training row.
        prompt: The protocol's student prompt; ``{question}`` is replaced.
        reasoning_prefix: ``student``: the reasoning teacher's turn opens as the student's did and
            continues with the student's own tokens (paper). ``none``: it opens with ``<think>``
            (release). The user text is the same.
        think_bytes: With ``none``, how much of ``<think>`` the student's next token writes itself
            (`Spans.think_bytes`), so that the prefill stops before it.

    >>> ask = Question("How many?", "3")
    >>> context(Speaker.PERCEPTION, ask, prompt="{question}").messages[0].parts
    (ImagePart(index=0),)
    >>> context(Speaker.REASONING, ask, prompt="", reasoning_prefix="none").prefill
    '<think>'
    """
    text = _user_text(speaker, question, prompt)
    parts: tuple[Part, ...] = tuple(ImagePart(i) for i in range(question.images))
    if text is not None:
        parts = (*parts, TextPart(text))
    prefill = DESCRIPTION_PREFILL
    if speaker is Speaker.PERCEPTION:
        prefill = ""
    if speaker is Speaker.REASONING and reasoning_prefix == "none":
        prefill = THINK_PREFILL[: max(0, len(THINK_PREFILL) - think_bytes)]
    return Context((Message("user", parts),), prefill)


def _user_text(speaker: Speaker, question: Question, prompt: str) -> str | None:
    if speaker is Speaker.PERCEPTION:
        return None
    problem = question.problem.strip()
    if speaker is Speaker.STUDENT:
        return prompt.replace("{question}", problem)
    opening = (
        f"Problem: {problem}\n\nHere is a reference solution to this problem:\n"
        f"=== Reference Solution Begin ===\n{short_answer(question.answer) or NO_ANSWER}\n"
        f"=== Reference Solution End ===\n{TRANSITION}"
    )
    return opening + (REASONING_FORMAT if speaker is Speaker.REASONING else REFERENCE_FORMAT)


def short_answer(answer: str) -> str:
    r"""The answer without code fences, ``answer:``, ``<answer>`` tags and ``\boxed{}``; "" if empty.

    Only the short answer is ever shown to a teacher: of a solution with a box, the box's content.

    >>> short_answer("<answer> \\boxed{\\frac{1}{2}} </answer>"), short_answer("Answer: (B)")
    ('\\frac{1}{2}', '(B)')
    >>> short_answer("```\n12 cm\n```")
    '12 cm'
    """
    text = answer.strip()
    while True:
        bare = _unwrapped(text)
        if bare == text:
            return text
        text = bare


def _unwrapped(text: str) -> str:
    """One layer taken off; shorter or equal, so that peeling ends."""
    if tagged := _ANSWER_TAG.findall(text):
        text = tagged[-1]
    if fenced := _FENCE.search(text):
        text = fenced.group(1)
    text = _LOOSE_TAG.sub("", _TICKS.sub("", text))
    text = _LABEL.sub("", text)
    boxed = last_boxed(text)
    return (text if boxed is None else boxed).strip()
