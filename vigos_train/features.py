"""Token ids + images -> what the language model takes: embeddings with image features, M-RoPE.

Image features are computed once per row and shared by all its contexts while the vision tower
is frozen. No loss here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vigos_train.encoding import ImageInputs


@dataclass(frozen=True)
class Sequences:
    """A batch of token sequences, padded on the right.

    A causal model's real tokens never see padding that stands after them, so no attention mask
    is needed, and attention takes its fast causal path.

    Attributes:
        ids: (batch, tokens), int64; 0 after a sequence's end.
        lengths: Tokens of each sequence.
        token_types: mm_token_type_ids (batch, tokens): 1 at an image's place, else 0.
        grids: (images, 3), all the batch's images in order.
    """

    ids: Tensor
    lengths: tuple[int, ...]
    token_types: Tensor | None
    grids: Tensor


def sequences(
    ids: Sequence[Sequence[int]],
    images: Sequence[ImageInputs],
    *,
    image_token_id: int,
    merge_size: int,
    device: Any,
) -> Sequences:
    """Sequences padded on the right, image places marked.

    Only a prompt's own placeholders are image places, and they come first: a placeholder id that
    the student sampled is text.

    Args:
        ids: Token ids of each sequence.
        images: Each sequence's images.
        image_token_id: Id of ``<|image_pad|>``.
        merge_size: Patches per image token and side.
        device: Where the tensors go.

    Raises:
        ValueError: A sequence has fewer placeholders than its images have tokens.
    """
    padded = pad_sequence([torch.tensor(each) for each in ids], batch_first=True)
    places = padded == image_token_id
    wanted = torch.tensor([_image_tokens(each, merge_size) for each in images])
    if (short := places.sum(1) < wanted).any():
        row = int(short.nonzero()[0])
        raise ValueError(
            f"sequence {row} has {int(places[row].sum())} image placeholders for "
            f"{int(wanted[row])} image tokens"
        )
    types = (places & (places.cumsum(1) <= wanted[:, None])).int()
    grids = torch.cat([each.grids for each in images])
    lengths = tuple(len(each) for each in ids)
    return Sequences(padded.to(device), lengths, types.to(device), grids.to(device))


def _image_tokens(images: ImageInputs, merge_size: int) -> int:
    return int(images.grids.prod(-1).sum()) // merge_size**2


def rope_positions(network: Any, batch: Sequences) -> Tensor:
    """The M-RoPE positions (3, batch, tokens) that the model itself would take.

    Args:
        network: Qwen2_5_VLModel.
        batch: The sequences.

    Raises:
        ValueError: Images without `token_types`: transformers 5 then silently takes text
            positions for image tokens.
    """
    if batch.token_types is None:
        if len(batch.grids):
            raise ValueError(
                "mm_token_type_ids are missing: without them image tokens get text positions"
            )
        steps = torch.arange(batch.ids.shape[1], device=batch.ids.device)
        return steps.expand(3, *batch.ids.shape)
    real = torch.arange(batch.ids.shape[1]) < torch.tensor(batch.lengths)[:, None]
    positions, _ = network.get_rope_index(
        batch.ids,
        mm_token_type_ids=batch.token_types,
        image_grid_thw=batch.grids,
        attention_mask=real.to(batch.ids.device),
    )
    return positions


def image_features(
    network: Any, images: Sequence[ImageInputs], *, patch_budget: int
) -> list[Tensor]:
    """The vision tower's output per row: (image tokens, hidden), rows without images empty.

    Rows go through together up to `patch_budget` patches; at least one row always does.

    Args:
        network: Qwen2_5_VLModel.
        images: Each row's images.
        patch_budget: Patches per call of the vision tower.
    """
    device = network.visual.patch_embed.proj.weight.device
    merged = network.visual.spatial_merge_size**2
    found: list[Tensor] = []
    for group in _groups([len(each.pixels) for each in images], patch_budget):
        rows = [images[i] for i in group if len(images[i].grids)]
        if not rows:
            found += [torch.zeros(0, 0, device=device) for _ in group]
            continue
        made = network.get_image_features(
            torch.cat([row.pixels for row in rows]).to(device),
            torch.cat([row.grids for row in rows]).to(device),
        ).pooler_output
        whole = torch.cat(list(made))
        found += list(torch.split(whole, [len(images[i].pixels) // merged for i in group]))
    return found


def _groups(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Consecutive indices whose sizes sum to at most `budget`, at least one in each group.

    >>> _groups([3, 3, 9, 1], 6)
    [[0, 1], [2], [3]]
    """
    groups: list[list[int]] = []
    used = 0
    for i, size in enumerate(sizes):
        if not groups or used + size > budget:
            groups.append([])
            used = 0
        groups[-1].append(i)
        used += size
    return groups


def hidden_states(
    network: Any, batch: Sequences, features: Sequence[Tensor], cache: Any = None
) -> Tensor:
    """The language model's last hidden states (batch, tokens, hidden).

    Args:
        network: Qwen2_5_VLModel.
        batch: The sequences.
        features: Each sequence's image features, `image_features`' rows.
        cache: An empty transformers cache to fill (rollouts), or None.
    """
    embedded = network.get_input_embeddings()(batch.ids)
    shown = [each for each in features if len(each)]
    if shown and batch.token_types is not None:
        places = (batch.token_types == 1).unsqueeze(-1)
        embedded = embedded.masked_scatter(places, torch.cat(shown).to(embedded.dtype))
    return network.language_model(
        inputs_embeds=embedded,
        position_ids=rope_positions(network, batch),
        past_key_values=cache,
        use_cache=cache is not None,
    ).last_hidden_state
