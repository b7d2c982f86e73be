"""From a part's loss to moved weights: alone or data-parallel, DeepSpeed ZeRO-2, FSDP2.

All three make the same step (a test): gradients are SUMS over ranks and parts, since every loss
is divided by the whole step's counts already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from vigos_eval.errors import ConfigError
from vigos_train.optim import OwnOptimizer
from vigos_train.parallel import Parallel

Check = Callable[[float], None]


class Update(Protocol):
    """Back-propagates parts, then advances the weights once."""

    @property
    def is_lockstep(self) -> bool:
        """Every rank must back-propagate equally often."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Add this part's gradients."""
        ...

    def advance(self, limit: float, check: Check) -> float:
        """Clip to `limit`, let `check` refuse the norm, step, forget gradients; the norm before."""
        ...

    def optimizer_state(self) -> Mapping[str, Any]:
        """This rank's part of the optimizer's state, plain tensors."""
        ...

    def load_optimizer_state(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        ...


@dataclass(frozen=True)
class PlainUpdate(OwnOptimizer):
    """One process, or data-parallel ranks that each hold everything."""

    parallel: Parallel

    @property
    def is_lockstep(self) -> bool:
        """Gradients meet once per step, whatever each rank did before."""
        return False

    def backward(self, loss: Tensor) -> None:
        """See `Update`."""
        torch.autograd.backward(loss)

    def advance(self, limit: float, check: Check) -> float:
        """See `Update`."""
        self.parallel.sum_gradients(self.parameters)
        return self.clipped_step(limit, check)


@dataclass(frozen=True)
class DeepSpeedUpdate(OwnOptimizer):
    """DeepSpeed ZeRO-2: gradients and AdamW's state sharded over the ranks.

    The engine clips, so `advance` takes its limit from the config it was built with. The state is
    this rank's shard, not DeepSpeed's pickles.
    """

    engine: Any
    ranks: int

    @property
    def is_lockstep(self) -> bool:
        """ZeRO-2 reduces gradients at every backward."""
        return True

    def backward(self, loss: Tensor) -> None:
        """See `Update`; DeepSpeed takes the mean over ranks."""
        self.engine.set_gradient_accumulation_boundary(False)
        self.engine.backward(loss * self.ranks, scale_wrt_gas=False)

    def advance(self, limit: float, check: Check) -> float:
        """See `Update`; the norm is known only after the step, so a bad one is said late."""
        self.engine.set_gradient_accumulation_boundary(True)
        self.engine.backward(connected_zero(self.parameters), scale_wrt_gas=False)
        self.engine.step()
        norm = float(self.engine.get_global_grad_norm())
        check(norm)
        return norm


def connected_zero(parameters: Sequence[Tensor]) -> Tensor:
    """Zero, attached to every parameter."""
    return torch.stack([p.float().sum() * 0.0 for p in parameters]).sum()


def open_update(
    parallel: Parallel,
    model: Any,
    parameters: Sequence[Tensor],
    optimizer: torch.optim.Optimizer,
    max_grad_norm: float,
) -> Update:
    """The update that the launch configuration asks for.

    Raises:
        ConfigError: A way of sharding that this trainer does not know.
    """
    if parallel.kind == "plain":
        return PlainUpdate(parameters, optimizer, parallel)
    if parallel.kind == "fsdp":
        from vigos_train.sharding import ShardedUpdate

        return ShardedUpdate(parameters, optimizer, parallel)
    return _deepspeed(parallel, model, parameters, optimizer, max_grad_norm)


def _deepspeed(
    parallel: Parallel,
    model: Any,
    parameters: Sequence[Tensor],
    optimizer: torch.optim.Optimizer,
    max_grad_norm: float,
) -> DeepSpeedUpdate:
    import deepspeed

    asked = dict(parallel.accelerator.state.deepspeed_plugin.deepspeed_config)
    if (stage := asked.get("zero_optimization", {}).get("stage")) not in (1, 2):
        raise ConfigError(
            f"deepspeed stage {stage}: this trainer takes ZeRO 1 and 2; to shard the frozen base "
            "use configs/accelerate/fsdp2.yaml"
        )
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=optimizer,
        config={
            **asked,
            "train_batch_size": parallel.ranks,
            "train_micro_batch_size_per_gpu": 1,
            "gradient_accumulation_steps": 1,
            "gradient_clipping": max_grad_norm,
            "zero_allow_untested_optimizer": True,
        },
    )
    return DeepSpeedUpdate(parameters, optimizer, engine, parallel.ranks)
