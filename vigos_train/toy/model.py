"""The toy base: a real Qwen2.5-VL of a million parameters with its processor, tokenizer and template.

The tokenizer is byte-level BPE like Qwen's, its merges learnt from the world's words. The long
fixed sentences of the prompts are one token each: a prompt of 140 words costs about 35 tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigos_eval.engines.tiny_checkpoint import CHAT_TEMPLATE, SPECIAL_TOKENS, WORD_PATTERN
from vigos_eval.protocol import load_protocol
from vigos_train.contexts import REASONING_FORMAT, REFERENCE_FORMAT, TRANSITION
from vigos_train.toy.wording import ONE_WORD, QUESTIONS, question, response
from vigos_train.toy.world import OBJECTS, Scene, values

HIDDEN = 128
# vLLM's CPU attention takes head sizes of 32, 64, 80 and up only.
HEAD = 32
# mrope's three sections (time, height, width) must sum to half the head.
MROPE = (4, 6, 6)
CONTEXT = 1024
VOCABULARY = 512
BEGIN = "\n\nHere is a reference solution to this problem:\n=== Reference Solution Begin ===\n"
END = "\n=== Reference Solution End ===\n"


def fixed_sentences(protocol: str = "paper") -> tuple[str, ...]:
    """Texts that never change, each one token.

    The protocol's prompt behind the question, the teachers' texts around problem and answer, the
    template's system turn, and the questions' own fixed words.
    """
    before, _, after = load_protocol(protocol).prompt.partition("{question}")
    return (
        before,
        after,
        BEGIN,
        END + TRANSITION + REASONING_FORMAT,
        END + TRANSITION + REFERENCE_FORMAT,
        "system\nYou are a helpful assistant.",
        ONE_WORD,
        *(part for text in QUESTIONS.values() for part in text.split("{object}") if len(part) > 1),
    )


def toy_tokenizer(protocol: str = "paper") -> Any:
    """A Qwen2TokenizerFast whose merges make every word of the world one token."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
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
        vocab_size=VOCABULARY - len(SPECIAL_TOKENS) - len(fixed_sentences(protocol)),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_corpus(), trainer)
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
    whole = [
        AddedToken(text, normalized=False, special=False) for text in fixed_sentences(protocol)
    ]
    tokenizer.add_tokens(whole)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _corpus() -> list[str]:
    """Every sentence of the world, for the merges."""
    texts = ["user\n", "assistant\n<description>", "\nA. \nB. \nC. \nD. "]
    texts += [*values("color"), *OBJECTS]
    for thing in OBJECTS:
        for aspect in ("color", "number"):
            texts += [question(thing, aspect, is_with_fact=True)]
            texts += [
                response(Scene(thing, color, number), aspect)
                for color in values("color")
                for number in values("number")
            ]
    return texts * 2


def new_model(vocabulary: int, ids: Mapping[str, int], seed: int) -> Any:
    """The model with random weights, float32, training mode."""
    import torch
    from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    end, pad = ids["<|im_end|>"], ids["<|endoftext|>"]
    text = {
        "vocab_size": vocabulary, "hidden_size": HIDDEN, "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 4, "num_attention_heads": HIDDEN // HEAD, "num_key_value_heads": 2,
        "head_dim": HEAD, "max_position_embeddings": CONTEXT, "tie_word_embeddings": False,
        "bos_token_id": pad, "eos_token_id": end, "pad_token_id": pad,
        "rope_parameters": {"rope_type": "default", "mrope_section": list(MROPE), "rope_theta": 1e4},
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2,
        "out_hidden_size": HIDDEN, "in_channels": 3, "in_chans": 3, "patch_size": 14,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112,
        "fullatt_block_indexes": [0, 1], "tokens_per_second": 2,
    }  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        do_sample=False, bos_token_id=pad, eos_token_id=[end, pad], pad_token_id=pad
    )
    return model.to(torch.float32)


def toy_processor(tokenizer: Any) -> Any:
    """A Qwen2.5-VL processor whose every image is four image tokens."""
    import transformers

    size = {"min_pixels": 4 * 28 * 28, "max_pixels": 4 * 28 * 28}
    shape = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
    return transformers.Qwen2_5_VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(**size, **shape),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen2VLVideoProcessor(**size, **shape),
        chat_template=CHAT_TEMPLATE,
    )


def token_ids_of(tokenizer: Any) -> dict[str, int]:
    """Ids of the special tokens."""
    return {token: int(tokenizer.convert_tokens_to_ids(token)) for token in SPECIAL_TOKENS}


def save_checkpoint(model: Any, processor: Any, folder: Path) -> None:
    """Write a checkpoint that loads like a released one."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
