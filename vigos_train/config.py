"""One training run as frozen records. Reading YAML into them is loading.py's subject.

"paper" and "release" name the source of a default; what neither fixes is marked "ours".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vigos_eval.errors import ConfigError
from vigos_train.method_config import (
    DataConfig,
    LoraSettings,
    LossConfig,
    ModelConfig,
    RolloutConfig,
    require,
)

__all__ = [
    "DataConfig",
    "EvaluationConfig",
    "LoraSettings",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "OutputConfig",
    "RolloutConfig",
    "TrainConfig",
    "WarmStartConfig",
]


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """How the adapter moves (paper, unless marked).

    Attributes:
        epochs: Passes over the data.
        max_steps: Optimizer steps; 0 leaves it to `epochs`.
        batch_size: Rows per optimizer step over all ranks and micro-batches.
        per_device: Rows per micro-batch and rank; `batch_size` must divide by it times the ranks.
        learning_rate: Peak.
        schedule: ``linear`` decay to 0, or ``constant`` (ours).
        warmup_steps: Steps of linear warm-up.
        weight_decay: Of AdamW.
        max_grad_norm: Gradients are scaled down to this norm; 0 is off.
        token_budget: Tokens per forward pass when rollouts are scored, padding included; a longer
            sequence runs alone (ours; memory and speed only).
        gradient_checkpointing: Recompute activations (non-reentrant).
        seed: Of the adapter's start, row order, dropout and rollouts.
    """

    epochs: float = 1.0
    max_steps: int = 0
    batch_size: int = 32
    per_device: int = 2
    learning_rate: float = 5e-6
    schedule: Literal["linear", "constant"] = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 0.1
    token_budget: int = 16384
    gradient_checkpointing: bool = True
    seed: int = 42

    def __post_init__(self) -> None:
        require(
            "optim.",
            self,
            {
                "epochs": (self.epochs > 0, "be > 0"),
                "max_steps": (self.max_steps >= 0, "be >= 0 (0 leaves it to epochs)"),
                "batch_size": (self.batch_size >= 1, "be >= 1"),
                "per_device": (self.per_device >= 1, "be >= 1"),
                "learning_rate": (self.learning_rate > 0, "be > 0"),
                "warmup_steps": (self.warmup_steps >= 0, "be >= 0"),
                "weight_decay": (self.weight_decay >= 0, "be >= 0"),
                "token_budget": (self.token_budget >= 1, "be >= 1"),
                "max_grad_norm": (self.max_grad_norm >= 0, "be >= 0 (0 is off)"),
            },
        )

    def accumulation(self, ranks: int) -> int:
        """Micro-batches per rank and optimizer step.

        Raises:
            ConfigError: batch_size does not divide by per_device x ranks.

        >>> OptimConfig(batch_size=32, per_device=2).accumulation(ranks=8)
        2
        """
        rows, rest = divmod(self.batch_size, self.per_device * ranks)
        if rest or rows == 0:
            raise ConfigError(
                f"optim.batch_size {self.batch_size} does not divide by optim.per_device "
                f"{self.per_device} x {ranks} rank{'s' if ranks != 1 else ''}; nearest that do: "
                f"{max(rows, 1) * self.per_device * ranks} or {(rows + 1) * self.per_device * ranks}"
            )
        return rows


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What is measured while training (ours).

    Attributes:
        every: Optimizer steps between evaluations on held-out rows; 0 is never.
        rows: Held-out rows asked at most, greedy.
        flip_source: Rows in ViLP's schema (question, image1..3, answer1..3) for the prior-flip
            rate; "" is none.
        tasks: lmms-eval tasks run on every checkpoint through ``vigos-eval run``; "" is none.
        task_args: Extra ``--model_args`` of that run, e.g. ``protocol=paper``.
        task_limit: ``--limit`` of that run; 0 is none.
    """

    every: int = 0
    rows: int = 64
    flip_source: str = ""
    tasks: str = ""
    task_args: str = "protocol=paper"
    task_limit: int = 0

    def __post_init__(self) -> None:
        require(
            "evaluation.",
            self,
            {
                "every": (self.every >= 0, "be >= 0 (0 is never)"),
                "rows": (self.rows >= 1, "be >= 1"),
                "task_limit": (self.task_limit >= 0, "be >= 0 (0 is none)"),
            },
        )


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """What is written, and how often (ours).

    Attributes:
        folder: Checkpoints, rollouts and logs; the last adapter lies in ``<folder>/adapter``.
        save_every: Optimizer steps between checkpoints; the last step is always saved.
        keep: Whole checkpoints kept.
        log_every: Optimizer steps between log lines.
        report_to: One or several of accelerate's trackers: tensorboard, wandb, mlflow, ...
        rollouts_every: Optimizer steps between written rollouts; 0 is never.
        table_rows: Rollouts shown in the terminal's table at each of those steps.
    """

    folder: str = "runs/train"
    save_every: int = 50
    keep: int = 3
    log_every: int = 1
    report_to: tuple[str, ...] = ()
    rollouts_every: int = 10
    table_rows: int = 2

    def __post_init__(self) -> None:
        require(
            "output.",
            self,
            {
                "folder": (bool(self.folder), "name a folder"),
                "save_every": (self.save_every >= 1, "be >= 1"),
                "keep": (self.keep >= 1, "be >= 1"),
                "log_every": (self.log_every >= 1, "be >= 1"),
                "rollouts_every": (self.rollouts_every >= 0, "be >= 0 (0 is never)"),
                "table_rows": (self.table_rows >= 0, "be >= 0"),
            },
        )


@dataclass(frozen=True, kw_only=True)
class WarmStartConfig:
    """Supervised steps on the format alone, for a base that cannot write it yet (ours).

    Only tiny checkpoints need it; published bases write the format when asked. The whole network
    is trained and saved as the run's base in ``<output.folder>/base``.

    Attributes:
        steps: Optimizer steps; 0 is off.
        batch_size: Rows per step.
        learning_rate: Peak of a one-cycle schedule.
        min_valid: Share of sampled rollouts, fraction in [0, 1], that must be VALID afterwards.
    """

    steps: int = 0
    batch_size: int = 8
    learning_rate: float = 3e-3
    min_valid: float = 0.5

    def __post_init__(self) -> None:
        require(
            "warm_start.",
            self,
            {
                "steps": (self.steps >= 0, "be >= 0 (0 is off)"),
                "batch_size": (self.batch_size >= 1, "be >= 1"),
                "learning_rate": (self.learning_rate > 0, "be > 0"),
                "min_valid": (0 <= self.min_valid <= 1, "be in [0, 1]"),
            },
        )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run.

    Attributes:
        method: ``vigos`` (segment teachers) or ``opsd`` (one privileged teacher, every token).
        protocol: Evaluation protocol whose student prompt and prefill are trained.
        model: The network.
        lora: Its trained part.
        data: The rows.
        loss: The loss.
        rollout: The student's own text.
        optim: The optimizer.
        evaluation: What is measured.
        output: What is written.
        warm_start: Supervised start of a base that cannot write the format.
        max_malformed_steps: Stop after so many steps in which no rollout was valid.
    """

    method: Literal["vigos", "opsd"] = "vigos"
    protocol: str = "paper"
    model: ModelConfig = field(default_factory=ModelConfig)
    lora: LoraSettings = field(default_factory=LoraSettings)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    max_malformed_steps: int = 20
