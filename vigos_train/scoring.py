"""Routed rollouts -> loss sums per segment, connected to the adapter's gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vigos_train.config import LossConfig
from vigos_train.encoding import ImageInputs
from vigos_train.routing import Route, Segment


@dataclass(frozen=True)
class ScoringRow:
    """One rollout ready to be scored: where its tokens go, and its images."""

    route: Route
    images: ImageInputs


@dataclass(frozen=True)
class SegmentKl:
    """KL of one row's segment, for the log.

    Attributes:
        row: Index into the rows given to `score`.
        segment: Which segment.
        kl: Unclipped KL per scored token, nats, float32 on the model's device, detached (tokens,).
        clipped: Which of these tokens met the token clip, bool (tokens,).
    """

    row: int
    segment: Segment
    kl: Tensor
    clipped: Tensor


@dataclass(frozen=True)
class ScoredPart:
    """What one student batch contributes; back-propagate it before asking for the next.

    Attributes:
        sums: Clipped loss summed over the segment's tokens, float32 scalars with gradient; every
            segment is there, a segment without tokens as a connected zero.
        tokens: How many tokens each sum holds.
        kls: The unclipped KL of each row and segment in this part.
    """

    sums: Mapping[Segment, Tensor]
    tokens: Mapping[Segment, int]
    kls: tuple[SegmentKl, ...]


def score(
    model: Any, rows: Sequence[ScoringRow], config: LossConfig, *, token_budget: int = 16384
) -> Iterator[ScoredPart]:
    """Teachers first (adapter off, eval mode, no gradient), then the student, part by part.

    Args:
        model: The PeftModel over Qwen2.5-VL, unwrapped, in the mode the student is to run in.
        rows: One micro-batch, or any part of a step.
        config: Clip, temperature, weights, chunk.
        token_budget: Tokens per forward, padding included; at least one sequence always runs.

    Yields:
        Parts, at least one. The sum over parts does not depend on how rows are split.
    """
    raise NotImplementedError


def objective(
    sums: Mapping[Segment, Tensor], counts: Mapping[Segment, int], config: LossConfig
) -> Tensor:
    """L = sum over segments of weight x sum / count, with the whole optimizer step's counts.

    A segment whose count is 0 contributes its connected zero.
    """
    raise NotImplementedError
