"""The network that is distilled into itself: base, LoRA adapter, processor. No training here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigos_eval.engines.checkpoint import Checkpoint, find_checkpoint
from vigos_eval.engines.rendering import ImageLimits, image_limits, load_processor
from vigos_eval.engines.sampling import stop_ids
from vigos_eval.errors import ConfigError
from vigos_train.method_config import LoraSettings, ModelConfig
from vigos_train.spans import token_pieces

MODEL_TYPE = "qwen2_5_vl"


@dataclass(frozen=True)
class Student:
    """What a run trains, with what its rollouts are read by.

    Attributes:
        model: A PeftModel over Qwen2_5_VLForConditionalGeneration.
        processor: Its processor.
        limits: Explicit image limits.
        pieces: The bytes of each token id.
        stops: End tokens.
        suppressed: Ids that a rollout must not sample: image and video places crash or poison
            the next forward pass.
    """

    model: Any
    processor: Any
    limits: ImageLimits
    pieces: tuple[bytes, ...]
    stops: frozenset[int]
    suppressed: tuple[int, ...]


def base_checkpoint(config: ModelConfig) -> Checkpoint:
    """The base's files, checked before anything heavy is loaded.

    Raises:
        CheckpointError: Not there or not whole.
        ConfigError: An adapter, or a model class that this trainer cannot train.
    """
    if not config.pretrained:
        raise ConfigError("model.pretrained is empty; name a folder or hub id of a Qwen2.5-VL")
    checkpoint = find_checkpoint(config.pretrained, config.revision)
    if checkpoint.adapter is not None:
        raise ConfigError(
            f"model.pretrained {config.pretrained} is an adapter; train on its base, or merge it "
            f"first: vigos-train merge {config.pretrained} OUT"
        )
    declared = json.loads((checkpoint.folder / "config.json").read_text(encoding="utf-8"))
    if declared.get("model_type") != MODEL_TYPE:
        raise ConfigError(
            f"model.pretrained {config.pretrained} is a {declared.get('model_type')!r} "
            f"({', '.join(declared.get('architectures') or ['no class named'])}); this trainer "
            f"takes {MODEL_TYPE!r} (Qwen2.5-VL) only"
        )
    return checkpoint


def load_student(
    model: ModelConfig, lora: LoraSettings, *, device: str, seed: int, adapter: Path | None = None
) -> Student:
    """Base and adapter on `device`; the adapter starts at zero, or from a checkpoint's.

    Args:
        model: The base.
        lora: The adapter.
        device: A torch device.
        seed: Of the adapter's random half.
        adapter: Folder of a saved adapter to go on from.

    Raises:
        CheckpointError: See `base_checkpoint`, or the adapter does not fit.
        ConfigError: See `base_checkpoint`, or targets that match nothing.
    """
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration
    from transformers.utils import logging

    logging.disable_progress_bar()
    checkpoint = base_checkpoint(model)
    base = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        checkpoint.folder,
        dtype=getattr(torch, model.dtype),
        attn_implementation=model.attention,
        use_safetensors=True,
    )
    base.to(device)
    processor = load_processor(
        str(checkpoint.folder), (model.min_pixels, model.max_pixels), is_trusted=False
    )
    torch.manual_seed(seed)
    return Student(
        model=with_adapter(base, lora, _portable_name(model), adapter),
        processor=processor,
        limits=image_limits(processor, model.min_pixels, model.max_pixels),
        pieces=token_pieces(processor.tokenizer),
        stops=stop_ids(base.generation_config.eos_token_id, processor.tokenizer.eos_token_id),
        suppressed=_image_places(base.config),
    )


def with_adapter(base: Any, lora: LoraSettings, name: str, adapter: Path | None = None) -> Any:
    """The base with a LoRA adapter on its language model, and on its vision tower if asked.

    Raises:
        ConfigError: The targets match no layer.
    """
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    pattern = target_pattern(lora)
    if not any(re.fullmatch(pattern, path) for path, _ in base.named_modules()):
        raise ConfigError(
            f"lora.targets {', '.join(lora.targets)} match no layer of {type(base).__name__}; "
            "the language model has q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"
        )
    model = get_peft_model(
        base,
        LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=pattern,
            task_type="CAUSAL_LM",
        ),
    )
    # Evaluation finds the base by this entry, also from another working directory.
    model.peft_config["default"].base_model_name_or_path = name
    if adapter is not None:
        set_peft_model_state_dict(model, load_file(adapter / "adapter_model.safetensors"))
    return model


def target_pattern(lora: LoraSettings) -> str:
    """The regular expression over module names that peft matches whole.

    The names alone also match the vision tower's MLP, which the release adapted by accident.

    >>> bool(re.fullmatch(target_pattern(LoraSettings()), "model.visual.blocks.0.mlp.gate_proj"))
    False
    """
    names = "|".join(map(re.escape, lora.targets))
    where = r"(?:.*\.)?" if lora.train_vision else r"(?:.*\.)?language_model\..*\."
    return rf"{where}(?:{names})"


def _portable_name(model: ModelConfig) -> str:
    folder = Path(model.pretrained)
    return str(folder.resolve()) if folder.is_dir() else model.pretrained


def _image_places(config: Any) -> tuple[int, ...]:
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    return tuple(getattr(config, name) for name in names)
