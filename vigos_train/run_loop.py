"""The loop around the steps: what is logged, evaluated and saved, and when. No loading, no method."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vigos_train.checkpoint import Position, checkpoint_folder, drop_old, write_folder
from vigos_train.data import Rows
from vigos_train.evaluation import FlipRows, evaluate, is_due
from vigos_train.rollout import skipped_reasons
from vigos_train.run_files import RunFiles, open_run_files, rollout_lines
from vigos_train.tensors import adapter_tensors, save_adapter, save_checkpoint
from vigos_train.trainer import StepReport, Trainer

AfterCheckpoint = Callable[[Path, int], None]


@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Attributes:
        adapter: Folder of the last adapter; evaluate it as it lies there.
        steps: Optimizer steps done.
        last: The last step's numbers.
        evaluation: The last evaluation's numbers; empty when none was due.
    """

    adapter: Path
    steps: int
    last: dict[str, float]
    evaluation: dict[str, float] = field(default_factory=dict)


@dataclass
class RunLoop:
    """The loop around the steps.

    Attributes:
        trainer: What steps.
        folder: The run's.
        settings: As the user gave them; kept with every checkpoint.
        held_out: Rows to evaluate on, or None.
        flips: A prior-flip set, or None.
        after_checkpoint: Called on the main process with every new checkpoint.
        evaluation: The last evaluation's numbers.
    """

    trainer: Trainer
    folder: Path
    settings: Mapping[str, Any]
    held_out: Rows | None
    flips: FlipRows | None
    after_checkpoint: AfterCheckpoint | None
    evaluation: dict[str, float] = field(default_factory=dict)

    def finished(self) -> TrainedRun:
        """Step until the end."""
        trainer, parallel = self.trainer, self.trainer.parallel
        files = self._files() if parallel.is_main else None
        last: dict[str, float] = {}
        skipped: list[Any] = []
        try:
            while trainer.done < trainer.total_steps:
                report = trainer.step()
                last = report.numbers
                skipped += report.skipped
                self._record(report, files)
                self._evaluate(files)
                self._save(files)
        finally:
            if files is not None:
                files.close()
        if parallel.is_main and skipped:
            reasons = "; ".join(f"{n} because {why}" for why, n in skipped_reasons(skipped).items())
            print(f"skipped {len(skipped)} rows: {reasons}", file=sys.stderr)
        state = adapter_tensors(trainer.student.model)
        model, adapter = trainer.student.model, self.folder / "adapter"
        parallel.main_first(
            lambda: write_folder(adapter, lambda place: save_adapter(model, state, place))
        )
        return TrainedRun(adapter, trainer.done, last, self.evaluation)

    def _files(self) -> RunFiles:
        trainer = self.trainer
        return open_run_files(
            self.folder,
            trainer.config.output,
            self.settings,
            trainer.done,
            trainer.total_steps,
        )

    def _record(self, report: StepReport, files: RunFiles | None) -> None:
        trainer = self.trainer
        if files is not None:
            files.log_step(trainer.done, report.numbers)
        if is_due(trainer.done, trainer.config.output.rollouts_every, trainer.total_steps):
            lines = list(rollout_lines(trainer.done, report.rollouts, report.kls))
            gathered = trainer.parallel.gathered(lines)
            if files is not None:
                files.log_rollouts(trainer.done, [line for part in gathered for line in part])

    def _evaluate(self, files: RunFiles | None) -> None:
        trainer = self.trainer
        if not is_due(trainer.done, trainer.config.evaluation.every, trainer.total_steps):
            return
        held_out = [] if self.held_out is None else self.held_out
        self.evaluation = evaluate(trainer, held_out, self.flips)
        if files is not None and self.evaluation:
            files.log(trainer.done, self.evaluation)
            shown = ", ".join(f"{k} {v:.3f}" for k, v in self.evaluation.items())
            print(f"step {trainer.done}: {shown}", file=sys.stderr, flush=True)

    def _save(self, files: RunFiles | None) -> None:
        trainer, output = self.trainer, self.trainer.config.output
        if not is_due(trainer.done, output.save_every, trainer.total_steps):
            return
        target = save_checkpoint_of(trainer, self.folder, self.settings)
        if files is not None:
            drop_old(self.folder, output.keep)
            if self.after_checkpoint is not None:
                self.after_checkpoint(target, trainer.done)
        trainer.parallel.wait()


def save_checkpoint_of(trainer: Trainer, folder: Path, settings: Mapping[str, Any]) -> Path:
    """Write the checkpoint of this moment into a run's folder; returns its place; collective."""
    target = checkpoint_folder(folder, trainer.done)
    position = Position(
        step=trainer.done,
        skipped=trainer.skipped,
        malformed_steps=trainer.malformed_steps,
        ranks=trainer.parallel.ranks,
        settings=settings,
    )
    save_checkpoint(trainer, target, position)
    return target
