"""The tiny checkpoint, made once, and rows that are scored on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

from vigos_eval.engines.tiny_checkpoint import write_tiny_checkpoint

TARGETS = r"(q|k|v|o|gate|up|down)_proj"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen2.5-VL checkpoint."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    write_tiny_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def processor(tiny_folder: Path) -> Any:
    """Its processor."""
    return AutoProcessor.from_pretrained(tiny_folder)


@pytest.fixture
def adapted(tiny_folder: Path) -> Callable[..., Any]:
    """Makes a fresh PeftModel over it; `spread` gives the adapter random values."""

    def make(*, spread: float = 0.0, vision: bool = False, dropout: float = 0.0) -> Any:
        torch.manual_seed(0)
        base = Qwen2_5_VLForConditionalGeneration.from_pretrained(tiny_folder, dtype=torch.float32)
        inside = "" if vision else r"language_model\."
        targets = rf".*{inside}.*{TARGETS}" + (r"|.*visual.*(qkv|proj)" if vision else "")
        model = get_peft_model(
            base, LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules=targets)
        )
        if spread:
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(parameter, std=spread)
        return model

    return make
