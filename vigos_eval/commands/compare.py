"""`vigos-eval compare BASE CANDIDATE [...]`: arguments and files; the gate is vigos_eval.compare's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "exit codes: 0 PASS, 1 REGRESSION, 2 the runs cannot be compared (the message names the "
        "field), 3 CANNOT TELL"
    )
    parser.add_argument("base", type=Path, metavar="BASE", help="run folder to hold on to")
    parser.add_argument(
        "candidates",
        nargs="+",
        type=Path,
        metavar="CANDIDATE",
        help="run folders; the last one is gated, all are shown and plotted",
    )
    parser.add_argument(
        "--max-drop", type=float, required=True, metavar="POINTS", help="allowed drop, e.g. 1.0"
    )
    parser.add_argument(
        "--metric", default="avg", help="avg (all attempts, default), avg@K or pass@J, e.g. avg@5"
    )
    parser.add_argument(
        "--tasks", metavar="A,B", help="labels, or the groups vigos8, vilp, vigos (default: all)"
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write a JUnit file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write Markdown")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="figure of all candidates (.png or .svg); with several candidates the default is "
        "compare.png in the last one's folder",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, print and write; returns the gate's exit code."""
    from vigos_eval.compare import EXIT_CODES, compare_runs
    from vigos_eval.compare.junit import junit_text
    from vigos_eval.compare.tables import decision_sections, trend_section
    from vigos_eval.output_file import write_output
    from vigos_eval.report.formats import markdown_text, terminal_text
    from vigos_eval.scored_run import read_run

    tasks = None if args.tasks is None else [t for t in args.tasks.split(",") if t]
    base = read_run(args.base)
    decisions = []
    for folder in args.candidates:
        candidate = read_run(folder)
        decision = compare_runs(
            base, candidate, max_drop_points=args.max_drop, metric=args.metric, tasks=tasks
        )
        decisions.append((candidate.name, decision))
    name, decision = decisions[-1]
    sections = list(decision_sections(decision, base.name, name))
    if len(decisions) > 1:
        sections.append(trend_section(base.name, decisions))
    sys.stdout.write(terminal_text(sections, colour=sys.stdout.isatty()))
    if args.markdown is not None:
        write_output(args.markdown, markdown_text(sections), "--markdown")
    if args.junit is not None:
        write_output(args.junit, junit_text(decision, base.name, name), "--junit")
    plot = args.plot or (args.candidates[-1] / "compare.png" if len(decisions) > 1 else None)
    if plot is not None:
        from vigos_eval.plots import save_trend

        save_trend(base.name, decisions, plot)
        print(f"figure: {plot}")
    return EXIT_CODES[decision.verdict]
