"""Checkpoints that survive kill -9: written beside, flushed to the disk, then renamed.

    <folder>/checkpoints/step-000050/   adapter_model.safetensors, adapter_config.json: evaluate it
                                        as it lies there (pretrained=<that folder>)
                            state/      optimizer, schedule, random numbers, position, settings

A folder named step-* is always whole: the rename is the last thing that happens to it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vigos_eval.errors import CheckpointError, ConfigError

NAME = re.compile(r"step-(\d{6,})")
# Settings of memory, speed and output, not of the method: another value may go on from the same
# checkpoint (chunk and token_budget round anew and regroup dropout's draws).
FREE = (
    "output.",
    "evaluation.",
    "rollout.window",
    "rollout.gpu_memory_utilization",
    "rollout.sleep",
    "rollout.base_url",
    "loss.chunk",
    "optim.token_budget",
    "max_malformed_steps",
)


@dataclass(frozen=True)
class Position:
    """Where a run stands, beside its tensors.

    Attributes:
        step: Optimizer steps done; with the settings it is the data's position too.
        skipped: Rows skipped so far.
        malformed_steps: Steps in a row in which no rollout was valid.
        ranks: Processes that wrote it.
        settings: `loading.config_fields` of the run.
    """

    step: int
    skipped: int
    malformed_steps: int
    ranks: int
    settings: Mapping[str, Any]


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies.

    >>> str(checkpoint_folder(Path("runs/a"), 50))
    'runs/a/checkpoints/step-000050'
    """
    return folder / "checkpoints" / f"step-{step:06d}"


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    places = (folder / "checkpoints").glob("step-*")
    whole = [place for place in places if NAME.fullmatch(place.name) and place.is_dir()]
    return sorted(whole, key=lambda place: int(place.name.partition("-")[2]))


def write_folder(target: Path, write: Callable[[Path], None]) -> None:
    """Fill a folder and give it its name last; an older folder of that name goes away.

    Killed at any moment, `target` is the old folder, absent, or the whole new one; what is left
    over is named ``.partial-*`` or ``.old-*`` (`remove_leftovers`).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".partial-{target.name}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    write(partial)
    for path in sorted(partial.rglob("*")):
        _flush(path)
    _flush(partial)
    if target.exists():
        _remove(target)
    os.replace(partial, target)
    _flush(target.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half-written or half-removed."""
    for place in (folder, folder / "checkpoints"):
        for pattern in (".partial-*", ".old-*"):
            for left in place.glob(pattern):
                shutil.rmtree(left, ignore_errors=True)


def drop_old(folder: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints."""
    for place in checkpoints(folder)[:-keep]:
        _remove(place)


def _remove(place: Path) -> None:
    # Renamed first: a half-removed folder must not carry a whole one's name.
    old = place.parent / f".old-{place.name}"
    shutil.rmtree(old, ignore_errors=True)
    os.replace(place, old)
    shutil.rmtree(old)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_position(folder: Path, position: Position) -> None:
    """Write ``state/position.json``."""
    text = json.dumps(asdict(position), indent=1, sort_keys=True)
    (folder / "state" / "position.json").write_text(text, encoding="utf-8")


def read_position(checkpoint: Path) -> Position:
    """Where the run stood.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    path = checkpoint / "state" / "position.json"
    try:
        return Position(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}); remove {checkpoint} and resume from the one before"
        ) from error


def check_same_settings(before: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """Raise unless a run may go on under the present settings.

    Raises:
        ConfigError: A setting that shapes the weights differs; names it and both values.
    """
    for name in sorted(before.keys() | now.keys()):
        if name.startswith(FREE) or before.get(name) == now.get(name):
            continue
        raise ConfigError(
            f"{name} is {now.get(name)!r}, but {where} was trained with {before.get(name)!r}; "
            "resume with the same settings, or name another output.folder"
        )
