"""`vigos-eval export RUN [RUN ...]`: arguments only; the formats are vigos_eval.export's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="run folders, e.g. of successive checkpoints",
    )
    parser.add_argument(
        "--model-index",
        metavar="FILE",
        help="model-card YAML for the hub, of the last run; - prints it (the default)",
    )
    parser.add_argument("--model", help="the model's name in the card (default: the checkpoint's)")
    parser.add_argument(
        "--tensorboard",
        type=Path,
        metavar="DIR",
        help="event file; see it with tensorboard --logdir DIR",
    )
    parser.add_argument(
        "--wandb", type=Path, metavar="DIR", help="offline run; upload it with wandb sync"
    )
    parser.add_argument(
        "--steps",
        metavar="N,N",
        help="training step of each run for the curves (default: 0, 1, ..)",
    )


def run(args: argparse.Namespace) -> int:
    """Write what was asked for and say where; 0.

    Raises:
        ConfigError: ``--steps`` does not give one number per run.
    """
    from vigos_eval.export import model_index_text, write_tensorboard, write_wandb
    from vigos_eval.output_file import write_output
    from vigos_eval.scored_run import read_run

    steps = _steps(args.steps, len(args.runs))
    runs = [(step, read_run(folder)) for step, folder in zip(steps, args.runs, strict=True)]
    if args.tensorboard is not None:
        print(f"TensorBoard: tensorboard --logdir {write_tensorboard(runs, args.tensorboard)}")
    if args.wandb is not None:
        print(f"Weights & Biases: wandb sync {write_wandb(runs, args.wandb)}")
    if args.model_index is None and (args.tensorboard or args.wandb):
        return 0
    text = model_index_text(runs[-1][1], args.model)
    if args.model_index in (None, "-"):
        sys.stdout.write(text)
    else:
        write_output(Path(args.model_index), text, "--model-index")
        print(f"model card: {args.model_index}")
    return 0


def _steps(text: str | None, count: int) -> list[int]:
    from vigos_eval.errors import ConfigError

    if text is None:
        return list(range(count))
    words = text.split(",")
    if len(words) != count or not all(word.strip().isdecimal() for word in words):
        raise ConfigError(
            f"--steps {text!r}; give {count} whole numbers, one per run, e.g. 100,200"
        )
    return [int(word) for word in words]
