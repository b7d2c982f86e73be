"""Rollouts with the trained network itself: many prompts side by side, one random stream each.

The evaluation's hf engine answers one prompt at a time, so that an answer depends on nothing
else. Training wants thousands of rollouts fast: here prompts of similar length share a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vigos_eval.engines.hf import evaluating
from vigos_eval.engines.sampling import next_tokens, uniform_draws
from vigos_eval.types import Decoding
from vigos_train.encoding import ImageInputs
from vigos_train.features import Sequences, hidden_states, image_features, rope_positions, sequences

# Rollouts side by side when the settings leave it open, and vision patches per tower call.
WINDOW = 32
PATCHES = 65536


@dataclass(frozen=True)
class Ask:
    """One prompt as the network reads it.

    Attributes:
        ids: Token ids, image placeholders and prefill included.
        images: Its images.
        seed: Of its own random stream.
    """

    ids: tuple[int, ...]
    images: ImageInputs
    seed: int


def sampled_ids(
    model: Any, asks: Sequence[Ask], decoding: Decoding, stops: frozenset[int], window: int = 0
) -> list[tuple[int, ...]]:
    """One sampled sequence per prompt, in the order given, end token included.

    Args:
        model: The PeftModel over Qwen2.5-VL; eval mode inside, its own mode after.
        asks: The prompts.
        decoding: Its seed is not used: every prompt brings its own.
        stops: End tokens.
        window: Prompts side by side; 0 is 32.
    """
    base = model.get_base_model()
    found: dict[int, tuple[int, ...]] = {}
    # Longest first: similar lengths share a batch, and memory runs out at once or never.
    order = sorted(range(len(asks)), key=lambda i: -len(asks[i].ids))
    size = window or WINDOW
    with torch.no_grad(), evaluating(model):
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            written = _continued(base, [asks[i] for i in chosen], decoding, stops)
            found.update(zip(chosen, written, strict=True))
    return [found[i] for i in range(len(asks))]


def _continued(
    base: Any, asks: Sequence[Ask], decoding: Decoding, stops: frozenset[int]
) -> list[tuple[int, ...]]:
    """The prompts are read once, padded on the right; each step then adds a token to the unfinished."""
    device = base.lm_head.weight.device
    batch = sequences(
        [ask.ids for ask in asks],
        [ask.images for ask in asks],
        image_token_id=base.config.image_token_id,
        merge_size=base.model.visual.spatial_merge_size,
        device=device,
    )
    last, cache, position = _read(base, batch, [ask.images for ask in asks])
    lengths = torch.tensor(batch.lengths, device=device)
    columns = torch.arange(batch.ids.shape[1], device=device)
    # Padding stands between a short prompt and its continuation: the mask keeps it unseen.
    mask = (columns < lengths[:, None]).long()
    limit = decoding.max_new_tokens
    draws = _draws(asks, decoding, limit).to(device)
    written: list[list[int]] = [[] for _ in asks]
    running = list(range(len(asks)))
    for step in range(limit):
        logits = base.lm_head(last).float()
        tokens = next_tokens(logits, draws[running, step], decoding)
        for row, token in zip(running, tokens.tolist(), strict=True):
            written[row].append(token)
        left = [k for k, row in enumerate(running) if written[row][-1] not in stops]
        if not left or step + 1 == limit:
            break
        if len(left) < len(running):
            keep = torch.tensor(left, device=device)
            cache.batch_select_indices(keep)
            tokens, mask, position = tokens[keep], mask[keep], position[keep]
            running = [running[k] for k in left]
        mask = torch.cat([mask, mask.new_ones(len(running), 1)], dim=1)
        last = base.model.language_model(
            inputs_embeds=base.model.get_input_embeddings()(tokens[:, None]),
            position_ids=position.expand(3, -1)[:, :, None],
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state[:, -1]
        position = position + 1
    return [tuple(ids) for ids in written]


def _read(base: Any, batch: Sequences, images: Sequence[ImageInputs]) -> tuple[Tensor, Any, Tensor]:
    """Last hidden state of every prompt (batch, hidden), the filled cache, the next position."""
    from transformers import DynamicCache

    network = base.model
    features = image_features(network, images, patch_budget=PATCHES)
    cache = DynamicCache(config=base.config.get_text_config())
    hidden = hidden_states(network, batch, features, cache=cache)
    rows = torch.arange(len(batch.lengths), device=hidden.device)
    ends = torch.tensor(batch.lengths, device=hidden.device) - 1
    positions = rope_positions(network, batch)  # (3, batch, tokens)
    real = torch.arange(batch.ids.shape[1], device=hidden.device) <= ends[:, None]
    following = positions.masked_fill(~real, -1).amax(dim=(0, 2)) + 1
    return hidden[rows, ends], cache, following


def _draws(asks: Sequence[Ask], decoding: Decoding, limit: int) -> Tensor:
    one = replace(decoding, n=1)
    return torch.cat([uniform_draws(replace(one, seed=ask.seed), limit) for ask in asks])
