"""Random networks and rollouts for bench/train_step.py: real shapes, random weights, no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from vigos_train.contexts import Speaker
from vigos_train.encoding import ImageInputs
from vigos_train.method_config import LORA_TARGETS
from vigos_train.spans import Spans

IMAGE, VIDEO, VISION_START, VISION_END = 151655, 151656, 151652, 151653
VOCABULARY = 151936


@dataclass(frozen=True)
class Shapes:
    """One network and one optimizer step.

    Attributes:
        hidden: Width of the language model.
        layers: Its depth.
        inner: Width of its MLP.
        heads: Attention heads, two of them key-value heads.
        vision: Width, depth, MLP width and heads of the vision tower.
        rank: LoRA rank.
        rows: Rollouts per step.
        described: Tokens of the description.
        reasoned: Tokens of the reasoning, answer included.
        image: Image tokens per side (a square image of side x side tokens).
        dtype: Of the base weights.
        vocabulary: Token ids.
    """

    hidden: int
    layers: int
    inner: int
    heads: int
    vision: tuple[int, int, int, int]
    rank: int
    rows: int
    described: int
    reasoned: int
    image: int
    dtype: torch.dtype
    vocabulary: int = VOCABULARY


# A CPU finishes it in minutes; the vocabulary is the real one, the image 224 x 224 pixels.
CPU = Shapes(512, 4, 1408, 8, (256, 2, 512, 4), 16, 5, 100, 200, 8, torch.float32)
# For trying the bench itself.
TINY = Shapes(128, 2, 256, 4, (64, 2, 128, 2), 4, 5, 12, 20, 4, torch.float32)
# Qwen2.5-VL-3B-Instruct's config.json; an image of 896 x 896 pixels.
GPU_3B = Shapes(2048, 36, 11008, 16, (1280, 32, 3420, 16), 64, 10, 350, 650, 32, torch.bfloat16)


@dataclass(frozen=True)
class Rollout:
    """One row before routing: what every context says and what the student wrote."""

    contexts: dict[Speaker, list[int]]
    release_reasoning: list[int]
    sampled: list[int]
    spans: Spans
    images: ImageInputs


def adapted_network(shapes: Shapes, device: str) -> Any:
    """A PeftModel over a random Qwen2.5-VL; the adapter is random too, so that KLs are not zero."""
    width, depth, inner, heads = shapes.vision
    section = shapes.hidden // shapes.heads // 2
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": shapes.vocabulary,
            "hidden_size": shapes.hidden,
            "intermediate_size": shapes.inner,
            "num_hidden_layers": shapes.layers,
            "num_attention_heads": shapes.heads,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32768,
            "tie_word_embeddings": True,
            "pad_token_id": 0,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                # Qwen's 16, 24, 24 of 64, in proportion.
                "mrope_section": [section // 4, section * 3 // 8, section * 3 // 8],
            },
        },
        vision_config={
            "depth": depth,
            "hidden_size": width,
            "intermediate_size": inner,
            "num_heads": heads,
            "out_hidden_size": shapes.hidden,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": list(range(depth // 4 - 1, depth, max(1, depth // 4))),
            "tokens_per_second": 2,
        },
        image_token_id=IMAGE,
        video_token_id=VIDEO,
        vision_start_token_id=VISION_START,
        vision_end_token_id=VISION_END,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(shapes.dtype)
    with torch.device(device):
        base = Qwen2_5_VLForConditionalGeneration(config)
    torch.set_default_dtype(before)
    targets = rf".*language_model\..*({'|'.join(LORA_TARGETS)})"
    model = get_peft_model(
        base, LoraConfig(r=shapes.rank, lora_alpha=2 * shapes.rank, target_modules=targets)
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=2e-3)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.train()


def rollouts(shapes: Shapes) -> list[Rollout]:
    """Fixed rollouts of unequal length, every fifth malformed: 80 % valid.

    Lengths of the texts are those of the real contexts with a short problem, counted with
    Qwen2.5's tokenizer by hand: about 270 tokens for the student, 200 for R, 230 for F.
    """
    generator = torch.Generator().manual_seed(1)

    def text(length: int) -> list[int]:
        return torch.randint(1000, 50_000, (length,), generator=generator).tolist()

    side = 2 * shapes.image
    made = []
    for i in range(shapes.rows):
        scale = 0.6 + 0.8 * i / max(1, shapes.rows - 1)
        described, reasoned = int(shapes.described * scale), int(shapes.reasoned * scale)
        gap = 8
        sampled = text(described + gap + reasoned + 1)
        where = Spans(slice(0, described), slice(described + gap, described + gap + reasoned))
        if i % 5 == 4:
            where = Spans(missing="</think>")
        seen = [*text(15), VISION_START, *[IMAGE] * shapes.image**2, VISION_END]
        images = ImageInputs(
            torch.randn(side * side, 1176, generator=generator),
            torch.tensor([[1, side, side]]),
        )
        asked = text(190)
        made.append(
            Rollout(
                {
                    Speaker.STUDENT: seen + text(270),
                    Speaker.PERCEPTION: seen + text(5),
                    Speaker.REASONING: [*seen, *asked, *text(8)],
                    Speaker.REFERENCE: seen + text(230),
                },
                [*seen, *asked, *text(7)],
                sampled,
                where,
                images,
            )
        )
    return made
