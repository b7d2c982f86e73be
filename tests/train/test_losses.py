"""The fused KL against naive oracles, in closed form and at the edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vigos_train.losses import Divergence, TokenKl, fused_kl

CASES = [
    pytest.param(Divergence(direction=d, clip_mode=m, clip=c, temperature=t), id=f"{d}-{m}-{t}")
    for d in ("forward", "reverse")
    for m, c in (("token", 0.05), ("vocab", 0.002), ("none", 0.05))
    for t in (1.0, 0.7, 2.0)
]


def naive(student: Tensor, teacher: Tensor, weight: Tensor, form: Divergence) -> Tensor:
    """The loss by definition, [tokens, vocabulary] and autograd: the oracle."""
    log_q = torch.log_softmax(student @ weight.T / form.temperature, -1)
    with torch.no_grad():
        log_p = torch.log_softmax(teacher @ weight.T / form.temperature, -1)
    if form.direction == "reverse":
        terms = log_q.exp() * (log_q - log_p)
    else:
        terms = log_p.exp() * (log_p - log_q)
    if form.clip_mode == "vocab":
        return terms.clamp(max=form.clip).sum(-1)
    kl = terms.sum(-1)
    return kl.clamp(max=form.clip) if form.clip_mode == "token" else kl


def states(
    tokens: int = 37, vocabulary: int = 501, hidden: int = 32, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    """Student, teacher and weight whose KLs lie on both sides of the clip."""
    generator = torch.Generator().manual_seed(5)
    student = torch.randn(tokens, hidden, generator=generator)
    spread = torch.linspace(0.01, 0.6, tokens)[:, None]
    teacher = student + spread * torch.randn(tokens, hidden, generator=generator)
    weight = torch.randn(vocabulary, hidden, generator=generator) * 0.4
    return tuple(each.to(dtype) for each in (student, teacher, weight))  # type: ignore[return-value]


def run(student: Tensor, *rest: object, **options: int) -> tuple[TokenKl, Tensor]:
    leaf = student.clone().requires_grad_()
    result = fused_kl(leaf, *rest, **options)  # type: ignore[arg-type]
    upstream = torch.linspace(0.5, 1.5, len(leaf))
    (result.loss * upstream).sum().backward()
    assert leaf.grad is not None
    return result, leaf.grad


@pytest.mark.parametrize("form", CASES)
@pytest.mark.parametrize("chunk", [1, 8, 512])
def test_fused_equals_naive_in_loss_and_gradient(form: Divergence, chunk: int) -> None:
    student, teacher, weight = states()
    result, gradient = run(student, teacher, weight, form, chunk=chunk)
    leaf = student.clone().requires_grad_()
    expected = naive(leaf, teacher, weight, form)
    (expected * torch.linspace(0.5, 1.5, len(leaf))).sum().backward()
    assert leaf.grad is not None
    torch.testing.assert_close(result.loss, expected.detach(), atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient, leaf.grad, atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", CASES)
def test_bf16_inputs_meet_an_fp32_oracle_on_the_same_values(form: Divergence) -> None:
    student, teacher, weight = states(dtype=torch.bfloat16)
    result, gradient = run(student, teacher, weight, form, chunk=16)
    leaf = student.float().requires_grad_()
    expected = naive(leaf, teacher.float(), weight.float(), form)
    (expected * torch.linspace(0.5, 1.5, len(leaf))).sum().backward()
    assert result.loss.dtype == torch.float32 and gradient.dtype == torch.bfloat16
    assert leaf.grad is not None
    torch.testing.assert_close(result.loss, expected.detach(), atol=1e-5, rtol=0)
    # Half a unit in the last of bf16's 8 bits; away from the clip's edge, where it may flip.
    kl = naive(
        leaf,
        teacher.float(),
        weight.float(),
        Divergence(direction=form.direction, clip_mode="none", temperature=form.temperature),
    )
    clear = (kl - form.clip).abs() > 1e-4
    torch.testing.assert_close(gradient[clear].float(), leaf.grad[clear], atol=1e-6, rtol=2**-8)


def test_a_wide_vocabulary_goes_through_the_tiles_of_a_bf16_head() -> None:
    student, teacher, weight = states(tokens=5, vocabulary=40_000, dtype=torch.bfloat16)
    result, gradient = run(student, teacher, weight, Divergence(clip_mode="none"), chunk=2)
    leaf = student.float().requires_grad_()
    expected = naive(leaf, teacher.float(), weight.float(), Divergence(clip_mode="none"))
    (expected * torch.linspace(0.5, 1.5, 5)).sum().backward()
    assert leaf.grad is not None
    torch.testing.assert_close(result.loss, expected.detach(), atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient.float(), leaf.grad, atol=1e-6, rtol=2**-8)


def test_autocast_does_not_round_the_logits() -> None:
    student, teacher, weight = states()
    plain = fused_kl(student, teacher, weight, Divergence(clip_mode="none")).kl
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = fused_kl(student, teacher, weight, Divergence(clip_mode="none")).kl
    assert torch.equal(plain, cast)


def test_the_gradient_is_exactly_zero_above_the_token_clip_and_only_there() -> None:
    student, teacher, weight = states()
    result, gradient = run(student, teacher, weight, Divergence(clip=0.05))
    above = result.kl > 0.05
    assert 5 < above.sum() < len(above) - 5
    assert torch.equal(result.clipped, above)
    assert (gradient[above] == 0).all()
    assert (gradient[~above].abs().sum(-1) > 0).all()
    assert (result.loss[above] == 0.05).all()


def test_a_token_above_its_clip_is_not_projected_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from vigos_train import losses

    plain, rows = losses._project_back, []

    def counted(gradient: Tensor, weight: Tensor, out: Tensor) -> None:
        rows.append(len(gradient))
        plain(gradient, weight, out)

    monkeypatch.setattr(losses, "_project_back", counted)
    student, teacher, weight = states()
    result, gradient = run(student, teacher, weight, Divergence(clip=0.05), chunk=8)
    assert 0 < sum(rows) == int((~result.clipped).sum()) < len(student)
    assert (gradient.abs().sum(-1) == 0).equal(result.clipped)
    rows.clear()
    run(student, teacher, weight, Divergence(clip=0.002, clip_mode="vocab"), chunk=8)
    assert sum(rows) == len(student)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_the_vocabulary_clip_keeps_a_gradient_where_the_token_clip_has_none(direction: str) -> None:
    student, teacher, weight = states()
    form = Divergence(direction=direction, clip=0.002, clip_mode="vocab")  # type: ignore[arg-type]
    result, gradient = run(student, teacher, weight, form)
    assert result.clipped.any() and (result.loss[result.clipped] < result.kl[result.clipped]).all()
    assert (gradient[result.clipped].abs().sum(-1) > 0).all()


def test_each_token_can_have_its_own_limit() -> None:
    student, teacher, weight = states()
    limits = torch.full((len(student),), 0.05)
    limits[-1] = 0.2
    result = fused_kl(student, teacher, weight, Divergence(clip=0.05), limits=limits)
    assert result.kl[-1] > 0.2
    assert result.loss[-1].item() == pytest.approx(0.2)
    assert result.loss[:-1].max() <= 0.05


def test_zero_tokens_give_a_connected_zero() -> None:
    _, _, weight = states()
    leaf = torch.randn(4, 32, requires_grad=True)
    result = fused_kl(leaf[:0], torch.zeros(0, 32), weight, Divergence())
    loss = result.loss.sum()
    assert loss.item() == 0.0 and loss.requires_grad
    loss.backward()
    assert leaf.grad is not None and (leaf.grad == 0).all()


def test_kl_by_hand() -> None:
    """Teacher (3/4, 1/4) against student (1/2, 1/2): KL = 3/4 ln 3/2 + 1/4 ln 1/2."""
    weight = torch.eye(2)
    teacher, student = torch.tensor([[math.log(3.0), 0.0]]), torch.zeros(1, 2)
    forward = fused_kl(student, teacher, weight, Divergence(clip_mode="none")).loss
    assert forward.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    reverse = fused_kl(
        student, teacher, weight, Divergence(direction="reverse", clip_mode="none")
    ).loss
    assert reverse.item() == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(2.0))


def test_no_gradient_reaches_the_teacher_or_the_head() -> None:
    student, teacher, weight = states()
    teacher.requires_grad_()
    student.requires_grad_()
    fused_kl(student, teacher, weight, Divergence()).loss.sum().backward()
    assert teacher.grad is None and weight.grad is None
    with pytest.raises(ValueError, match="frozen"):
        fused_kl(student, teacher, weight.requires_grad_(), Divergence())


def test_shapes_that_do_not_line_up_are_refused() -> None:
    student, teacher, weight = states()
    with pytest.raises(ValueError, match="student"):
        fused_kl(student, teacher[:-1], weight, Divergence())
    with pytest.raises(ValueError, match="weight"):
        fused_kl(student, teacher, weight.T, Divergence())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("form", CASES)
def test_a_card_accumulates_bf16_projections_in_fp32(form: Divergence) -> None:
    student, teacher, weight = (
        each.cuda() for each in states(vocabulary=40_000, dtype=torch.bfloat16)
    )
    leaf = student.clone().requires_grad_()
    result = fused_kl(leaf, teacher, weight, form, chunk=16)
    result.loss.sum().backward()
    own = student.float().requires_grad_()
    expected = naive(own, teacher.float(), weight.float(), form)
    expected.sum().backward()
    assert leaf.grad is not None and own.grad is not None
    torch.testing.assert_close(result.loss, expected.detach(), atol=1e-5, rtol=0)
    # The gradient's matrix product takes bf16 inputs, its sum is float32.
    clear = (result.kl - form.clip).abs() > 1e-4
    error = (leaf.grad[clear].float() - own.grad[clear]).norm() / own.grad[clear].norm()
    assert error < 2**-8
