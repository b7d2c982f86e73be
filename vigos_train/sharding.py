"""FSDP2: the frozen base's layers, and the adapter in them, sharded over the ranks.

A layer is gathered for each forward and backward, so every rank must run equally many: rows are
scored one sequence at a time, and ranks with fewer sequences run idle ones that score nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vigos_train.encoding import NO_IMAGES
from vigos_train.optim import OwnOptimizer
from vigos_train.parallel import Parallel
from vigos_train.routing import Route, Segment, Target
from vigos_train.scoring import ScoringRow

Shards = Mapping[str, Any]


@dataclass(frozen=True)
class ShardedUpdate(OwnOptimizer):
    """AdamW on shards."""

    parallel: Parallel

    @property
    def is_lockstep(self) -> bool:
        """Forward and backward passes meet in every layer."""
        return True

    def backward(self, loss: Tensor) -> None:
        """See `updates.Update`; FSDP takes the mean over ranks."""
        torch.autograd.backward(loss * self.parallel.ranks)

    def advance(self, limit: float, check: Callable[[float], None]) -> float:
        """See `updates.Update`."""
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return self.clipped_step(limit, check)

    def optimizer_state(self) -> Mapping[str, Any]:
        """See `updates.Update`: this rank's shards."""
        state = super().optimizer_state()
        return {**state, "state": {k: _local(v) for k, v in state["state"].items()}}

    def load_optimizer_state(self, state: Mapping[str, Any]) -> None:
        """See `updates.Update`."""
        whole = {
            number: _as_shards(each, self.parameters[number])
            for number, each in state["state"].items()
        }
        super().load_optimizer_state({**state, "state": whole})


def _local(state: Shards) -> dict[str, Any]:
    return {k: v.to_local() if hasattr(v, "to_local") else v for k, v in state.items()}


def _as_shards(state: Shards, parameter: Any) -> dict[str, Any]:
    from torch.distributed.tensor import DTensor

    return {
        name: DTensor.from_local(
            value.to(parameter.device),
            parameter.device_mesh,
            parameter.placements,
            shape=parameter.shape,
            stride=parameter.stride(),
        )
        if value.dim()
        else value
        for name, value in state.items()
    }


def shard_layers(model: Any, device: str) -> None:
    """Shard the language model's layers in place; embeddings, head and vision tower stay whole."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    kind = torch.device(device).type
    mesh = init_device_mesh(kind, (torch.distributed.get_world_size(),))
    language = model.get_base_model().model.language_model
    for layer in language.layers:
        fully_shard(layer, mesh=mesh)
    outside = {language.embed_tokens.weight, *language.norm.parameters()}
    fully_shard(language, mesh=mesh, ignored_params=outside)


def whole_tensor(value: Tensor) -> Tensor:
    """The tensor gathered from its shards; collective. A tensor that is whole is itself."""
    gather = getattr(value, "full_tensor", None)
    return value if gather is None else gather()


def lockstep_rows(
    rows: Sequence[ScoringRow], size: int, targets: int, idle_token: int
) -> list[ScoringRow]:
    """Exactly `size` rows of exactly `targets` teacher sequences each; what is added scores nothing.

    Args:
        rows: At most `size`.
        size: Rows per micro-batch.
        targets: Teacher sequences per row: 2 for ViGOS, 1 for OPSD.
        idle_token: Any token id that is no image place.
    """
    nothing = Route((idle_token, idle_token), (idle_token,), ())
    padded = [*rows, *([ScoringRow(nothing, NO_IMAGES)] * (size - len(rows)))]
    return [_with_targets(row, targets, idle_token) for row in padded]


def _with_targets(row: ScoringRow, count: int, idle_token: int) -> ScoringRow:
    """The row's own prompt, its image places included, is what an idle teacher reads."""
    idle = Target(Segment.PERCEPTION, (*row.route.prompt, idle_token), slice(0, 0))
    missing = count - len(row.route.targets)
    return replace(row, route=replace(row.route, targets=row.route.targets + (idle,) * missing))
