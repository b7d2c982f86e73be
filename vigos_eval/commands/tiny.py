"""`vigos-eval tiny OUT`: write the tiny random checkpoint. What it is made of: engines/tiny_checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from vigos_eval.engines.tiny_checkpoint import FAMILIES, write_tiny_checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `vigos-eval tiny`."""
    parser.add_argument("out", type=Path, help="folder to write; made when it does not exist")
    parser.add_argument("--family", choices=FAMILIES, default=FAMILIES[0], help="model class")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random weights")


def run(args: argparse.Namespace) -> int:
    """Write the checkpoint and say how to use it."""
    count = write_tiny_checkpoint(args.out, args.family, args.seed)
    print(
        f"{args.out}: {args.family}, {count / 1e6:.1f} M random parameters; its answers are noise"
    )
    print(
        f"try: lmms-eval --model vigos --model_args pretrained={args.out},protocol=demo --tasks vilp"
    )
    return 0
