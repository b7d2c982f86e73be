"""Ranks: who am I, sums over ranks, plain gradients over ranks. No model and no loss here.

How gradients meet is updates.py's subject. Only the adapter has any, so under plain data
parallelism nothing is wrapped: its gradients are summed over the ranks once per optimizer step, in
one buffer. That is exact for any number of forward and backward passes per rank, also none, where
DistributedDataParallel needs the same on every rank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import torch
from torch import Tensor

from vigos_eval.errors import ConfigError
from vigos_eval.ranks import from_all_ranks, leave_group_at_exit


@dataclass(frozen=True)
class Parallel:
    """This process among its ranks.

    Attributes:
        accelerator: accelerate's view of the processes and the device.
        kind: How weights and gradients lie on the ranks: ``plain`` (everything on each),
            ``deepspeed`` (ZeRO 1 or 2) or ``fsdp`` (FSDP2).
    """

    accelerator: Any
    kind: Literal["plain", "deepspeed", "fsdp"] = "plain"

    @property
    def rank(self) -> int:
        """0 on the main process."""
        return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0

    @property
    def ranks(self) -> int:
        """How many processes."""
        # Not accelerate's: it counts one process when DeepSpeed runs on CPUs.
        return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    @property
    def device(self) -> str:
        """Where this process computes."""
        return str(self.accelerator.device)

    def wait(self) -> None:
        """Until every rank is here."""
        if self.ranks > 1:
            torch.distributed.barrier()

    def summed(self, numbers: Sequence[float]) -> list[float]:
        """Sums over the ranks, float64."""
        if self.ranks == 1:
            return list(numbers)
        tensor = torch.tensor(list(numbers), dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(tensor)
        return [float(value) for value in tensor.tolist()]

    def gathered(self, value: Any) -> list[Any]:
        """The value of every rank, by rank, on every rank."""
        if self.ranks == 1:
            return [value]
        return from_all_ranks(value)

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace every gradient by its sum over the ranks; a missing one counts as zero."""
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.ranks == 1:
            return
        flat = torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None])
        torch.distributed.all_reduce(flat)
        start = 0
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.grad.copy_(flat[start : start + parameter.numel()].view_as(parameter))
            start += parameter.numel()

    def share_from_main(self, parameters: Sequence[Tensor]) -> None:
        """Every rank takes the main process's values: all start from one adapter."""
        if self.ranks > 1:
            for parameter in parameters:
                torch.distributed.broadcast(parameter.data, 0)

    def main_first(self, act: Callable[[], None]) -> None:
        """The main process acts; the others go on when it is done."""
        if self.is_main:
            act()
        self.wait()


def open_parallel() -> Parallel:
    """The processes that torchrun or accelerate launch started, or this one alone.

    Raises:
        ConfigError: More processes on a machine than it has GPUs.
    """
    import os

    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    gpus = torch.cuda.device_count()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if 0 < gpus < here:
        raise ConfigError(
            f"{here} processes on a machine with {gpus} GPU{'s' if gpus > 1 else ''}; start one "
            "per GPU (--nproc_per_node, --num_processes)"
        )
    is_deepspeed = os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true"
    # The base is loaded in its own dtype and the adapter is float32: nothing is left to autocast.
    # TRAP: cpu=True makes accelerate forget DeepSpeed.
    accelerator = Accelerator(
        cpu=gpus == 0 and not is_deepspeed,
        mixed_precision="no",
        # The other ranks wait while the main process evaluates a checkpoint: hours, not NCCL's ten
        # minutes.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=24))],
    )
    leave_group_at_exit()
    kind = str(accelerator.distributed_type.value)
    if kind == "DEEPSPEED":
        return Parallel(accelerator, "deepspeed")
    if kind == "FSDP":
        if os.environ.get("FSDP_VERSION", "1") != "2":
            raise ConfigError("fsdp_version 1: use 2, as configs/accelerate/fsdp2.yaml does")
        return Parallel(accelerator, "fsdp")
    if kind not in ("NO", "MULTI_GPU", "MULTI_CPU"):
        raise ConfigError(
            f"distributed_type {kind}: use MULTI_GPU, DEEPSPEED (ZeRO 2) or FSDP (version 2), as "
            "in configs/accelerate/"
        )
    return Parallel(accelerator)
