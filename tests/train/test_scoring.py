"""Scoring against the model's own forward: same positions, same logits, same loss, any split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vigos_eval.protocol import load_protocol
from vigos_eval.types import EncodedImage
from vigos_train.contexts import Context, Question, Speaker, context
from vigos_train.encoding import NO_IMAGES, as_prompt, context_ids, image_inputs
from vigos_train.features import rope_positions, sequences
from vigos_train.method_config import LossConfig
from vigos_train.routing import Method, Route, Segment, route, scored_tokens, speakers_needed
from vigos_train.scoring import ScoredPart, ScoringRow, objective, score
from vigos_train.spans import spans, token_pieces

PROMPT = load_protocol("release").prompt
NO_CLIP = LossConfig(clip_mode="none", chunk=7)
VALID = "a red square</description> <think>The square is red.</think> \\boxed{red}<|im_end|>"
SHORT = "cats</description><think>1 + 1</think>\\boxed{2}.<|im_end|>"
MALFORMED = "I see a thing and \\boxed{nothing}<|im_end|>"


def picture(seed: int, width: int = 84, height: int = 56) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def row(
    processor: Any,
    text: str,
    images: Sequence[Image.Image],
    *,
    method: Method = "vigos",
    prefix: str = "student",
    all_speak_as: Speaker | None = None,
) -> ScoringRow:
    """A scoring row for a written rollout; `all_speak_as` gives every teacher that context."""
    sampled = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    where = spans(sampled, token_pieces(processor.tokenizer))
    shown = image_inputs(processor, images)
    ask = Question("What is it?", "red", len(images))
    ids = {}
    for speaker in speakers_needed(method, where):
        made = context(
            all_speak_as or speaker, ask, prompt=PROMPT, reasoning_prefix=prefix,
            think_bytes=where.think_bytes,
        )  # fmt: skip
        ids[speaker] = context_ids(processor, prompt_of(made, len(images)), shown.grids)
    made_route = route(ids, sampled, where, method=method, reasoning_prefix=prefix)
    return ScoringRow(made_route, shown)


def prompt_of(made: Context, images: int) -> Any:
    return as_prompt(made, tuple(EncodedImage(b"", str(i)) for i in range(images)), "k")


def mixed_rows(processor: Any, **options: Any) -> list[ScoringRow]:
    """Valid and malformed, of different lengths, image sizes and image counts."""
    return [
        row(processor, VALID, [picture(1)], **options),
        row(processor, MALFORMED, [picture(2, 140, 112)], **options),
        row(processor, SHORT, [picture(3), picture(4, 56, 112)], **options),
        row(processor, VALID + SHORT, [picture(5, 112, 28)], **options),
    ]


def totals(parts: Sequence[ScoredPart]) -> tuple[dict[Segment, float], dict[Segment, int]]:
    sums = {s: sum(p.sums[s].item() for p in parts) for s in Segment}
    return sums, {s: sum(p.tokens[s] for p in parts) for s in Segment}


def own_logits(base: Any, ids: Sequence[int], images: Any) -> Tensor:
    """The model's own forward over one sequence, images included: (tokens, vocabulary)."""
    tokens = torch.tensor([ids])
    types = (tokens == base.config.image_token_id).int()
    return base(
        input_ids=tokens,
        pixel_values=images.pixels,
        image_grid_thw=images.grids,
        mm_token_type_ids=types,
    ).logits[0]


def naive_sums(model: Any, rows: Sequence[ScoringRow], config: LossConfig) -> dict[Segment, Tensor]:
    """The method section read aloud: full forwards, full logits, one row and context at a time."""
    base = model.get_base_model()
    sums: dict[Segment, Tensor] = {s: torch.zeros(()) for s in Segment}
    for each in rows:
        path = each.route
        log_q = own_logits(base, path.prompt + path.sampled, each.images).log_softmax(-1)
        for target in path.targets:
            with torch.no_grad(), model.disable_adapter():
                log_p = own_logits(base, target.ids, each.images).log_softmax(-1)
            for step, token in enumerate(range(target.tokens.start, target.tokens.stop)):
                q = log_q[len(path.prompt) + token - 1]
                p = log_p[len(target.ids) - target.count + step - 1]
                if target.segment is Segment.FALLBACK:
                    kl = (q.exp() * (q - p)).sum()
                else:
                    kl = (p.exp() * (p - q)).sum()
                clip = config.clip if config.clip_mode == "token" else float("inf")
                sums[target.segment] = sums[target.segment] + kl.clamp(max=clip)
    return sums


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("speaker", list(Speaker))
def test_ids_and_pixels_equal_the_processor_s_own(
    processor: Any, speaker: Speaker, count: int
) -> None:
    images = [picture(1), picture(2, 140, 112)][:count]
    made = context(speaker, Question("What is it?", "red", count), prompt=PROMPT)
    shown = image_inputs(processor, images)
    ids = context_ids(processor, prompt_of(made, count), shown.grids)
    talk = [{"role": "user", "content": [
        {"type": "image"} if i < count else {"type": "text", "text": part.text}  # type: ignore[union-attr]
        for i, part in enumerate(made.messages[0].parts)]}]  # fmt: skip
    text = processor.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
    own = processor(text=[text + made.prefill], images=images, return_tensors="pt")
    assert list(ids) == own["input_ids"][0].tolist()
    assert torch.equal(shown.pixels, own["pixel_values"])
    assert torch.equal(shown.grids, own["image_grid_thw"])


def test_rope_positions_equal_the_model_s_own(processor: Any, adapted: Callable[..., Any]) -> None:
    rows = mixed_rows(processor)
    base = adapted().get_base_model()
    taken: list[Tensor] = []
    base.model.language_model.register_forward_pre_hook(
        lambda _module, _args, kwargs: taken.append(kwargs["position_ids"]), with_kwargs=True
    )
    batch = sequences(
        [r.route.prompt + r.route.sampled for r in rows],
        [r.images for r in rows],
        image_token_id=base.config.image_token_id,
        merge_size=2,
        device="cpu",
    )
    ours = rope_positions(base.model, batch)
    for i, each in enumerate(rows):
        own_logits(base, each.route.prompt + each.route.sampled, each.images)
        assert torch.equal(ours[:, i, : batch.lengths[i]], taken[-1][:, 0])
    image = ours[:, 0][:, batch.token_types[0] == 1]  # type: ignore[index]
    assert not torch.equal(image[1], image[2]), "height and width positions must differ"


def test_missing_token_types_are_an_error_and_not_text_positions(
    processor: Any, adapted: Callable[..., Any]
) -> None:
    one = row(processor, VALID, [picture(1)])
    network = adapted().get_base_model().model
    batch = sequences([one.route.prompt], [one.images], image_token_id=network.config.image_token_id,
                      merge_size=2, device="cpu")  # fmt: skip
    with pytest.raises(ValueError, match="mm_token_type_ids"):
        rope_positions(network, replace(batch, token_types=None))


def test_a_sampled_placeholder_is_text_and_not_an_image(
    processor: Any, adapted: Callable[..., Any]
) -> None:
    model = adapted(spread=0.1)
    odd = row(processor, "<|image_pad|> is a thing", [picture(1)])
    sums, tokens = totals(list(score(model, [odd], NO_CLIP)))
    assert tokens[Segment.FALLBACK] == len(odd.route.sampled)
    assert sums[Segment.FALLBACK] > 0
    with pytest.raises(ValueError, match="placeholders"):
        sequences([[1, 2]], [odd.images], image_token_id=model.config.image_token_id, merge_size=2,
                  device="cpu")  # fmt: skip


@pytest.mark.parametrize("prefix", ["student", "none"])
@pytest.mark.parametrize("method", ["vigos", "opsd"])
@pytest.mark.parametrize("config", [NO_CLIP, LossConfig(clip=3.255, boundary_clip=None)],
                         ids=["none", "token"])  # fmt: skip
def test_sums_and_gradients_equal_the_method_read_aloud(
    processor: Any, adapted: Callable[..., Any], method: Method, prefix: str, config: LossConfig
) -> None:
    model = adapted(spread=0.1)
    rows = mixed_rows(processor, method=method, prefix=prefix)
    counts = scored_tokens(each.route for each in rows)
    gradients = []
    losses = []
    for way in ("naive", "ours"):
        model.zero_grad()
        if way == "naive":
            sums: Mapping[Segment, Tensor] = naive_sums(model, rows, config)
            objective(sums, counts, config).backward()
            losses.append({s: v.item() for s, v in sums.items()})
        else:
            parts = []
            for part in score(model, rows, config, token_budget=700):
                objective(part.sums, counts, config).backward()
                parts.append(part)
            losses.append(totals(parts)[0])
            assert totals(parts)[1] == counts
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for segment in Segment:
        assert losses[1][segment] == pytest.approx(losses[0][segment], rel=1e-5, abs=1e-5)
    assert losses[0][Segment.REFERENCE if method == "opsd" else Segment.PERCEPTION] > 0.1
    assert len(gradients[0]) == len(gradients[1]) > 0
    for naive, ours in zip(*gradients, strict=True):
        assert naive.norm() > 0 and (ours - naive).norm() < 1e-5 * naive.norm()


@pytest.mark.parametrize("method", ["vigos", "opsd"])
def test_the_same_context_and_no_adapter_agree_at_every_position(
    processor: Any, adapted: Callable[..., Any], method: Method
) -> None:
    """Through images, padding, grouping and cutting: what differs is the context, nothing else."""
    model = adapted().train()
    rows = mixed_rows(processor, method=method, all_speak_as=Speaker.STUDENT)
    for budget in (1, 600, 100_000):
        parts = list(score(model, rows, NO_CLIP, token_budget=budget))
        kls = torch.cat([each.kl for part in parts for each in part.kls])
        assert len(kls) == sum(scored_tokens(each.route for each in rows).values())
        assert kls.abs().max() < 1e-6


def test_one_changed_pixel_changes_the_perception_kl(
    processor: Any, adapted: Callable[..., Any]
) -> None:
    model = adapted()
    image = picture(1)
    changed = image.copy()
    changed.putpixel((40, 30), tuple(255 - v for v in image.getpixel((40, 30))))
    kls = []
    for shown in (image, image, changed):
        (part,) = score(model, [row(processor, VALID, [shown])], NO_CLIP)
        kls.append(next(k.kl for k in part.kls if k.segment is Segment.PERCEPTION))
    assert torch.equal(kls[0], kls[1])
    assert (kls[0] - kls[2]).abs().max() > 1e-6


def test_a_malformed_row_adds_nothing_to_p_and_r_and_a_valid_row_nothing_to_f(
    processor: Any, adapted: Callable[..., Any]
) -> None:
    model = adapted(spread=0.1)
    valid = row(processor, VALID, [picture(1)])
    malformed = row(processor, MALFORMED, [picture(2)])
    alone = totals(list(score(model, [valid], NO_CLIP)))
    assert alone[1][Segment.FALLBACK] == 0 and alone[0][Segment.FALLBACK] == 0.0
    other = totals(list(score(model, [malformed], NO_CLIP)))
    assert other[1][Segment.PERCEPTION] == other[1][Segment.REASONING] == 0
    assert other[0][Segment.PERCEPTION] == other[0][Segment.REASONING] == 0.0
    assert other[1][Segment.FALLBACK] == len(malformed.route.sampled), "end token included"
    (part,) = score(model, [malformed], NO_CLIP)
    assert all(total.requires_grad for total in part.sums.values()), "connected zeros"
    both = totals(list(score(model, [valid, malformed], NO_CLIP)))
    for segment in Segment:
        expected = alone[0][segment] + other[0][segment]
        assert both[0][segment] == pytest.approx(expected, rel=1e-5)


def test_the_tags_the_gap_and_the_tail_are_never_scored(processor: Any) -> None:
    pieces = token_pieces(processor.tokenizer)
    one = row(processor, VALID.replace("<|im_end|>", " and more<|im_end|>"), [picture(1)]).route
    texts = [b"".join(pieces[i] for i in one.sampled[t.tokens]).decode() for t in one.targets]
    assert texts[0] == "a red square"
    assert texts[1] == "The square is red.</think> \\boxed{red}"
    assert one.sampled[-1] == one.targets[1].ids[-1], "cut after the span"


def test_the_reasoning_teacher_reads_the_student_s_description_or_not(processor: Any) -> None:
    pieces = token_pieces(processor.tokenizer)

    def read(prefix: str) -> str:
        ids = row(processor, VALID, [picture(1)], prefix=prefix).route.targets[1].ids
        return b"".join(pieces[i] for i in ids).decode()

    paper, release = read("student"), read("none")
    assert paper.endswith(
        "assistant\n<description>a red square</description> <think>The square is red.</think> "
        "\\boxed{red}"
    )
    assert release.endswith("assistant\n<think>The square is red.</think> \\boxed{red}")
    assert paper.split("assistant\n")[0] == release.split("assistant\n")[0]


def test_a_token_across_think_is_shown_to_the_release_s_teacher_and_not_scored() -> None:
    pieces = (b"a", b"</description>", b"<think", b">The", b" end</think>", b"\\boxed{1}")
    where = spans(range(6), pieces)
    ids = {Speaker.STUDENT: [90], Speaker.PERCEPTION: [91], Speaker.REASONING: [92]}
    target = route(ids, range(6), where, reasoning_prefix="none").targets[1]
    assert target.ids == (92, 3, 4, 5) and target.count == 2


def test_parts_do_not_depend_on_the_token_budget(
    processor: Any, adapted: Callable[..., Any]
) -> None:
    model = adapted(spread=0.1)
    rows = mixed_rows(processor)
    found = []
    for budget in (1, 900, 100_000):
        parts = list(score(model, rows, NO_CLIP, token_budget=budget))
        found.append((len(parts), totals(parts)[0]))
    assert [count for count, _ in found] == [4, 2, 1]
    for _, sums in found[1:]:
        for segment in Segment:
            assert sums[segment] == pytest.approx(found[0][1][segment], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("vision", [False, True], ids=["language-model", "vision-too"])
def test_only_the_adapter_gets_gradients_and_all_of_it(
    processor: Any, adapted: Callable[..., Any], vision: bool
) -> None:
    """With checkpointing as in training: reentrant, the vision adapters would get none."""
    model = adapted(spread=0.1, vision=vision).train()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for part in score(model, mixed_rows(processor), NO_CLIP, token_budget=900):
        torch.stack(list(part.sums.values())).sum().backward()
    for name, parameter in model.named_parameters():
        has = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert has == ("lora_" in name), name
    seen = [n for n, p in model.named_parameters() if p.requires_grad and "visual" in n]
    assert bool(seen) == vision


@pytest.mark.parametrize(("vision", "calls"), [(False, 1), (True, 2)])
def test_a_frozen_vision_tower_runs_once_for_all_contexts(
    processor: Any, adapted: Callable[..., Any], vision: bool, calls: int
) -> None:
    model = adapted(vision=vision)
    seen: list[int] = []
    model.get_base_model().model.visual.register_forward_hook(lambda *_: seen.append(1))
    list(score(model, mixed_rows(processor), NO_CLIP))
    assert len(seen) == calls


def test_the_teacher_is_bit_for_bit_the_base_after_a_hundred_steps_of_dropout(
    processor: Any, adapted: Callable[..., Any]
) -> None:
    from vigos_train import scoring

    model = adapted(dropout=0.2).train()
    rows = [row(processor, SHORT, [picture(3, 56, 56)])]
    base = model.get_base_model()

    def teacher() -> list[Tensor]:
        with scoring._as_teacher(model):
            seen = scoring.image_features(base.model, [rows[0].images], patch_budget=999)
            return [each.teacher for each in scoring._teacher_states(base, rows, seen, 999)]

    before = teacher()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    for _ in range(100):
        for part in score(model, rows, NO_CLIP):
            objective(part.sums, part.tokens, NO_CLIP).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert model.training and all(p.requires_grad for p in trained)
    assert any(p.abs().sum() > 0 for n, p in model.named_parameters() if "lora_B" in n)
    for old, new in zip(before, teacher(), strict=True):
        assert torch.equal(old, new)


def test_no_rows_give_a_zero_that_reaches_every_adapter_weight(
    adapted: Callable[..., Any],
) -> None:
    model = adapted()
    (part,) = score(model, [ScoringRow(Route((1,), (), ()), NO_IMAGES)], NO_CLIP)
    loss = objective(part.sums, part.tokens, NO_CLIP)
    assert loss.item() == 0.0
    loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_a_row_without_images_is_scored_like_any_other(
    processor: Any, adapted: Callable[..., Any]
) -> None:
    model = adapted(spread=0.1)
    rows = [row(processor, VALID, []), row(processor, SHORT, [picture(1)])]
    (part,) = score(model, rows, NO_CLIP)
    lone = [totals(list(score(model, [each], NO_CLIP)))[0] for each in rows]
    for segment in Segment:
        assert part.sums[segment].item() == pytest.approx(
            lone[0][segment] + lone[1][segment], rel=1e-5, abs=1e-6
        )


def test_the_objective_weighs_means_over_the_step_s_own_counts() -> None:
    sums = {s: torch.tensor(v) for s, v in zip(Segment, (6.0, 8.0, 3.0, 0.0), strict=True)}
    counts = {Segment.PERCEPTION: 3, Segment.REASONING: 4, Segment.FALLBACK: 2}
    assert objective(sums, counts, LossConfig()).item() == 1.0 * 2 + 1.0 * 2 + 2.0 * 1.5


def test_the_boundary_clip_holds_at_d_s_last_and_r_s_first_token(
    processor: Any, adapted: Callable[..., Any]
) -> None:
    model = adapted(spread=0.3)
    one = row(processor, VALID, [picture(1)])
    wide = LossConfig(clip=1e6, boundary_clip=1e-9)
    (free,) = score(model, [one], LossConfig(clip=1e6, boundary_clip=None))
    (held,) = score(model, [one], wide)
    for segment, place in ((Segment.PERCEPTION, -1), (Segment.REASONING, 0)):
        kl = next(k.kl for k in free.kls if k.segment is segment)
        lost = float(free.sums[segment] - held.sums[segment])
        assert lost == pytest.approx(float(kl[place]), rel=1e-3)


def test_teachers_run_in_eval_mode_without_gradient_and_the_student_as_it_was(
    processor: Any, adapted: Callable[..., Any]
) -> None:
    model = adapted().train()
    seen: list[tuple[bool, bool]] = []
    layer = model.get_base_model().model.language_model.layers[0]
    layer.register_forward_pre_hook(
        lambda module, _args: seen.append((module.training, torch.is_grad_enabled()))
    )
    list(score(model, [row(processor, VALID, [picture(1)])], NO_CLIP))
    assert seen == [(False, False), (True, True)]
