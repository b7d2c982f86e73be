"""`vigos-eval report RUN [RUN ...]`: arguments only; the report is vigos_eval.report's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder")
    parser.add_argument(
        "--format",
        default="table",
        choices=["table", "md", "json", "csv", "latex"],
        help="json and csv hold fractions in [0, 1], the others percent (default: table)",
    )
    parser.add_argument(
        "--paper", metavar="MODEL", help="put the published figures beside ours, e.g. ViGOS-7B"
    )
    parser.add_argument("--passes", action="store_true", help="every Pass@j, j <= k")
    parser.add_argument("--brief", action="store_true", help="leave the tables by subgroup out")
    parser.add_argument(
        "--allow-ungraded",
        action="store_true",
        help="print scores although more than 1 %% of a task's questions are ungraded",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")


def run(args: argparse.Namespace) -> int:
    """Print or write the report; 0."""
    from vigos_eval.output_file import write_output
    from vigos_eval.report import ReportOptions, report_text
    from vigos_eval.scored_run import read_run

    options = ReportOptions(
        format=args.format,
        paper=args.paper,
        is_with_passes=args.passes,
        is_with_subgroups=not args.brief,
        allow_ungraded=args.allow_ungraded,
        is_coloured=args.output is None and sys.stdout.isatty(),
    )
    text = report_text([read_run(folder) for folder in args.runs], options)
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_output(args.output, text, "--output")
        print(f"wrote {args.output}")
    return 0
