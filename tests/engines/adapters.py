"""LoRA adapters with random weights, for tests of serving and swapping them."""

from __future__ import annotations

from pathlib import Path

LANGUAGE = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
EVERYWHERE = r".*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def write_adapter(
    base: Path, folder: Path, seed: int, rank: int = 8, modules: str = LANGUAGE
) -> Path:
    """Write an adapter that changes the base's answers; returns its folder."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=rank, lora_alpha=16, target_modules=modules, task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    noise = torch.Generator().manual_seed(seed)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.3, generator=noise)
    adapted.save_pretrained(folder)
    return folder
