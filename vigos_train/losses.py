r"""Per-token KL between two distributions over the vocabulary, from hidden states. No model here.

The [tokens, vocabulary] logits are never formed: a chunk of tokens is projected, its KL and its
gradient are taken, and the buffers serve the next chunk. lm_head is frozen under LoRA, so no
weight gradient exists, and the gradient with respect to the student's hidden states is ready in
the forward pass (as in Liger's fused losses); backward only scales it. Logits are accumulated
and kept in float32 whatever the inputs are: rounded to bfloat16 they put 1e-3 to 4e-3 nats of
error on a token whose clip is 0.05.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Direction = Literal["forward", "reverse"]
ClipMode = Literal["token", "vocab", "none"]

# Rows taken through softmax, KL and gradient at a time on a CPU: 8 x 152k float32 stay in cache.
_CPU_ROWS = 8
# Vocabulary rows of a 16-bit lm_head widened at a time where the device cannot accumulate wider.
_WEIGHT_ROWS = 16384


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Which KL, and where it is cut.

    Attributes:
        direction: ``forward`` is KL(teacher || student), ``reverse`` KL(student || teacher).
        clip: Nats. ``clip_mode: token``: limit of one token's KL, after the vocabulary sum; above
            it the token has no gradient. ``vocab``: limit of one vocabulary entry's term before
            the sum, as OPSD does; the rest of the token keeps its gradient.
        clip_mode: ``token``, ``vocab`` or ``none``.
        temperature: Divides both logits; the KL is not rescaled by its square.
    """

    direction: Direction = "forward"
    clip: float = 0.05
    clip_mode: ClipMode = "token"
    temperature: float = 1.0


class TokenKl(NamedTuple):
    """The KL of each token.

    Attributes:
        loss: Clipped, nats, float32 (tokens,); gradient flows to the student's hidden states.
        kl: Not clipped, nats, float32 (tokens,), detached.
        clipped: The clip took something away, bool (tokens,).
    """

    loss: Tensor
    kl: Tensor
    clipped: Tensor


def fused_kl(
    student_hidden: Tensor,
    teacher_hidden: Tensor,
    weight: Tensor,
    divergence: Divergence,
    *,
    chunk: int = 256,
    limits: Tensor | None = None,
) -> TokenKl:
    """The KL of each token between softmax(student W') and softmax(teacher W').

    Memory beyond the inputs is one float32 (tokens, hidden) for the gradient and two float32
    (chunk, vocabulary) buffers on a CPU, about five on a GPU.

    Args:
        student_hidden: (tokens, hidden), any float dtype.
        teacher_hidden: (tokens, hidden); no gradient flows into it.
        weight: lm_head's (vocabulary, hidden), frozen, shared by both.
        divergence: Which KL, clip and temperature.
        chunk: Tokens projected at a time; changes memory and speed, not the result.
        limits: ``clip_mode: token`` only: each token's own limit in nats (tokens,), in place of
            `divergence.clip`.

    Returns:
        Float32 whatever the inputs; without tokens a loss of shape (0,) still attached to the
        graph, so that its sum is a connected zero.

    Raises:
        ValueError: The shapes do not line up, or lm_head is trained.
    """
    tokens, width = student_hidden.shape
    if teacher_hidden.shape != (tokens, width) or weight.shape[1] != width:
        raise ValueError(
            f"student {tuple(student_hidden.shape)}, teacher {tuple(teacher_hidden.shape)} and "
            f"weight {tuple(weight.shape)} must be (tokens, hidden) twice and (vocabulary, hidden)"
        )
    if weight.requires_grad:
        raise ValueError("lm_head requires a gradient; the fused KL takes it as frozen")
    if limits is None:
        limits = torch.full((tokens,), divergence.clip, device=student_hidden.device)
    made = _FusedKl.apply(  # type: ignore[no-untyped-call]
        student_hidden, teacher_hidden.detach(), weight, limits, divergence, max(1, chunk)
    )
    return TokenKl(*made)


class _FusedKl(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        student: Tensor,
        teacher: Tensor,
        weight: Tensor,
        limits: Tensor,
        divergence: Divergence,
        chunk: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        tokens, vocabulary = student.shape[0], weight.shape[0]
        wide = torch.float64 if student.dtype == torch.float64 else torch.float32
        loss, kl = (student.new_empty(tokens, dtype=wide) for _ in range(2))
        clipped = student.new_empty(tokens, dtype=torch.bool)
        gradient = None
        if ctx.needs_input_grad[0]:
            gradient = student.new_empty(student.shape, dtype=wide)
        size = (min(chunk, tokens), vocabulary)
        ours, theirs = (student.new_empty(size, dtype=wide) for _ in range(2))
        for start in range(0, tokens, chunk):
            part = slice(start, min(start + chunk, tokens))
            zs, zt = ours[: part.stop - start], theirs[: part.stop - start]
            _project(student[part], weight, zs)
            _project(teacher[part], weight, zt)
            for rows in _row_blocks(part, zs.device.type):
                here = slice(rows.start - start, rows.stop - start)
                loss[rows], kl[rows], clipped[rows] = _row_kl(
                    zs[here], zt[here], limits[rows], divergence, gradient is not None
                )
            if gradient is None:
                continue
            if divergence.clip_mode == "token":
                _project_back_unclipped(zs, clipped[part], weight, gradient[part], spare=zt)
            else:
                _project_back(zs, weight, gradient[part])
        ctx.save_for_backward(gradient)
        ctx.dtype = student.dtype
        ctx.mark_non_differentiable(kl, clipped)
        return loss, kl, clipped

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        scaled = gradient * upstream[0].unsqueeze(-1)
        return scaled.to(ctx.dtype), None, None, None, None, None


def _row_blocks(part: slice, device: str) -> list[slice]:
    step = _CPU_ROWS if device == "cpu" else part.stop - part.start
    return [slice(i, min(i + step, part.stop)) for i in range(part.start, part.stop, step)]


def _row_kl(
    zs: Tensor, zt: Tensor, limits: Tensor, divergence: Divergence, with_gradient: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Clipped loss, KL and whether the clip took something, of whole rows of logits.

    Args:
        zs: Student logits (rows, vocabulary); overwritten by d loss / d zs when `with_gradient`.
        zt: Teacher logits (rows, vocabulary); overwritten.
        limits: Token clip of each row, nats (rows,).
        divergence: Which KL.
        with_gradient: Leave the gradient in `zs`, for a token above its clip that of the KL
            itself: `_project_back_unclipped` leaves such rows out.
    """
    is_reverse = divergence.direction == "reverse"
    scale = 1.0 / divergence.temperature
    log_q = torch.log_softmax(zs * scale if scale != 1.0 else zs, -1)
    log_p = torch.log_softmax(zt * scale if scale != 1.0 else zt, -1)
    if is_reverse:
        gap = torch.sub(log_q, log_p, out=zt)  # log q - log p
        source = log_q.exp_()  # q, the student
    else:
        source = torch.exp(log_p, out=zt)  # p, the teacher
        gap = log_p.sub_(log_q)
    terms = torch.mul(source, gap, out=zs)
    kl = terms.sum(-1)
    if divergence.clip_mode == "vocab":
        over = terms > divergence.clip
        loss, clipped = terms.clamp_(max=divergence.clip).sum(-1), over.any(-1)
        if with_gradient and is_reverse:
            # d/dz_j of sum over kept v of q_v r_v = q_j ((r_j + 1)[kept] - sum_kept q (r + 1))
            inner = gap.add_(1.0).masked_fill_(over, 0.0)
            torch.mul(source, inner - (source * inner).sum(-1, keepdim=True), out=zs)
        elif with_gradient:
            # d/dz_j of sum over kept v of p_v (log p_v - log q_v) = q_j sum_kept p - p_j [kept]
            kept = source.masked_fill_(over, 0.0)
            torch.mul(log_q.exp_(), kept.sum(-1, keepdim=True), out=zs).sub_(kept)
    else:
        clipped = kl > limits if divergence.clip_mode == "token" else torch.zeros_like(kl).bool()
        loss = torch.where(clipped, limits.to(kl.dtype), kl)
        if with_gradient:
            if is_reverse:
                torch.mul(source, gap.sub_(kl.unsqueeze(-1)), out=zs)
            else:
                torch.sub(log_q.exp_(), source, out=zs)
    if with_gradient and scale != 1.0:
        zs.mul_(scale)
    return loss, kl, clipped


def _accumulates_wide(hidden: Tensor, weight: Tensor) -> bool:
    """The device multiplies these 16-bit inputs into a float32 result without rounding logits."""
    same = hidden.dtype == weight.dtype
    return same and hidden.is_cuda and hidden.dtype in (torch.bfloat16, torch.float16)


def _project(hidden: Tensor, weight: Tensor, out: Tensor) -> None:
    """Write hidden @ weight.T into `out` (float32, or float64), accumulated there.

    Only with `out=`: autocast would round any other form of the product to 16 bits.
    """
    if _accumulates_wide(hidden, weight):
        torch.mm(hidden, weight.t(), out_dtype=out.dtype, out=out)
        return
    wide = hidden.to(out.dtype)
    for rows, tile in _wide_tiles(weight, out.dtype):
        torch.mm(wide, tile.t(), out=out[:, rows])


def _project_back_unclipped(
    zs: Tensor, clipped: Tensor, weight: Tensor, out: Tensor, *, spare: Tensor
) -> None:
    """`_project_back` where a token above its clip has no gradient: a third of its work is saved."""
    kept = torch.nonzero(~clipped).squeeze(1)
    if len(kept) == len(zs):
        _project_back(zs, weight, out)
        return
    out.zero_()
    if len(kept):
        rows = torch.index_select(zs, 0, kept, out=spare[: len(kept)])
        made = out.new_empty(len(kept), out.shape[1])
        _project_back(rows, weight, made)
        out[kept] = made


def _project_back(gradient: Tensor, weight: Tensor, out: Tensor) -> None:
    """Write gradient @ weight into `out`, accumulated there."""
    if weight.is_cuda and weight.dtype in (torch.bfloat16, torch.float16):
        torch.mm(gradient.to(weight.dtype), weight, out_dtype=out.dtype, out=out)
        return
    for i, (rows, tile) in enumerate(_wide_tiles(weight, out.dtype)):
        torch.addmm(out, gradient[:, rows], tile, beta=float(i > 0), out=out)


def _wide_tiles(weight: Tensor, dtype: torch.dtype) -> list[tuple[slice, Tensor]] | Any:
    """The weight in the accumulation's dtype: whole when it has it, else tile by tile."""
    if weight.dtype == dtype:
        return [(slice(0, weight.shape[0]), weight)]
    starts = range(0, weight.shape[0], _WEIGHT_ROWS)
    tiles = (slice(i, min(i + _WEIGHT_ROWS, weight.shape[0])) for i in starts)
    return ((rows, weight[rows].to(dtype)) for rows in tiles)
