"""`vigos-train merge ADAPTER OUT`: an adapter and its base as one full checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from vigos_eval.engines.settings import DTYPES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("adapter", type=Path, help="an adapter folder")
    parser.add_argument("out", type=Path, help="a new folder for the full checkpoint")
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="auto",
        help="of the written weights; auto is the base's own",
    )


def run(args: argparse.Namespace) -> int:
    """Merge; returns 0."""
    from vigos_train.merge import merge_adapter

    merge_adapter(args.adapter, args.out, args.dtype)
    print(f"{args.out} holds the merged checkpoint; evaluate it with pretrained={args.out}")
    return 0
