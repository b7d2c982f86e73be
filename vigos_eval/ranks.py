"""Several processes of one evaluation: what they tell each other, and how they end."""

from __future__ import annotations

import atexit
import os
from typing import TypeVar

T = TypeVar("T")


def is_main_process() -> bool:
    """Whether this process is rank 0 of a launcher's, or the only one; known before a group is."""
    return os.environ.get("RANK", "0") == "0"


def from_all_ranks(own: T) -> list[T]:
    """What every rank says here, by rank, on every rank."""
    import torch.distributed

    box = [own] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(box, own)
    return box


def from_rank_0(own: T) -> T:
    """What rank 0 says here, on every rank."""
    import torch.distributed

    box = [own]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def leave_group_at_exit() -> None:
    """Take this process out of its gloo group before Python shuts down.

    TRAP: gloo's worker threads hold tensors of the last collectives. One that lets go of them while
    Python shuts down takes the process along (SIGABRT), and torchrun calls the finished run failed.
    """
    atexit.unregister(_leave_group)
    atexit.register(_leave_group)


def _leave_group() -> None:
    import torch.distributed

    # Only gloo: leaving NCCL's can wait for a rank that has failed.
    if torch.distributed.is_initialized() and torch.distributed.get_backend() == "gloo":
        torch.distributed.destroy_process_group()
