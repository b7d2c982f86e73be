"""lmms-eval tasks on every checkpoint, through `vigos-eval run`: a run folder for each.

`vigos-eval compare <folder>/benchmarks/step-*` then reads the whole training.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from vigos_train.config import EvaluationConfig


def benchmark_runs(config: EvaluationConfig, folder: Path) -> Callable[[Path, int], None]:
    """What to do with a new checkpoint: evaluate it in a process of its own.

    A benchmark that fails is said and does not end the training: the checkpoint is still there.
    """

    def after_checkpoint(checkpoint: Path, step: int) -> None:
        target = folder / "benchmarks" / checkpoint.name
        command = benchmark_command(config, checkpoint, target)
        print(f"step {step}: {' '.join(command[2:])}", file=sys.stderr, flush=True)
        with _log_file(target).open("wb") as log:
            done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            print(
                f"step {step}: the benchmark failed (exit {done.returncode}); see "
                f"{_log_file(target)}",
                file=sys.stderr,
                flush=True,
            )

    return after_checkpoint


def benchmark_command(config: EvaluationConfig, checkpoint: Path, target: Path) -> list[str]:
    """The command line of one evaluation.

    >>> config = EvaluationConfig(tasks="vilp", task_args="protocol=demo", task_limit=4)
    >>> words = benchmark_command(config, Path("c/step-000004"), Path("b/step-000004"))
    >>> words[1:6]
    ['-m', 'vigos_eval.cli', 'run', '--model', 'vigos']
    >>> words[-3:]
    ['pretrained=c/step-000004,run=b/step-000004,protocol=demo', '--limit', '4']
    """
    args = [f"pretrained={checkpoint}", f"run={target}"]
    if config.task_args:
        args.append(config.task_args)
    words = [sys.executable, "-m", "vigos_eval.cli", "run", "--model", "vigos"]
    words += ["--tasks", config.tasks, "--model_args", ",".join(args)]
    return words + (["--limit", str(config.task_limit)] if config.task_limit else [])


def _log_file(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f"{target.name}.log"
