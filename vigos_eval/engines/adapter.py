"""A LoRA adapter's files read without torch: its rank, what it touches, whether it fits its base."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigos_eval.engines.checkpoint import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    json_object,
    tensor_shapes,
    weight_files,
)
from vigos_eval.errors import CheckpointError

VISION = re.compile(r"(^|\.)(visual|vision_tower|vision_model)\.")
# Checkpoints on disk and modules in memory differ in the prefix (model.layers against
# model.language_model.layers), never from the block's number on.
BLOCK = re.compile(r"((?:layers|blocks)\.\d+\.).+")


@dataclass(frozen=True)
class AdapterFacts:
    """What an engine must know before it serves an adapter.

    Attributes:
        rank: Largest rank of any module.
        touches_vision: Some module of the vision tower is adapted.
        is_plain_lora: False with DoRA, trained biases or modules saved whole: it can only be merged.
    """

    rank: int
    touches_vision: bool
    is_plain_lora: bool


def adapter_facts(folder: Path) -> AdapterFacts:
    """Read an adapter folder's config and tensor names.

    Raises:
        CheckpointError: No LoRA adapter.
    """
    config = json_object(folder / ADAPTER_CONFIG)
    shapes = tensor_shapes(folder / ADAPTER_WEIGHTS)
    ranks = [shape[0] for name, shape in shapes.items() if ".lora_A." in name]
    if config.get("peft_type") != "LORA" or not ranks:
        raise CheckpointError(
            f"adapter {folder} has peft_type {config.get('peft_type')!r} and {len(ranks)} LoRA "
            "tensors; only LoRA adapters are served. Merge it into its base and pass that folder"
        )
    is_plain = (
        not config.get("use_dora")
        and not config.get("modules_to_save")
        and config.get("bias", "none") == "none"
    )
    return AdapterFacts(max(ranks), any(VISION.search(name) for name in shapes), is_plain)


def check_fits(adapter: Path, base: Path) -> None:
    """Raise unless every adapted matrix is in the base with the same shape.

    Raises:
        CheckpointError: The adapter was made for another base.
    """
    found = _by_block(shape_by_name(base))
    blocks = {".".join(name.split(".")[:2]) + "." for name in found}
    lora = tensor_shapes(adapter / ADAPTER_WEIGHTS)
    for name, (_, inputs) in ((n, s) for n, s in lora.items() if ".lora_A." in n):
        module = name.split(".lora_A.")[0]
        match = BLOCK.search(module)
        if match is None:
            continue
        outputs = lora.get(name.replace(".lora_A.", ".lora_B."), [0])[0]
        there = found.get(match.group(0) + ".weight")
        # A base that stores fused matrices has the block and not the name; that says nothing.
        if there is None and match.group(1) not in blocks:
            raise CheckpointError(_other_base(adapter, base, f"{module} is not in the base"))
        if there is not None and len(there) == 2 and there != [outputs, inputs]:
            shapes = f"{module} is {[outputs, inputs]} in the adapter and {there} in the base"
            raise CheckpointError(_other_base(adapter, base, shapes))


def shape_by_name(base: Path) -> dict[str, list[int]]:
    """Shapes of all tensors of a full checkpoint, by the name on disk."""
    shapes: dict[str, list[int]] = {}
    for path in weight_files(base):
        shapes |= tensor_shapes(path)
    return shapes


def _by_block(shapes: dict[str, list[int]]) -> dict[str, list[int]]:
    """Shapes by the name from ``layers.3.`` on; the vision tower's ``blocks.`` do not collide."""
    matches = ((BLOCK.search(name), shape) for name, shape in shapes.items())
    return {match.group(0): shape for match, shape in matches if match}


def _other_base(adapter: Path, base: Path, fact: str) -> str:
    return (
        f"adapter {adapter} was made for another base than {base}: {fact}. Correct "
        f"base_model_name_or_path in {adapter / ADAPTER_CONFIG}"
    )


def merged_checkpoint(adapter: Path, base: Path, target: Path) -> None:
    """Write base plus adapter as one full checkpoint into `target`, in the base's dtype.

    For adapters that an engine cannot serve beside the base (vision tower, DoRA).
    """
    import shutil

    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    model: Any = AutoModelForImageTextToText.from_pretrained(
        base, dtype="auto", use_safetensors=True
    )
    merged: Any = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.save_pretrained(target)
    for path in base.iterdir():
        is_settings = path.suffix in {".json", ".jinja", ".txt", ".model"}
        if is_settings and not (target / path.name).exists() and "index" not in path.name:
            shutil.copyfile(path, target / path.name)
