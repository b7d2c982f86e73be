"""What a run writes while it runs: curves, rollouts, a progress bar, other people's trackers.

<folder>/config.yaml      every setting, defaults included: load_config reads it back
<folder>/log.jsonl        one line per logged step or evaluation
<folder>/rollouts.jsonl   texts with spans and KL per segment, every so many steps
<folder>/tracked/         what TensorBoard writes; W&B writes <folder>/wandb/
<folder>/wandb_id         the W&B run that a resumed training goes on with
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vigos_eval.errors import ConfigError
from vigos_train.config import OutputConfig
from vigos_train.rollout import Rollout
from vigos_train.scoring import SegmentKl

COLUMNS = ("row", "text", "reference", "format", "mean KL")
# clipped: the share of description tokens above the clip, which teach nothing.
SHOWN = ("loss", "clipped/perception", "format_rate", "match_rate", "length_mean", "seconds")


@dataclass
class RunFiles:
    """The main process's files and screen; every other rank has none.

    Attributes:
        folder: The run's.
        output: How often.
        total: The run's last step.
        trackers: accelerate's, or none.
        bar: tqdm, or None when the output is no terminal.
    """

    folder: Path
    output: OutputConfig
    total: int
    trackers: Sequence[Any] = ()
    bar: Any = None
    _sums: dict[str, list[float]] = field(default_factory=dict)

    def log_step(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take in a step; every `log_every` steps, and at the end, the means since the last line."""
        for name, value in numbers.items():
            self._sums.setdefault(name, []).append(value)
        if self.bar is not None:
            self.bar.update(1)
            self.bar.set_postfix_str(_short(numbers))
        if step % self.output.log_every == 0 or step == self.total:
            means = {name: sum(v) / len(v) for name, v in self._sums.items()}
            self._sums.clear()
            self.log(step, means)
            if self.bar is None:
                print(f"step {step}/{self.total}: {_short(numbers)}", file=sys.stderr, flush=True)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One line of log.jsonl, and the same numbers to the trackers."""
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **numbers}) + "\n")
        for tracker in self.trackers:
            tracker.log(dict(numbers), step=step)

    def log_rollouts(self, step: int, lines: Sequence[Mapping[str, Any]]) -> None:
        """Append rollouts, and show some as a table."""
        with (self.folder / "rollouts.jsonl").open("a", encoding="utf-8") as file:
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        cells = [_cells(line) for line in lines]
        for tracker in self.trackers:
            if hasattr(tracker, "log_table"):  # W&B and ClearML show tables
                tracker.log_table("rollouts", list(COLUMNS), cells, step=step)
        if self.output.table_rows:
            _print_table(step, cells[: self.output.table_rows])

    def close(self) -> None:
        """End the bar and the trackers."""
        if self.bar is not None:
            self.bar.close()
        for tracker in self.trackers:
            tracker.finish()


def rollout_lines(
    step: int, rollouts: Sequence[Rollout], kls: Sequence[SegmentKl]
) -> Iterator[dict[str, Any]]:
    """One mapping per rollout: texts, spans as token ranges, mean KL and clipped share per segment."""
    for number, rollout in enumerate(rollouts):
        own = [each for each in kls if each.row == number and len(each.kl)]
        yield {
            "step": step,
            "row": rollout.asked.row.id,
            "problem": rollout.asked.row.problem,
            "answer": rollout.asked.row.answer,
            "text": rollout.text,
            "tokens": len(rollout.ids),
            "is_truncated": rollout.is_truncated,
            "is_valid": rollout.spans.is_valid,
            "missing": rollout.spans.missing,
            "description": [rollout.spans.description.start, rollout.spans.description.stop],
            "reasoning": [rollout.spans.reasoning.start, rollout.spans.reasoning.stop],
            "kl": {str(each.segment): float(each.kl.mean()) for each in own},
            "clipped": {str(each.segment): float(each.clipped.float().mean()) for each in own},
        }


def open_run_files(
    folder: Path, output: OutputConfig, settings: Mapping[str, Any], done: int, total: int
) -> RunFiles:
    """Start or go on with a run's files: what was logged after step `done` is dropped.

    Raises:
        ConfigError: W&B does not start; for the names of trackers see `check_trackers`.
    """
    for name in ("log.jsonl", "rollouts.jsonl"):
        _keep_until(folder / name, done)
    bar = None
    if sys.stderr.isatty():
        from tqdm import tqdm

        bar = tqdm(total=total, initial=done, unit="step")
    return RunFiles(folder, output, total, _trackers(folder, output.report_to, settings, done), bar)


def check_trackers(names: Sequence[str]) -> None:
    """Refuse, before anything is spent, a tracker that does not exist or is not installed.

    Raises:
        ConfigError: output.report_to names such a one.
    """
    if not names:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    installed = {str(name.value) for name in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise ConfigError(
                f"output.report_to {name!r} does not exist; use {', '.join(LOGGER_TYPE_TO_CLASS)}, "
                "or [] for none"
            )
        if name not in installed:
            raise ConfigError(f"output.report_to {name!r} is not installed: pip install {name}")


def _trackers(
    folder: Path, names: Sequence[str], settings: Mapping[str, Any], done: int
) -> list[Any]:
    if not names:
        return []
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    flat = {k: v if isinstance(v, int | float | str) else str(v) for k, v in settings.items()}
    found = []
    for name in names:
        kind = LOGGER_TYPE_TO_CLASS[name]
        own: dict[str, Any] = {}
        if kind.requires_logging_directory:
            own = {"logging_dir": str(folder)}
        if name == "tensorboard":
            own["purge_step"] = done + 1  # what a killed process logged beyond its checkpoint
        if name == "wandb":
            own = _wandb_settings(folder, done)
        tracker = kind("tracked" if kind.requires_logging_directory else "vigos", **own)
        _start(name, tracker)
        tracker.store_init_configuration(flat)
        found.append(tracker)
    return found


def _wandb_settings(folder: Path, done: int) -> dict[str, str]:
    """What `wandb.init` takes; the id lies in the folder, so that `--resume` goes on in its run."""
    place = folder / "wandb_id"
    if done == 0 or not place.is_file():
        place.write_text(secrets.token_hex(4), encoding="utf-8")
    run_id = place.read_text(encoding="utf-8")
    return {"name": folder.name, "dir": str(folder), "id": run_id, "resume": "allow"}


def _start(name: str, tracker: Any) -> None:
    """Start a tracker; what W&B refuses (no login, no network) is the user's to mend."""
    if name != "wandb":
        tracker.start()
        return
    from wandb.errors import Error

    try:
        tracker.start()
    except Error as error:
        raise ConfigError(
            f"output.report_to wandb does not start ({' '.join(str(error).split())}); log in with "
            "`wandb login`, or set WANDB_MODE=offline"
        ) from error


def _keep_until(path: Path, step: int) -> None:
    """Drop lines of later steps, and a torn last line."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n") and json.loads(line)["step"] <= step:
            kept.append(line)
    path.write_text("".join(kept), encoding="utf-8")


def _short(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {numbers[name]:.3g}" for name in SHOWN if name in numbers)


def _cells(line: Mapping[str, Any]) -> list[str]:
    """One rollout as a row of the table (`COLUMNS`)."""
    kl = "\n".join(f"{name} {value:.3f}" for name, value in line["kl"].items())
    state = "valid" if line["is_valid"] else f"lacks {line['missing']}"
    return [line["row"], line["text"], line["answer"], state, kl]


def _print_table(step: int, rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"rollouts of step {step}", title_justify="left")
    for name in COLUMNS:
        table.add_column(name, overflow="fold")
    for row in rows:
        # Text, not markup: what a model writes must not colour the screen or break the table.
        table.add_row(*(Text(cell[:600]) for cell in row))
    Console(stderr=True).print(table)
