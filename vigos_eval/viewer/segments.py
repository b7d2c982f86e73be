"""A response cut into the pieces the page colours; joined again they are the response. No grading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from vigos_eval.extract import BOX

SegmentKind = Literal["description", "think", "answer", "other"]

ESCAPED_OR_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


@dataclass(frozen=True)
class Segment:
    """A piece of a response, tags included, so that the pieces joined are the response."""

    kind: SegmentKind
    text: str


@dataclass(frozen=True)
class _Span:
    kind: SegmentKind
    start: int
    end: int


def segments(text: str, answer: str | None) -> tuple[Segment, ...]:
    r"""The response in pieces, in order; an unclosed segment runs to the end of the text.

    Args:
        text: The response, prefill included.
        answer: The answer that was extracted; it finds the answer's place where no box stands.

    >>> [s.kind for s in segments(r"<description>a</description><think>b</think> \boxed{2}", "2")]
    ['description', 'think', 'other', 'answer']
    >>> [(s.kind, s.text) for s in segments("Sum it up. Answer: 12", "12")]
    [('other', 'Sum it up. Answer: '), ('answer', '12')]
    >>> [s.kind for s in segments("<description>cut off", None)]
    ['description']
    """
    description = _tagged(text, "description", text)
    # Same length, so places stay: a box or a tag quoted in the description does not count.
    outside = text
    if description is not None:
        blank = " " * (description.end - description.start)
        outside = text[: description.start] + blank + text[description.end :]
    # Later spans lie on top: an answer inside the reasoning is shown as the answer.
    layers = [_tagged(outside, "think", text), description, _answer(outside, answer)]
    spans = [span for span in layers if span is not None]
    cuts = sorted({0, len(text), *(s.start for s in spans), *(s.end for s in spans)})
    pieces: list[Segment] = []
    for start, end in pairwise(cuts):
        covering = [span.kind for span in spans if span.start <= start < span.end]
        pieces.append(Segment(covering[-1] if covering else "other", text[start:end]))
    return tuple(pieces)


def _tagged(searched: str, kind: Literal["description", "think"], text: str) -> _Span | None:
    start = searched.find(f"<{kind}>")
    if start < 0:
        return None
    closing = f"</{kind}>"
    end = searched.find(closing, start)
    return _Span(kind, start, len(text) if end < 0 else end + len(closing))


def _answer(outside: str, answer: str | None) -> _Span | None:
    """Where the answer stands: the last closed box, else the last place of the answer's words."""
    if answer is None:
        return None
    box: _Span | None = None
    position = 0
    while (opened := BOX.search(outside, position)) is not None:
        end = _box_end(outside, opened.end())
        if end is None:
            break
        box = _Span("answer", opened.start(), end)
        position = end
    if box is not None or not answer:
        return box
    found = list(re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", outside))
    return _Span("answer", found[-1].start(), found[-1].end()) if found else None


def _box_end(text: str, start: int) -> int | None:
    depth = 1
    for token in ESCAPED_OR_BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(token.group(), 0)
        if depth == 0:
            return token.end()
    return None
