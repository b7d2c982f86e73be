"""`vigos-train toy-pretrain`: the toy world's files and its base, made from nothing in minutes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vigos_eval.errors import ConfigError
from vigos_eval.output_file import unwritable
from vigos_train.toy.card import is_ours

# NumPy wants no negative seed, torch none beyond 63 bits.
SEEDS = 2**63


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/toy"),
        help="folder; gets world/ (data) and base/ (checkpoint); default build/toy",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the world and of the weights; default 0"
    )
    parser.add_argument(
        "--steps", type=int, default=0, help="optimizer steps; 0 takes the default, 400"
    )


def run(args: argparse.Namespace) -> int:
    """Write world and base; returns 0.

    Raises:
        ConfigError: A number out of range, a folder that cannot be written, or one that would be
            replaced and was not made here.
    """
    check(args.out, args.seed, args.steps)
    from vigos_train.toy.files import write_world
    from vigos_train.toy.pretrain import STEPS, pretrain

    steps = args.steps or STEPS

    def seen(step: int, loss: float) -> None:
        if step % 100 == 0 or step == steps:
            print(f"step {step} of {steps}: loss {loss:.3f}", file=sys.stderr, flush=True)

    try:
        world = write_world(args.out / "world", seed=args.seed)
        print(f"{args.out / 'world'}: {world}", flush=True)
        seconds = pretrain(args.out / "base", seed=args.seed, steps=steps, seen=seen)
    except OSError as error:
        raise unwritable(args.out, "--out", error) from error
    print(f"{args.out / 'base'}: pre-trained in {seconds:.0f} s")
    return 0


def check(out: Path, seed: int, steps: int) -> None:
    """Say what is wrong before anything is drawn.

    Raises:
        ConfigError: See `run`.
    """
    if steps < 0:
        raise ConfigError(f"--steps {steps}: use 1 or more, or 0 for the default")
    if not 0 <= seed < SEEDS:
        raise ConfigError(f"--seed {seed}: use 0 to 2**63 - 1")
    for folder in (out / "world", out / "base"):
        if folder.exists() and not is_ours(folder):
            raise ConfigError(
                f"{folder} is there and was not made by toy-pretrain: it would be replaced. "
                "Move it away, or give another --out"
            )
