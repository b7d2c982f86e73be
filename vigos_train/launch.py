"""From a config to a finished adapter: loads, resumes, steps, evaluates, saves. No method here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from vigos_eval.errors import ConfigError
from vigos_train.checkpoint import (
    check_same_settings,
    checkpoints,
    read_position,
    remove_leftovers,
    write_folder,
)
from vigos_train.config import TrainConfig
from vigos_train.contexts import NO_ANSWER, short_answer
from vigos_train.data import Rows, answers, open_rows, split_rows
from vigos_train.evaluation import flips_of
from vigos_train.loading import config_fields, config_text, replaced
from vigos_train.optim import steps_in_run
from vigos_train.parallel import Parallel, open_parallel
from vigos_train.rollout import training_protocol
from vigos_train.run_files import check_trackers
from vigos_train.run_loop import AfterCheckpoint, RunLoop, TrainedRun
from vigos_train.samplers import check_rollouts, open_sampler
from vigos_train.student import Student, base_checkpoint, load_student
from vigos_train.tensors import (
    adapter_tensors,
    load_tensors,
    save_adapter,
)
from vigos_train.trainer import Trainer


def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    rows: Rows | None = None,
    held_out: Rows | None = None,
    after_checkpoint: AfterCheckpoint | None = None,
) -> TrainedRun:
    """Train one adapter.

    Args:
        config: The run.
        resume: Go on from the last whole checkpoint in `config.output.folder`.
        rows: Rows to train on instead of `config.data`'s.
        held_out: Rows to evaluate on instead of `config.data.held_out`'s share.
        after_checkpoint: Called on the main process with every new checkpoint's folder and step.

    Raises:
        UserError: Whatever the user can mend, said before anything is trained where possible.
    """
    folder = Path(config.output.folder)
    start = starting_point(folder, config, resume)
    if rows is None:
        rows, split = split_rows(open_rows(config.data), config.data.held_out)
        held_out = split if held_out is None else held_out
    flips = flips_of(config.evaluation.flip_source)
    parallel = open_parallel()
    if parallel.is_main:
        warn_of_missing_answers(rows)
    config.optim.accumulation(parallel.ranks)
    check_rollouts(config, parallel)
    check_trackers(config.output.report_to)
    if after_checkpoint is None and config.evaluation.tasks:
        from vigos_train.benchmark_runs import benchmark_runs

        after_checkpoint = benchmark_runs(config.evaluation, folder)
    if parallel.is_main:
        print(opening_line(config, len(rows), start), file=sys.stderr, flush=True)
    parallel.main_first(lambda: _prepare_folder(folder, config))
    settings = config_fields(config)
    config = _with_base(config, rows, parallel, is_new=start is None)
    student = load_student(
        config.model,
        config.lora,
        device=parallel.device,
        seed=config.optim.seed,
        adapter=start,
    )
    trainer = make_trainer(config, student, rows, parallel, folder)
    try:
        _restore(trainer, start)
        return RunLoop(trainer, folder, settings, held_out, flips, after_checkpoint).finished()
    finally:
        trainer.sampler.close()


def starting_point(folder: Path, config: TrainConfig, resume: bool) -> Path | None:
    """The checkpoint to go on from, or None for a fresh start.

    Raises:
        ConfigError: The folder holds a run and `resume` is off, or other settings.
    """
    found = checkpoints(folder)
    if not found:
        if resume:
            print(f"{folder} holds no whole checkpoint: starting from step 0", file=sys.stderr)
        return None
    if not resume:
        raise ConfigError(
            f"output.folder {folder} holds a run up to {found[-1].name}; pass --resume to go on, "
            "or name another folder"
        )
    check_same_settings(read_position(found[-1]).settings, config_fields(config), found[-1])
    return found[-1]


def opening_line(config: TrainConfig, rows: int, start: Path | None) -> str:
    """What is about to happen, before the minutes in which a model loads.

    >>> print(opening_line(TrainConfig(), 47_600, Path("runs/train/checkpoints/step-000050")))
    vigos: 47,600 rows, 1,488 steps of 32, rollouts by hf -> runs/train, going on from step-000050
    """
    steps = steps_in_run(rows, config.optim)
    resumed = "" if start is None else f", going on from {start.name}"
    return (
        f"{config.method}: {rows:,} rows, {steps:,} steps of {config.optim.batch_size}, rollouts "
        f"by {config.rollout.engine} -> {config.output.folder}{resumed}"
    )


def warn_of_missing_answers(rows: Rows) -> None:
    """Say how many rows have no reference answer, if any."""
    missing = sum(not short_answer(answer) for answer in answers(rows))
    if missing:
        print(
            f'{missing} of {len(rows)} rows have no answer: their teachers are told "{NO_ANSWER}"',
            file=sys.stderr,
        )


def _prepare_folder(folder: Path, config: TrainConfig) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    (folder / "config.yaml").write_text(config_text(config), encoding="utf-8")


def _with_base(config: TrainConfig, rows: Rows, parallel: Parallel, *, is_new: bool) -> TrainConfig:
    """The config whose base exists: the tiny checkpoint made, the warm start done, if asked.

    A run without a checkpoint makes its base anew: one that lies there may be of other settings.
    """
    base = Path(config.output.folder) / "base"
    if config.model.pretrained != "tiny" and not config.warm_start.steps:
        base_checkpoint(config.model)
        return config
    from vigos_train.warm_start import make_base

    if is_new or not base.is_dir():
        parallel.main_first(lambda: make_base(config, rows, base, parallel.device))
    return replaced(config, model__pretrained=str(base), model__revision="")


def make_trainer(
    config: TrainConfig, student: Student, rows: Rows, parallel: Parallel, folder: Path
) -> Trainer:
    """A trainer with the sampler that the settings name; adapters are handed over in `folder`."""

    def hand_over(target: Path, use: Callable[[], None]) -> None:
        state = adapter_tensors(student.model)

        def write() -> None:
            write_folder(target, lambda place: save_adapter(student.model, state, place))

        parallel.main_first(write)
        # The main process loads it into a server first; an engine of one's own is ready at once.
        if parallel.is_main:
            use()
        parallel.wait()
        if not parallel.is_main:
            use()
        parallel.main_first(lambda: _drop_others(target))

    return Trainer(
        config=config,
        student=student,
        sampler=open_sampler(config, student, hand_over, folder, parallel),
        rows=rows,
        parallel=parallel,
        protocol=training_protocol(config.protocol),
        total_steps=steps_in_run(len(rows), config.optim),
    )


def _drop_others(target: Path) -> None:
    import shutil

    for other in target.parent.iterdir():
        if other != target:
            shutil.rmtree(other)


def _restore(trainer: Trainer, start: Path | None) -> None:
    """Optimizer, schedule, random numbers and counters of a checkpoint, or fresh ones."""
    import torch

    torch.manual_seed(trainer.config.optim.seed + 1 + trainer.parallel.rank)
    if start is None:
        return
    position = read_position(start)
    trainer.done = position.step
    trainer.skipped = position.skipped
    trainer.malformed_steps = position.malformed_steps
    if position.ranks != trainer.parallel.ranks and trainer.parallel.is_main:
        print(
            f"{start.name} was written by {position.ranks} ranks, now {trainer.parallel.ranks}: "
            "dropout will differ from an unbroken run",
            file=sys.stderr,
        )
    load_tensors(trainer, start, is_same_ranks=position.ranks == trainer.parallel.ranks)
