r"""A completion's text -> its segments and its answer. Pure; training uses it too. No grading here.

The format is ``<description>...</description><think>...</think> \boxed{answer}``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from vigos_eval.final_answer import final_answer
from vigos_eval.types import Answer, FinishReason

# \boxed {x} and \fbox{x} count as boxes: models write both, math-verify and the release accept both.
BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
DESCRIPTION = re.compile(r"<description>(.*?)</description>", re.DOTALL)
FORMAT = re.compile(
    r"\s*<description>(?P<description>.*?)</description>.*?<think>(?P<think>.*?)</think>(?P<rest>.*)",
    re.DOTALL,
)

# A box is taken out of a box so often; more is no answer and not worth the time.
MAX_BOXES_DEEP = 8


def last_boxed(text: str) -> str | None:
    r"""The content of the last ``\boxed{...}``, or None when there is none or it is unclosed.

    Braces nest, so a regex cannot do this; a brace after a backslash is text (``\{``). An
    unclosed last box is a truncated completion: an earlier box is not taken in its place.

    >>> last_boxed(r"first \boxed{3}, no: \boxed{\frac{1}{2}}")
    '\\frac{1}{2}'
    >>> last_boxed(r"so \boxed{3}. Wait, \boxed{\frac{1") is None
    True
    """
    start = None
    position = 0
    # A box inside a box (\boxed{\boxed{3}}) belongs to the outer one, so the scan skips contents.
    content: str | None = None
    while (match := BOX.search(text, position)) is not None:
        start = match.end()
        end = _closing_brace(text, start)
        if end is None:
            return None
        content = text[start:end].strip()
        position = end + 1
    for _ in range(MAX_BOXES_DEEP):
        inner = BOX.match(content) if content is not None else None
        end = _closing_brace(content, inner.end()) if content is not None and inner else None
        if content is None or inner is None or end != len(content) - 1:
            break
        content = content[inner.end() : end].strip()
    return content


def _closing_brace(text: str, start: int) -> int | None:
    """Index of the brace that closes the one just before `start`, or None."""
    depth = 1
    position = start
    while position < len(text):
        char = text[position]
        if char == "\\":
            position += 2
            continue
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return position
        position += 1
    return None


def parse_response(text: str, finish_reason: FinishReason = "stop") -> Answer:
    r"""The response (prefill included) taken apart into segments and answer.

    The answer is the last closed box outside the description; a box the model wrote into its
    description is a quotation and does not count.

    >>> a = parse_response(r"<description>two cats</description><think>1+1</think> \boxed{2}")
    >>> a.text, a.description, a.think, a.is_format_valid
    ('2', 'two cats', '1+1', True)
    >>> parse_response(r"<description>\boxed{7}</description>").is_unparsed
    True
    """
    outside = _without_description(text)
    found = FORMAT.fullmatch(text)
    answer = last_boxed(outside)
    description = DESCRIPTION.search(text)
    think = re.search(r"<think>(.*?)</think>", outside, re.DOTALL)
    is_valid = (
        found is not None
        and bool(found["description"].strip())
        and bool(found["think"].strip())
        and last_boxed(found["rest"]) is not None
    )
    return Answer(
        text=answer,
        description=description.group(1).strip() if description else None,
        think=think.group(1).strip() if think else None,
        is_format_valid=is_valid,
        is_truncated=finish_reason == "length",
    )


def answer_of(text: str, finish_reason: FinishReason, extraction: str) -> Answer:
    """The response taken apart with the protocol's extraction mode, ``boxed`` or ``final_answer``.

    >>> answer_of("Two cats.\\nAnswer: B", "stop", "final_answer").text
    'B'
    """
    parsed = parse_response(text, finish_reason)
    if extraction == "boxed":
        return parsed
    return replace(parsed, text=final_answer(_without_description(text)))


def _without_description(text: str) -> str:
    """The text after the first description; all of it when no description was opened."""
    opened = text.find("<description>")
    if opened < 0:
        return text
    closed = text.find("</description>", opened)
    if closed < 0:
        # Never closed: everything after the tag is description, so no box of it counts.
        return text[:opened]
    return text[:opened] + text[closed + len("</description>") :]
