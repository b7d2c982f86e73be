"""`vigos-eval plot RUN [RUN ...]`: arguments only; the figures are vigos_eval.plots'."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--paper", metavar="MODEL", help="also ours against the published figures")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="default: plots/ in the first run's folder"
    )


def run(args: argparse.Namespace) -> int:
    """Write the figures and say where; 0."""
    from vigos_eval.plots import save_figures
    from vigos_eval.scored_run import read_run

    folder = args.output or args.runs[0] / "plots"
    written = save_figures([read_run(run) for run in args.runs], folder, paper=args.paper)
    for path in written:
        print(path)
    if not written:
        print("nothing to plot: no graded question in these runs")
    return 0
