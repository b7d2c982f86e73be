"""`vigos-train run CONFIG`: one training run."""

from __future__ import annotations

import argparse
from pathlib import Path

from vigos_eval.ranks import is_main_process


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, help="a YAML file such as configs/train/smoke.yaml")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last whole checkpoint"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="change one setting, e.g. optim.seed=7 (repeatable)",
    )


def run(args: argparse.Namespace) -> int:
    """Train; returns 0."""
    from vigos_train.loading import load_config

    config = load_config(args.config, args.set)
    # Settings are checked before torch is imported: a typo must not take ten seconds to say.
    from vigos_train.launch import train

    done = train(config, resume=args.resume)
    if is_main_process():
        print(
            f"{done.adapter} holds the adapter after {done.steps} steps; evaluate it with:\n"
            f"  lmms-eval --model vigos --tasks vilp --model_args pretrained={done.adapter}"
        )
    return 0
