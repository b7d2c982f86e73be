"""A tiny random checkpoint of a real class, made offline: for the demo, the tests and nothing else.

It loads through the same code as a released checkpoint (config, safetensors, tokenizer,
processor, chat template) and answers noise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigos_eval.errors import CheckpointError, ConfigError
from vigos_eval.protocol import load_protocol, protocol_names

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# ChatML as Qwen's instruct checkpoints write it, images as one placeholder between vision marks.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if loop.first and message.role != 'system' -%}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}"
    "{%- endif -%}"
    "{{ '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string -%}{{ message.content }}"
    "{%- else -%}{%- for part in message.content -%}"
    "{%- if part.type in ('image', 'image_url') -%}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif part.type == 'video' -%}{{ '<|vision_start|><|video_pad|><|vision_end|>' }}"
    "{%- else -%}{{ part.text }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{ '<|im_end|>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
# How Qwen2's tokenizer cuts text before merging: contractions, words, single digits, signs, blanks.
WORD_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
HIDDEN = 128
# vLLM's CPU attention takes head sizes of 32, 64, 80 and up only.
HEAD = 32
# mrope's three sections (time, height, width) must sum to half the head.
MROPE = (4, 6, 6)
CONTEXT = 4096
# Wider than the usual 0.02, so that another image moves the logits visibly.
SPREAD = 0.2


def write_tiny_checkpoint(folder: Path, family: str = "qwen2_5_vl", seed: int = 0) -> int:
    """Write the checkpoint into `folder`; returns its parameter count.

    Args:
        folder: Made when it does not exist; it must be empty or hold an earlier tiny checkpoint.
        family: ``qwen2_5_vl`` or ``qwen3_vl``.
        seed: Seed of the random weights.

    Raises:
        ConfigError: Unknown family.
        CheckpointError: The folder holds something else.
    """
    if family not in FAMILIES:
        raise ConfigError(f"family={family!r} does not exist; use one of {', '.join(FAMILIES)}")
    marker = folder / "TINY"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not marker.exists():
        raise CheckpointError(
            f"{folder} is there already and is no tiny checkpoint; name a new folder"
        )
    import torch
    from transformers import GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = _tokenizer()
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _model(family, len(tokenizer), ids)
    model.generation_config = GenerationConfig(
        do_sample=False,
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]],
        pad_token_id=ids["<|endoftext|>"],
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    _processor(family, tokenizer).save_pretrained(folder)
    marker.write_text(
        f"{family}: random weights, seed {seed}. Its answers are noise.\n", encoding="utf-8"
    )
    return sum(parameter.numel() for parameter in model.parameters())


def _tokenizer() -> Any:
    """A byte-level BPE tokenizer of Qwen2's class, its merges learnt from the shipped prompts."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024 - len(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [load_protocol(name).prompt.replace("{question}", "") for name in protocol_names()]
    bpe.train_from_iterator(texts, trainer)
    learnt = json.loads(bpe.to_str())["model"]
    tokenizer = Qwen2TokenizerFast(
        vocab=learnt["vocab"],
        merges=[tuple(merge) for merge in learnt["merges"]],
        bos_token=None,
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL_TOKENS),
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _model(family: str, vocabulary: int, ids: Mapping[str, int]) -> Any:
    """The randomly initialised model, float32."""
    import torch
    import transformers

    text: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": HIDDEN // HEAD,
        "num_key_value_heads": 2,
        "head_dim": HEAD,
        "max_position_embeddings": CONTEXT,
        "initializer_range": SPREAD,
        "tie_word_embeddings": True,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
    }
    vision: dict[str, Any] = {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 2,
        "out_hidden_size": HIDDEN,
        "in_channels": 3,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "initializer_range": SPREAD,
    }
    marks = {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": True,
    }
    rope = {"mrope_section": list(MROPE), "rope_theta": 1e6}
    if family == "qwen2_5_vl":
        text["rope_parameters"] = {"rope_type": "default", **rope}
        vision |= {"patch_size": 14, "window_size": 112, "fullatt_block_indexes": [1]}
        vision |= {"tokens_per_second": 2, "in_chans": 3}
        config: Any = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **marks)
        model: Any = transformers.Qwen2_5_VLForConditionalGeneration(config)
    else:
        text["rope_parameters"] = {"rope_type": "default", "mrope_interleaved": True, **rope}
        vision |= {"patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **marks)
        model = transformers.Qwen3VLForConditionalGeneration(config)
    return model.to(torch.float32).eval()


def _processor(family: str, tokenizer: Any) -> Any:
    """Processor with image limits of 4 to 64 image tokens."""
    import transformers

    side = 28 if family == "qwen2_5_vl" else 32
    size = {"min_pixels": 4 * side * side, "max_pixels": 64 * side * side}
    shape = {"patch_size": side // 2, "temporal_patch_size": 2, "merge_size": 2}
    images = transformers.Qwen2VLImageProcessor(**size, **shape)
    if family == "qwen2_5_vl":
        return transformers.Qwen2_5_VLProcessor(
            image_processor=images,
            tokenizer=tokenizer,
            video_processor=transformers.Qwen2VLVideoProcessor(**size, **shape),
            chat_template=CHAT_TEMPLATE,
        )
    return transformers.Qwen3VLProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        video_processor=transformers.Qwen3VLVideoProcessor(**shape),
        chat_template=CHAT_TEMPLATE,
    )
