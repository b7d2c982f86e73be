"""Optimizer, learning-rate schedule and gradient clipping: the paper's, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vigos_train.config import OptimConfig


def make_optimizer(parameters: Sequence[Tensor], config: OptimConfig) -> torch.optim.Optimizer:
    """Fused AdamW (paper) over the trained parameters."""
    return torch.optim.AdamW(
        list(parameters),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
    )


def make_schedule(optimizer: torch.optim.Optimizer, config: OptimConfig, steps: int) -> Any:
    """Linear decay to 0 over the run, or constant, after `warmup_steps`."""
    from transformers import get_scheduler

    name = "constant_with_warmup" if config.schedule == "constant" else config.schedule
    return get_scheduler(
        name, optimizer, num_warmup_steps=config.warmup_steps, num_training_steps=steps
    )


def clip_gradients(parameters: Sequence[Tensor], limit: float) -> float:
    """Scale gradients down to a joint norm of `limit`; returns the norm before (0 is off)."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    # A norm over shards (FSDP2) is itself spread over the ranks.
    norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
    if limit > 0:
        torch.nn.utils.clip_grads_with_norm_(list(parameters), limit, norm)
    return float(norm)


@dataclass(frozen=True)
class OwnOptimizer:
    """An optimizer of ours, its step and its state: what every update.py's way builds on.

    Attributes:
        parameters: The trained ones, or this rank's shards of them.
        optimizer: Over these parameters.
    """

    parameters: Sequence[Tensor]
    optimizer: torch.optim.Optimizer

    def clipped_step(self, limit: float, check: Callable[[float], None]) -> float:
        """Clip to `limit`, let `check` refuse the norm, step, forget gradients; the norm before."""
        norm = clip_gradients(self.parameters, limit)
        check(norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def optimizer_state(self) -> Mapping[str, Any]:
        """See `updates.Update`: torch's own form, also of a rank's shard."""
        state: Mapping[str, Any] = self.optimizer.state_dict()
        return state

    def load_optimizer_state(self, state: Mapping[str, Any]) -> None:
        """See `updates.Update`."""
        self.optimizer.load_state_dict(dict(state))


def steps_in_run(rows: int, config: OptimConfig) -> int:
    """Optimizer steps; the last one of the run may hold fewer rows.

    >>> steps_in_run(47_600, OptimConfig())
    1488
    """
    if config.max_steps:
        return config.max_steps
    return -(-int(rows * config.epochs) // config.batch_size)


def rows_of_step(step: int, rows: int, config: OptimConfig, is_shuffled: bool) -> list[int]:
    """Row numbers of one optimizer step (from 0), over all ranks; every epoch in its own order.

    The order follows from the seed and the epoch alone, so the step is the data's position.

    >>> order = [rows_of_step(s, 5, OptimConfig(batch_size=2, epochs=2), True) for s in range(5)]
    >>> sorted(sum(order, [])[:5]), [len(each) for each in order]
    ([0, 1, 2, 3, 4], [2, 2, 2, 2, 2])
    """
    first = step * config.batch_size
    last = first + config.batch_size
    if not config.max_steps:
        last = min(last, int(rows * config.epochs))
    found: list[int] = []
    for epoch in range(first // rows, -(-last // rows)):
        order = list(range(rows))
        if is_shuffled:
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
            order = torch.randperm(rows, generator=generator).tolist()
        found += order[max(0, first - epoch * rows) : last - epoch * rows]
    return found
