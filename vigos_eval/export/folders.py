"""Scores as folders that TensorBoard and Weights & Biases read. Nothing is uploaded here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vigos_eval.errors import ConfigError
from vigos_eval.export.scalars import refuse_non_score, scalars
from vigos_eval.output_file import unwritable
from vigos_eval.scored_run import ScoredRun


def write_tensorboard(runs: Sequence[tuple[int, ScoredRun]], folder: Path) -> Path:
    """Write one event file with every run's scores at its step; returns the folder.

    Raises:
        ConfigError: The tensorboard package is missing, or the folder cannot be made.
        RunFolderError: A control or partial run.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ConfigError(
            f"--tensorboard needs tensorboard ({error}); install it with: pip install 'vigos[train]'"
        ) from error
    for _, run in runs:
        refuse_non_score(run)
    _make(folder, "--tensorboard")
    writer = EventFileWriter(str(folder))
    for step, run in runs:
        values = [Summary.Value(tag=tag, simple_value=v) for tag, v in scalars(run).items()]
        writer.add_event(Event(step=step, wall_time=_wall_time(run), summary=Summary(value=values)))
    writer.close()
    return folder


def _make(folder: Path, option: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, option, error) from error


def _wall_time(run: ScoredRun) -> float:
    """When the run started, seconds since 1970; the curve's time axis."""
    from datetime import datetime

    started = str(run.settings.get("started", ""))
    try:
        return datetime.fromisoformat(started).timestamp()
    except ValueError as error:
        raise ConfigError(
            f"{run.folder / 'run.json'}: started is {started!r}, no ISO time"
        ) from error


def write_wandb(runs: Sequence[tuple[int, ScoredRun]], folder: Path) -> Path:
    """Write one offline Weights & Biases run; ``wandb sync`` uploads it later. Returns its folder.

    Raises:
        ConfigError: The wandb package is missing, or the folder cannot be made.
        RunFolderError: A control or partial run.
    """
    try:
        import wandb
    except ImportError as error:
        raise ConfigError(
            f"--wandb needs wandb ({error}); install it with: pip install wandb"
        ) from error
    for _, run in runs:
        refuse_non_score(run)
    _make(folder, "--wandb")
    last = runs[-1][1]
    settings = wandb.Settings(
        mode="offline",
        console="off",
        silent=True,
        disable_git=True,
        disable_code=True,
        x_disable_stats=True,
        x_disable_meta=True,
    )
    opened = wandb.init(
        dir=str(folder),
        project="vigos",
        name=last.name,
        config=dict(_config(last)),
        settings=settings,
        reinit="create_new",
    )
    for step, run in runs:
        opened.log(scalars(run), step=step)
    written = Path(opened.dir).parent
    opened.finish()
    # finish() returns before its service has written the file (wandb 0.25, 1 run in 5); this waits.
    wandb.teardown()
    return written


def _config(run: ScoredRun) -> Mapping[str, Any]:
    return {
        "protocol": run.protocol,
        "model": run.settings["model"],
        "engine": run.settings.get("engine"),
        "fingerprint": run.settings.get("fingerprint"),
        "tasks": run.tasks,
    }
