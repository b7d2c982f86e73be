"""Logits -> tokens with a seed per sample, and token ids -> Completion. No model in here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vigos_eval.types import Completion, Decoding

if TYPE_CHECKING:
    from torch import Tensor


def uniform_draws(decoding: Decoding, steps: int, prompt: str = "") -> Tensor:
    """The random numbers of every sample, drawn before the first token: (n, steps), in [0, 1).

    Sample i draws from its own generator, seeded by ``seed + i`` and the prompt, on the CPU: a
    sample's numbers depend on no other sample, no other prompt, no device and no vocabulary. Under
    one stream for all prompts, questions would come out right or wrong together, and errors that
    take them as independent would be too small.

    Args:
        decoding: Seed and number of samples.
        steps: Tokens at most.
        prompt: What the stream belongs to; "" takes ``seed + i`` alone.

    >>> two = Decoding(n=2, temperature=1, top_p=1, top_k=0, max_new_tokens=4, seed=7)
    >>> one = Decoding(n=1, temperature=1, top_p=1, top_k=0, max_new_tokens=4, seed=8)
    >>> bool((uniform_draws(two, 4)[1] == uniform_draws(one, 4)[0]).all())
    True
    >>> bool((uniform_draws(one, 4, "a") == uniform_draws(one, 4, "b")).all())
    False
    """
    import torch

    seeds = (stream_seed(decoding.seed + i, prompt) for i in range(decoding.n))
    return torch.stack(
        [torch.rand(steps, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )


def stream_seed(seed: int, owner: str) -> int:
    """The seed of one random stream, 63 bits; the seed itself where nobody owns the stream.

    >>> stream_seed(42, "a") == stream_seed(42, "a"), stream_seed(42, "a") == stream_seed(42, "b")
    (True, False)
    """
    if not owner:
        return seed
    digest = hashlib.sha256(f"{seed} {owner}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def next_tokens(logits: Tensor, uniforms: Tensor, decoding: Decoding) -> Tensor:
    """The token each row takes next, int64 (rows,).

    Temperature, then top-k, then top-p over what is left: the order of transformers' warpers and
    of vLLM. The draw inverts the cumulative distribution over tokens sorted by probability.

    Args:
        logits: Float32 (rows, vocabulary), on any device; not changed.
        uniforms: Float32 (rows,) in [0, 1), same device; unused when greedy.
        decoding: Temperature 0 takes the largest logit.

    >>> import torch
    >>> how = Decoding(n=1, temperature=1, top_p=1, top_k=2, max_new_tokens=1, seed=0)
    >>> next_tokens(torch.tensor([[0.0, 9.0, 8.9]]), torch.tensor([0.99]), how).tolist()
    [2]
    """
    import torch

    if decoding.suppress_token_ids:
        logits = logits.clone()
        logits[:, list(decoding.suppress_token_ids)] = -torch.inf
    if decoding.temperature == 0:
        return logits.argmax(dim=-1)
    kept = min(decoding.top_k or logits.shape[-1], logits.shape[-1])
    values, tokens = (logits / decoding.temperature).topk(kept, dim=-1)  # sorted, largest first
    chances = values.softmax(dim=-1)
    if decoding.top_p < 1:
        # A token stays while those before it hold less than top_p: the smallest set to reach it.
        chances = chances.masked_fill(chances.cumsum(-1) - chances >= decoding.top_p, 0.0)
    heights = chances.cumsum(dim=-1)
    place = (heights <= uniforms[:, None] * heights[:, -1:]).sum(dim=-1)
    # Rounding may put the draw on the very top; the last token with a chance takes it.
    last = (chances > 0).sum(dim=-1) - 1
    return tokens.gather(-1, torch.minimum(place, last)[:, None]).squeeze(-1)


def stop_ids(*declared: int | Sequence[int] | None) -> frozenset[int]:
    """All end tokens that a checkpoint declares: in its generation config and its tokenizer.

    >>> sorted(stop_ids([2, 5], 2, None))
    [2, 5]
    """
    ids: set[int] = set()
    for each in declared:
        if each is not None:
            ids.update([each] if isinstance(each, int) else each)
    return frozenset(ids)


def completion_of(ids: Sequence[int], is_stopped: bool, tokenizer: Any) -> Completion:
    """The record of one sample: its text, without special tokens and the end token, and its end.

    Args:
        ids: The sampled ids, end token included.
        is_stopped: The last id is an end token, not the limit's victim.
        tokenizer: The checkpoint's.
    """
    # An end token need not be a special one: a generation config may declare any.
    shown = ids[:-1] if is_stopped else ids
    text = tokenizer.decode(
        list(shown), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return Completion(
        text=text,
        tokens=len(ids),
        finish_reason="stop" if is_stopped else "length",
        token_ids=tuple(ids),
    )
