"""The released trainer's way of scoring a step, written anew for comparison: what (b) is measured against.

Per micro-batch of two rows: three teachers for every row whatever its format, logits of every
completion position kept for all of them, the vision tower run for every context, KL over
[tokens, vocabulary] by autograd. Where its source leaves a choice, the cheaper one is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from train_shapes import IMAGE, Rollout

from vigos_train.contexts import Speaker
from vigos_train.routing import Segment

MICRO_BATCH = 2


def token_kl(student: Tensor, teacher: Tensor, *, is_reverse: bool, clip: float) -> Tensor:
    """Clipped KL per token from whole logits (..., vocabulary)."""
    log_q = F.log_softmax(student.float() / 1.0, dim=-1)
    log_p = F.log_softmax(teacher.float() / 1.0, dim=-1)
    source, target = (log_q, log_p) if is_reverse else (log_p, log_q)
    # kl_div(input, target) is KL(target || input): the arguments read backwards.
    return F.kl_div(target, source, log_target=True, reduction="none").sum(-1).clamp(max=clip)


def completion_logits(
    base: Any, rows: Sequence[Rollout], contexts: Sequence[list[int]], texts: Sequence[list[int]]
) -> Tensor:
    """Logits (rows, completion, vocabulary) of every completion token, padded right.

    Prompts are padded on the left and completions on the right, as generation leaves them.
    """
    before, after = max(map(len, contexts)), max(map(len, texts))
    ids = torch.zeros(len(rows), before + after, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, (prompt, text) in enumerate(zip(contexts, texts, strict=True)):
        ids[i, before - len(prompt) : before + len(text)] = torch.tensor(prompt + text)
        mask[i, before - len(prompt) : before + len(text)] = 1
    device = base.lm_head.weight.device
    logits = base(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        pixel_values=torch.cat([row.images.pixels for row in rows]).to(device),
        image_grid_thw=torch.cat([row.images.grids for row in rows]).to(device),
        mm_token_type_ids=(ids == IMAGE).int().to(device),
        logits_to_keep=after + 1,
        use_cache=False,
    ).logits
    return logits[:, :-1]


def scored_micro_batches(
    model: Any, rows: Sequence[Rollout], clip: float
) -> Iterator[dict[Segment, tuple[Tensor, int]]]:
    """Loss sum and token count per segment, one micro-batch at a time; back-propagate each."""
    base = model.get_base_model()
    for start in range(0, len(rows), MICRO_BATCH):
        batch = rows[start : start + MICRO_BATCH]
        texts = [row.sampled for row in batch]
        tails = [row.sampled[row.spans.reasoning.start :] for row in batch]
        student = completion_logits(
            base, batch, [r.contexts[Speaker.STUDENT] for r in batch], texts
        )
        model.eval()
        with torch.no_grad(), model.disable_adapter():
            perception = completion_logits(
                base, batch, [r.contexts[Speaker.PERCEPTION] for r in batch], texts
            )
            reasoning = completion_logits(base, batch, [r.release_reasoning for r in batch], tails)
            reference = completion_logits(
                base, batch, [r.contexts[Speaker.REFERENCE] for r in batch], texts
            )
        model.train()
        sums: dict[Segment, list[Tensor]] = {segment: [] for segment in Segment}
        for i, row in enumerate(batch):
            own, seen, reasoned = len(row.sampled), row.spans.description, row.spans.reasoning
            whole = slice(0, own)
            if not row.spans.is_valid:
                kl = token_kl(student[i, whole], reference[i, whole], is_reverse=True, clip=clip)
                sums[Segment.FALLBACK].append(kl)
                continue
            kl = token_kl(student[i, seen], perception[i, seen], is_reverse=False, clip=clip)
            sums[Segment.PERCEPTION].append(kl)
            length = reasoned.stop - reasoned.start
            kl = token_kl(student[i, reasoned], reasoning[i, :length], is_reverse=False, clip=clip)
            sums[Segment.REASONING].append(kl)
        yield {
            s: (torch.cat(kls).sum(), sum(map(len, kls))) for s, kls in sums.items() if kls
        }  # fmt: skip
