"""Small runs for the trainer's tests: a short prompt, drawn rows, rollouts that are written down."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vigos_eval.engines.sampling import completion_of
from vigos_eval.types import Completion, Decoding
from vigos_train.config import OutputConfig, TrainConfig
from vigos_train.loading import replaced
from vigos_train.method_config import LoraSettings, ModelConfig, RolloutConfig
from vigos_train.parallel import Parallel, open_parallel
from vigos_train.rollout import Asked, training_protocol
from vigos_train.shapes import shape_rows
from vigos_train.student import Student, load_student
from vigos_train.trainer import Trainer

SHORT_PROTOCOL = """\
prompt: "{question}"
prefill: "<description>"
temperature: 1.0
top_p: 0.9
top_k: 20
max_new_tokens: 32
seed: 42
repeats: 1
vilp_repeats: 1
"""
VALID = "a {a} one.</description><think>so it is {a}</think> \\boxed{{{a}}}"
MALFORMED = "it is {a}, as I see"


def small_config(folder: Path, base: Path, **changes: Any) -> TrainConfig:
    """A run on the tiny checkpoint: float32, no dropout, a short prompt, batches of 4.

    No clip: random weights disagree everywhere, and above the token clip nothing moves.
    """
    protocol = folder / "short.yaml"
    protocol.parent.mkdir(parents=True, exist_ok=True)
    protocol.write_text(SHORT_PROTOCOL)
    config = TrainConfig(
        protocol=str(protocol),
        model=ModelConfig(pretrained=str(base), dtype="float32"),
        lora=LoraSettings(rank=4, alpha=8, dropout=0.0),
        rollout=RolloutConfig(max_new_tokens=12),
        output=OutputConfig(folder=str(folder / "run"), save_every=1000, table_rows=0),
    )
    return replaced(
        config,
        **{
            "optim__batch_size": 4,
            "optim__per_device": 4,
            "optim__max_steps": 3,
            "optim__learning_rate": 1e-4,
            "optim__gradient_checkpointing": False,
            "loss__clip_mode": "none",
            "data__source": "shapes",
            "data__max_rows": 16,
            **changes,
        },
    )


@dataclass
class WrittenSampler:
    """Answers every prompt with a text that follows from its row: two of three are valid.

    Attributes:
        student: Whose tokenizer writes the ids.
        texts: Tried in turn, by the row's id.
        calls: How many prompts each call had.
        asked: Keys of every prompt.
    """

    student: Student
    texts: Sequence[str] = (VALID, MALFORMED, VALID)
    calls: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def sample(self, asked: Sequence[Asked], decoding: Decoding, step: int) -> list[Completion]:
        self.calls.append(len(asked))
        self.asked += [each.prompt.key for each in asked]
        return [self._written(each) for each in asked]

    def _written(self, asked: Asked) -> Completion:
        text = self._text_of(asked)
        tokenizer = self.student.processor.tokenizer
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return completion_of([*ids, tokenizer.eos_token_id], True, tokenizer)

    def _text_of(self, asked: Asked) -> str:
        return self.texts[int(asked.row.id) % len(self.texts)].format(a=asked.row.answer)

    def close(self) -> None:
        pass


def student_of(config: TrainConfig, adapter: Path | None = None) -> Student:
    return load_student(
        config.model, config.lora, device="cpu", seed=config.optim.seed, adapter=adapter
    )


def trainer_of(
    config: TrainConfig,
    sampler: Any = None,
    student: Student | None = None,
    parallel: Parallel | None = None,
) -> Trainer:
    """A trainer on drawn rows with written rollouts, unless another sampler is given."""
    student = student or student_of(config)
    return Trainer(
        config=config,
        student=student,
        sampler=sampler or WrittenSampler(student),
        rows=shape_rows(config.data.max_rows),
        parallel=parallel or open_parallel(),
        protocol=training_protocol(config.protocol),
        total_steps=config.optim.max_steps,
    )


def adapter_of(model: Any) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters() if "lora_" in n}


def base_hash(model: Any) -> str:
    """SHA-256 over every tensor that is not the adapter's."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if "lora_" not in name:
            digest.update(value.detach().numpy().tobytes())
    return digest.hexdigest()
