"""Routed rollouts -> loss sums per segment, connected to the adapter's gradient.

The teachers go first (adapter off, eval mode, no gradient), each on its own cut sequence; then
the student, in batches under a token budget. Only the hidden states that predict a scored token
reach the loss. Routing is routing.py's subject, the KL losses.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vigos_eval.engines.hf import evaluating
from vigos_train.encoding import ImageInputs
from vigos_train.features import hidden_states, image_features, sequences
from vigos_train.losses import Divergence, TokenKl, fused_kl
from vigos_train.method_config import LossConfig
from vigos_train.routing import Route, Segment, Target

# A vision patch costs a tower of a tenth of the parameters: more of them fit into one call.
_PATCHES_PER_TOKEN = 4


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
        clipped: Which of these tokens met the clip, bool (tokens,).
    """

    row: int
    segment: Segment
    kl: Tensor
    clipped: Tensor


@dataclass(frozen=True)
class ScoredPart:
    """What one student batch contributes; back-propagate it before asking for the next.

    Attributes:
        sums: Clipped loss summed over the segment's tokens, float32 scalars; every segment is
            there, and all are attached to the graph, those without tokens as zeros.
        tokens: How many tokens each sum holds.
        kls: The unclipped KL of each row and segment in this part.
    """

    sums: Mapping[Segment, Tensor]
    tokens: Mapping[Segment, int]
    kls: tuple[SegmentKl, ...]


@dataclass(frozen=True)
class _Scored:
    """One target of one row, with what its teacher said."""

    row: int
    target: Target
    teacher: Tensor


def score(
    model: Any, rows: Sequence[ScoringRow], config: LossConfig, *, token_budget: int = 16384
) -> Iterator[ScoredPart]:
    """Score rows, part by part.

    Args:
        model: The PeftModel over Qwen2.5-VL, unwrapped, in the mode the student is to run in.
        rows: One micro-batch, or any part of a step.
        config: Clip, temperature, chunk.
        token_budget: Tokens per forward, padding included; at least one sequence always runs.

    Yields:
        Parts, at least one. The sums over all parts do not depend on how rows are split.
    """
    base = model.get_base_model()
    images = [row.images for row in rows]
    is_vision_trained = any(p.requires_grad for p in base.model.visual.parameters())
    patches = _PATCHES_PER_TOKEN * token_budget
    with _as_teacher(model):
        seen = image_features(base.model, images, patch_budget=patches)
        teachers = _teacher_states(base, rows, seen, token_budget)
    by_row: dict[int, list[_Scored]] = {}
    for each in teachers:
        by_row.setdefault(each.row, []).append(each)
    lengths = {i: len(rows[i].route.prompt) + len(rows[i].route.sampled) for i in sorted(by_row)}
    for batch in batches(lengths, token_budget):
        features = [seen[i] for i in batch]
        if is_vision_trained:
            features = image_features(base.model, [images[i] for i in batch], patch_budget=patches)
        ids = [(*rows[i].route.prompt, *rows[i].route.sampled)[:-1] for i in batch]
        hidden = _states(base, ids, [images[i] for i in batch], features)
        starts = {i: (k, len(rows[i].route.prompt) - 1) for k, i in enumerate(batch)}
        yield _part(base, hidden, starts, [each for i in batch for each in by_row[i]], config)
    if not by_row:
        yield _empty_part(model)


def objective(
    sums: Mapping[Segment, Tensor], counts: Mapping[Segment, int], config: LossConfig
) -> Tensor:
    """L = sum over segments of weight x sum / count, with the whole optimizer step's counts.

    A segment whose count is 0 contributes its connected zero. OPSD's only term has weight 1.
    """
    weights = {
        Segment.PERCEPTION: config.perception_weight,
        Segment.REASONING: config.reasoning_weight,
        Segment.FALLBACK: config.reference_weight,
        Segment.REFERENCE: 1.0,
    }
    terms = [weights[s] / max(1, counts.get(s, 0)) * total for s, total in sums.items()]
    return torch.stack(terms).sum()


def batches(lengths: Mapping[int, int], token_budget: int) -> list[list[int]]:
    """Keys grouped by length, longest first, so that padded batches stay within the budget.

    >>> batches({0: 4, 1: 10, 2: 5, 3: 9}, 20)
    [[1, 3], [2, 0]]
    """
    groups: list[list[int]] = []
    longest = 0
    for key in sorted(lengths, key=lambda k: -lengths[k]):
        if not groups or longest * (len(groups[-1]) + 1) > token_budget:
            groups.append([])
            longest = lengths[key]
        groups[-1].append(key)
    return groups


@contextmanager
def _as_teacher(model: Any) -> Iterator[None]:
    """Adapter off, eval mode, no gradient; the student's mode comes back afterwards."""
    with evaluating(model), torch.no_grad(), model.disable_adapter():
        yield


def _states(
    base: Any,
    ids: Sequence[Sequence[int]],
    images: Sequence[ImageInputs],
    features: Sequence[Tensor],
) -> Tensor:
    batch = sequences(
        ids,
        images,
        image_token_id=base.config.image_token_id,
        merge_size=base.model.visual.spatial_merge_size,
        device=base.lm_head.weight.device,
    )
    return hidden_states(base.model, batch, features)


def _teacher_states(
    base: Any, rows: Sequence[ScoringRow], features: Sequence[Tensor], token_budget: int
) -> list[_Scored]:
    """The hidden states (scored tokens, hidden) of every target, each on its cut sequence."""
    targets = [(i, target) for i, row in enumerate(rows) for target in row.route.targets]
    found: list[_Scored] = []
    # The last token of a sequence predicts nothing that is scored, so it is not read.
    for batch in batches({k: len(t.ids) - 1 for k, (_, t) in enumerate(targets)}, token_budget):
        chosen = [targets[k] for k in batch]
        hidden = _states(
            base,
            [target.ids[:-1] for _, target in chosen],
            [rows[i].images for i, _ in chosen],
            [features[i] for i, _ in chosen],
        )
        for k, (i, target) in enumerate(chosen):
            end = len(target.ids) - 1
            found.append(_Scored(i, target, hidden[k, end - target.count : end].clone()))
    return found


def _part(
    base: Any,
    hidden: Tensor,
    starts: Mapping[int, tuple[int, int]],
    scored: Sequence[_Scored],
    config: LossConfig,
) -> ScoredPart:
    """The sums of one student batch.

    Args:
        base: Qwen2_5_VLForConditionalGeneration.
        hidden: Student hidden states (batch, tokens, hidden).
        starts: Per row, its place in the batch and the position that predicts sampled token 0.
        scored: The targets of these rows.
        config: Clip, temperature, chunk.
    """
    # One element reaches every trained parameter; a 16-bit sum over all could overflow.
    sums = dict.fromkeys(Segment, hidden[0, 0, 0].float() * 0.0)
    tokens = dict.fromkeys(Segment, 0)
    kls: list[SegmentKl] = []
    for segment in Segment:
        here = [each for each in scored if each.target.segment is segment]
        if not here:
            continue
        students = []
        for each in here:
            place, first = starts[each.row]
            span = each.target.tokens
            students.append(hidden[place, first + span.start : first + span.stop])
        result = fused_kl(
            torch.cat(students),
            torch.cat([each.teacher for each in here]),
            base.lm_head.weight,
            _divergence(segment, config),
            chunk=config.chunk,
            limits=_limits(here, config, hidden.device),
        )
        sums[segment] = sums[segment] + result.loss.sum()
        tokens[segment] = len(result.kl)
        kls += _split(here, result)
    return ScoredPart(sums, tokens, tuple(kls))


def _divergence(segment: Segment, config: LossConfig) -> Divergence:
    return Divergence(
        direction="reverse" if segment is Segment.FALLBACK else "forward",
        clip=config.clip,
        clip_mode=config.clip_mode,
        temperature=config.temperature,
    )


def _limits(scored: Sequence[_Scored], config: LossConfig, device: Any) -> Tensor | None:
    """Each token's clip, the boundary clip at D's last and R's first token; None for one clip."""
    edge = config.boundary_clip
    if config.clip_mode != "token" or edge is None or edge == config.clip:
        return None
    limits: list[float] = []
    for each in scored:
        own = [config.clip] * each.target.count
        if each.target.segment is Segment.PERCEPTION:
            own[-1] = edge
        if each.target.segment is Segment.REASONING:
            own[0] = edge
        limits += own
    return torch.tensor(limits, device=device)


def _split(scored: Sequence[_Scored], result: TokenKl) -> list[SegmentKl]:
    counts = [each.target.count for each in scored]
    pieces = zip(
        scored, torch.split(result.kl, counts), torch.split(result.clipped, counts), strict=True
    )
    return [SegmentKl(each.row, each.target.segment, kl, clip) for each, kl, clip in pieces]


def _empty_part(model: Any) -> ScoredPart:
    """Nothing to score: zeros attached to every trained parameter, so that no rank hangs."""
    trained = [p for p in model.parameters() if p.requires_grad]
    zero = torch.stack([p.float().sum() * 0.0 for p in trained]).sum()
    return ScoredPart(dict.fromkeys(Segment, zero), dict.fromkeys(Segment, 0), ())
