"""`vigos-train toy-pretrain`: the toy world's files and its base, made from nothing in minutes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/toy"),
        help="folder; gets world/ (data) and base/ (checkpoint); default build/toy",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the world and of the weights")
    parser.add_argument("--steps", type=int, default=0, help="optimizer steps; 0 takes the default")


def run(args: argparse.Namespace) -> int:
    """Write world and base; returns 0."""
    from vigos_train.toy.files import write_world
    from vigos_train.toy.pretrain import STEPS, pretrain

    steps = args.steps or STEPS
    world = write_world(args.out / "world", seed=args.seed)
    print(f"{args.out / 'world'}: {world}", flush=True)

    def seen(step: int, loss: float) -> None:
        if step % 100 == 0 or step == steps:
            print(f"step {step} of {steps}: loss {loss:.3f}", file=sys.stderr, flush=True)

    seconds = pretrain(args.out / "base", seed=args.seed, steps=steps, seen=seen)
    print(f"{args.out / 'base'}: pre-trained in {seconds:.0f} s")
    return 0
