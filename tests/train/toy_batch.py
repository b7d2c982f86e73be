"""A fixed batch in the toy world: random but known weights, a random adapter, rollouts written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.train.runs import WrittenSampler
from vigos_train.config import OutputConfig, TrainConfig
from vigos_train.loading import replaced
from vigos_train.method_config import LoraSettings, ModelConfig
from vigos_train.student import Student, load_student
from vigos_train.toy.model import (
    new_model,
    save_checkpoint,
    token_ids_of,
    toy_processor,
    toy_tokenizer,
)
from vigos_train.toy.trials import open_trainer, training_rows
from vigos_train.trainer import StepReport

# Wider weights than a fresh model's: teachers and student must disagree visibly.
SPREAD = 5.0
TEXTS = (
    "2 blue lemon.</description><think> the lemon is {a}.</think> \\boxed{{{a}}}",
    "2 blue lemon, and the answer is {a}",
    "the image shows {a}</description> so <think>{a}.</think>\n\\boxed{{{a}}} indeed",
)


def fixed_batch_report(folder: Path, method: str, prefix: str) -> StepReport:
    """One optimizer step on six rows whose rollouts are `TEXTS`, two of three valid."""
    config = replaced(
        TrainConfig(
            method=method,  # type: ignore[arg-type]
            protocol="demo",
            model=ModelConfig(pretrained=str(folder), dtype="float32"),
            lora=LoraSettings(rank=4, alpha=8, dropout=0.0),
            output=OutputConfig(folder=str(folder / "run")),
        ),
        loss__reasoning_prefix=prefix,
        # Random weights disagree everywhere: above the token clip nothing would have a gradient.
        loss__clip_mode="none",
        optim__batch_size=6,
        optim__per_device=6,
        optim__max_steps=1,
        optim__gradient_checkpointing=False,
        data__shuffle=False,
    )
    trainer = open_trainer(config, training_rows(6, 0.5, seed=7), random_student(folder, config))
    trainer.sampler = WrittenSampler(trainer.student, TEXTS)
    return trainer.step()


def random_student(folder: Path, config: TrainConfig) -> Student:
    """The toy network with known random weights, its adapter far from zero."""
    if not folder.exists():
        tokenizer = toy_tokenizer()
        model = new_model(len(tokenizer), token_ids_of(tokenizer), seed=3)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(SPREAD)
        folder.mkdir(parents=True)
        save_checkpoint(model, toy_processor(tokenizer), folder)
    student = load_student(config.model, config.lora, device="cpu", seed=5)
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in student.model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return student


def losses_of(report: StepReport) -> list[dict[str, Any]]:
    """Every scored token's KL, nats, by row and segment, in a fixed order."""
    found = [
        {
            "row": each.row,
            "segment": str(each.segment),
            "kl": [float(f"{value:.6g}") for value in each.kl.tolist()],
        }
        for each in report.kls
    ]
    return sorted(found, key=lambda each: (each["row"], each["segment"]))
