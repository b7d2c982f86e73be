"""An adapter and its base -> one full checkpoint that loads anywhere, with a card of its origin."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from vigos_eval import __version__
from vigos_eval.engines.checkpoint import Checkpoint, find_checkpoint
from vigos_eval.errors import CheckpointError
from vigos_eval.protocol import fingerprint
from vigos_train.checkpoint import write_folder

# Everything of the base beside its weights; config and generation config are written by the model.
BESIDE = ("*.jinja", "*.txt", "tokenizer*", "vocab.json", "*processor*", "chat_template.json")


def merge_adapter(adapter: Path, out: Path, dtype: str = "auto") -> None:
    """Write base + adapter into the new folder `out`.

    The product is formed in float32 and cast once at the end: adding it to bfloat16 weights would
    round most small updates away.

    Args:
        adapter: A LoRA adapter folder.
        out: The new checkpoint's folder.
        dtype: Of the written weights; ``auto`` is the base's own.

    Raises:
        CheckpointError: `adapter` is none, does not fit its base, or `out` exists.
    """
    if out.exists():
        raise CheckpointError(f"{out} is there already; name a new folder")
    checkpoint = find_checkpoint(str(adapter))
    if checkpoint.adapter is None:
        raise CheckpointError(f"{adapter} is a full checkpoint already: there is nothing to merge")
    model = merged_model(checkpoint, dtype)

    def write(place: Path) -> None:
        model.save_pretrained(place)
        for pattern in BESIDE:
            for file in checkpoint.folder.glob(pattern):
                shutil.copyfile(file, place / file.name)
        card = model_card(adapter, checkpoint, str(model.dtype).removeprefix("torch."))
        (place / "README.md").write_text(card, encoding="utf-8")

    write_folder(out, write)


def merged_model(checkpoint: Checkpoint, dtype: str = "auto") -> Any:
    """The base with the adapter's product added in float32, then cast.

    Raises:
        CheckpointError: The adapter does not fit its base.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForImageTextToText

    own = AutoConfig.from_pretrained(checkpoint.folder).dtype or torch.float32
    base = AutoModelForImageTextToText.from_pretrained(
        checkpoint.folder, dtype=torch.float32, use_safetensors=True
    )
    try:
        wrapped = PeftModel.from_pretrained(base, str(checkpoint.adapter))
    except (ValueError, RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"adapter {checkpoint.adapter} does not fit its base {checkpoint.folder} "
            f"({str(error).strip().splitlines()[0]})"
        ) from error
    model = wrapped.merge_and_unload(safe_merge=True)
    return model.to(own if dtype == "auto" else getattr(torch, dtype))


def model_card(adapter: Path, checkpoint: Checkpoint, dtype: str) -> str:
    """README.md of a merged checkpoint: base, data, settings and their fingerprint."""
    settings = _run_settings(adapter)
    head = yaml.safe_dump(
        {
            "library_name": "transformers",
            "pipeline_tag": "image-text-to-text",
            "base_model": settings.get("model", {}).get("pretrained") or str(checkpoint.folder),
            "datasets": [settings["data"]["source"]] if settings.get("data") else [],
            "tags": sorted({"vigos", str(settings.get("method", "vigos")), "self-distillation"}),
        },
        sort_keys=False,
    )
    lines = [
        f"---\n{head}---\n",
        f"# {adapter.resolve().parent.name or adapter.name}\n",
        f"A LoRA adapter merged into its base (in float32, stored as {dtype}) by vigos "
        f"{__version__}.\n",
        "Loads with `AutoModelForImageTextToText` and `AutoProcessor`; evaluate it with "
        "`lmms-eval --model vigos --model_args pretrained=<this folder>`.\n",
        "## Identity\n",
        *(f"- {name}: `{value}`" for name, value in sorted(checkpoint.identity.items())),
        "",
    ]
    if settings:
        text = yaml.safe_dump(settings, sort_keys=False)
        lines += [
            "## Training\n",
            f"Fingerprint of the settings: `{fingerprint(settings)}`.\n",
            f"```yaml\n{text}```\n",
        ]
    return "\n".join(lines)


def _run_settings(adapter: Path) -> dict[str, Any]:
    """config.yaml of the run that an adapter lies in (``adapter`` or ``checkpoints/step-*``)."""
    for folder in (adapter.resolve().parent, adapter.resolve().parent.parent):
        path = folder / "config.yaml"
        if path.is_file():
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
            return values if isinstance(values, dict) else {}
    return {}
