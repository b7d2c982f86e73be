"""Ranks: who am I, sums over ranks, gradients over ranks. No model and no loss here.

Only the adapter has gradients, so under plain data parallelism nothing is wrapped: its gradients
are summed over the ranks once per optimizer step, in one buffer. That is exact for any number of
forward and backward passes per rank, also none, where DistributedDataParallel needs the same on
every rank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vigos_eval.errors import ConfigError


@dataclass(frozen=True)
class Parallel:
    """This process among its ranks.

    Attributes:
        accelerator: accelerate's view of the processes and the device.
    """

    accelerator: Any

    @property
    def rank(self) -> int:
        """0 on the main process."""
        return int(self.accelerator.process_index)

    @property
    def ranks(self) -> int:
        """How many processes."""
        return int(self.accelerator.num_processes)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks."""
        return bool(self.accelerator.is_main_process)

    @property
    def device(self) -> str:
        """Where this process computes."""
        return str(self.accelerator.device)

    def wait(self) -> None:
        """Until every rank is here."""
        self.accelerator.wait_for_everyone()

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
        found: list[Any] = [None] * self.ranks
        torch.distributed.all_gather_object(found, value)
        return found

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

    gpus = torch.cuda.device_count()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if 0 < gpus < here:
        raise ConfigError(
            f"{here} processes on a machine with {gpus} GPU{'s' if gpus > 1 else ''}; start one "
            "per GPU (--nproc_per_node, --num_processes)"
        )
    # The base is loaded in its own dtype and the adapter is float32: nothing is left to autocast.
    return Parallel(Accelerator(cpu=gpus == 0, mixed_precision="no"))
