"""A checkpoint's tensors: adapter, optimizer, schedule, random numbers. Names are checkpoint.py's.

Everything is loaded with `weights_only`: a checkpoint is untrusted, and a pickle may run code.
"""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vigos_eval.errors import CheckpointError
from vigos_train.checkpoint import Position, write_folder, write_position
from vigos_train.sharding import whole_tensor

if TYPE_CHECKING:
    from vigos_train.trainer import Trainer


def adapter_tensors(model: Any) -> dict[str, torch.Tensor]:
    """The adapter's tensors on the CPU, under peft's names; collective when they are sharded."""
    from peft import get_peft_model_state_dict

    return {
        name: whole_tensor(value.detach()).to("cpu").contiguous()
        for name, value in get_peft_model_state_dict(model).items()
    }


def save_adapter(model: Any, state: dict[str, torch.Tensor], folder: Path) -> None:
    """The adapter as peft reads it: adapter_model.safetensors and adapter_config.json."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = copy.copy(model.peft_config["default"])
    config.inference_mode = True
    config.save_pretrained(str(folder))


def save_checkpoint(trainer: Trainer, target: Path, position: Position) -> None:
    """One whole checkpoint, visible only when it is whole; collective."""
    randoms = trainer.parallel.gathered(_random_state())
    adapter = adapter_tensors(trainer.student.model)
    # Every rank's shard; without sharding the main process's is the whole.
    own = trainer.updates.optimizer_state()
    optimizers = [own] if trainer.parallel.kind == "plain" else trainer.parallel.gathered(own)

    def write(place: Path) -> None:
        save_adapter(trainer.student.model, adapter, place)
        state = place / "state"
        state.mkdir()
        torch.save(optimizers, state / "optimizer.pt")
        torch.save(trainer.schedule.state_dict(), state / "schedule.pt")
        torch.save(randoms, state / "random.pt")
        write_position(place, position)

    trainer.parallel.main_first(lambda: write_folder(target, write))


def load_tensors(trainer: Trainer, checkpoint: Path, *, is_same_ranks: bool) -> None:
    """Optimizer, schedule and, if the ranks are the same, random numbers; the adapter is loaded.

    Raises:
        CheckpointError: A file is missing or damaged.
    """
    state = checkpoint / "state"
    try:
        optimizers, schedule, randoms = (
            torch.load(state / name, map_location="cpu", weights_only=True)
            for name in ("optimizer.pt", "schedule.pt", "random.pt")
        )
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{state} cannot be read ({str(error).splitlines()[0]}); remove {checkpoint} and "
            "resume from the one before"
        ) from error
    is_sharded = trainer.parallel.kind != "plain"
    if (len(optimizers) > 1 or is_sharded) and len(optimizers) != trainer.parallel.ranks:
        raise CheckpointError(
            f"{checkpoint} holds an optimizer in {len(optimizers)} shards, this run has "
            f"{trainer.parallel.ranks} ranks ({trainer.parallel.kind}); resume under the same launch"
        )
    trainer.updates.load_optimizer_state(optimizers[trainer.parallel.rank if is_sharded else 0])
    trainer.schedule.load_state_dict(schedule)
    if is_same_ranks:
        own = randoms[trainer.parallel.rank]
        torch.set_rng_state(own["cpu"])
        if own["cuda"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(own["cuda"])


def _random_state() -> dict[str, torch.Tensor | None]:
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}
