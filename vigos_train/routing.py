"""A rollout -> which teacher scores which of its tokens. Token ids only; no model, no tensors.

A valid row: the perception teacher on D, the reasoning teacher on R. A malformed row: the
reference teacher on every token. OPSD: the reference teacher on every token of every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from vigos_train.contexts import Speaker
from vigos_train.spans import Spans

Method = Literal["vigos", "opsd"]


class Segment(StrEnum):
    """What a scored token counts towards; the loss is normalised within each."""

    PERCEPTION = "perception"
    REASONING = "reasoning"
    FALLBACK = "fallback"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Target:
    """One teacher sequence: its context, then a run of the student's own tokens.

    Attributes:
        segment: What its scored tokens count towards.
        ids: The whole sequence, cut after the last scored token.
        tokens: Which sampled tokens are scored; they end the sequence.
    """

    segment: Segment
    ids: tuple[int, ...]
    tokens: slice

    @property
    def count(self) -> int:
        """Scored tokens."""
        return self.tokens.stop - self.tokens.start


@dataclass(frozen=True)
class Route:
    """One rollout as it is scored.

    Attributes:
        prompt: The student's prompt ids, image placeholders and prefill included.
        sampled: The sampled ids up to the last scored one.
        targets: The teacher sequences; empty when nothing was sampled.
    """

    prompt: tuple[int, ...]
    sampled: tuple[int, ...]
    targets: tuple[Target, ...]


def speakers_needed(method: Method, spans: Spans) -> tuple[Speaker, ...]:
    """Whose contexts must be tokenised for this rollout, the student's first.

    >>> [str(s) for s in speakers_needed("vigos", Spans(slice(0, 1), slice(2, 3)))]
    ['student', 'perception', 'reasoning']
    >>> [str(s) for s in speakers_needed("opsd", Spans(slice(0, 1), slice(2, 3)))]
    ['student', 'reference']
    """
    if method == "vigos" and spans.is_valid:
        return Speaker.STUDENT, Speaker.PERCEPTION, Speaker.REASONING
    return Speaker.STUDENT, Speaker.REFERENCE


def route(
    contexts: Mapping[Speaker, Sequence[int]],
    sampled: Sequence[int],
    spans: Spans,
    *,
    method: Method = "vigos",
    reasoning_prefix: str = "student",
) -> Route:
    """The teacher sequences of one rollout.

    Args:
        contexts: Token ids of every context that `speakers_needed` names, prefill included.
        sampled: The sampled ids, end token included.
        spans: Their spans.
        method: ``vigos`` or ``opsd``.
        reasoning_prefix: ``student``: R is scored after everything the student wrote before it
            (paper). ``none``: right after R's own ``<think>`` (release).

    Raises:
        KeyError: A context is missing.

    >>> ids = {Speaker.STUDENT: [7], Speaker.PERCEPTION: [8], Speaker.REASONING: [9]}
    >>> for t in route(ids, [1, 2, 3, 4, 5, 0], Spans(slice(0, 1), slice(3, 5))).targets:
    ...     print(t.segment, t.ids, t.count)
    perception (8, 1) 1
    reasoning (9, 1, 2, 3, 4, 5) 2
    """
    prompt = tuple(contexts[Speaker.STUDENT])
    tokens = tuple(sampled)
    if not tokens:
        return Route(prompt, (), ())
    if method == "opsd" or not spans.is_valid:
        segment = Segment.REFERENCE if method == "opsd" else Segment.FALLBACK
        whole = (*contexts[Speaker.REFERENCE], *tokens)
        return Route(prompt, tokens, (Target(segment, whole, slice(0, len(tokens))),))
    seen, reasoned = spans.description, spans.reasoning
    # A token that straddles the end of <think> is shown to the teacher and not scored.
    start = 0 if reasoning_prefix == "student" else reasoned.start - bool(spans.think_bytes)
    perception = (*contexts[Speaker.PERCEPTION], *tokens[: seen.stop])
    reasoning = (*contexts[Speaker.REASONING], *tokens[start : reasoned.stop])
    return Route(
        prompt,
        tokens[: reasoned.stop],
        (
            Target(Segment.PERCEPTION, perception, seen),
            Target(Segment.REASONING, reasoning, reasoned),
        ),
    )


def scored_tokens(routes: Iterable[Route]) -> dict[Segment, int]:
    """Scored tokens per segment, zeros included: what a step's losses are divided by."""
    counts = dict.fromkeys(Segment, 0)
    for each in routes:
        for target in each.targets:
            counts[target.segment] += target.count
    return counts
