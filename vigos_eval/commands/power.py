"""`vigos-eval power RUN --drop 1.0`: arguments only; the planning is vigos_eval.compare.power's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="an existing run, also a partial one: a pilot"
    )
    parser.add_argument(
        "--drop", type=float, required=True, metavar="POINTS", help="drop to be seen, e.g. 1.0"
    )
    parser.add_argument("--tasks", metavar="A,B", help="labels, or vigos8, vilp, vigos")
    parser.add_argument(
        "--against", type=Path, metavar="RUN", help="a second run of the same questions"
    )
    parser.add_argument("--metric", default="avg", help="avg (default), avg@K or pass@J")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0.

    Raises:
        ConfigError: The drop is no number in (0, 100].
    """
    from vigos_eval.compare.pairing import refuse_incomparable
    from vigos_eval.compare.power import power_section, spreads
    from vigos_eval.errors import ConfigError
    from vigos_eval.report.formats import terminal_text
    from vigos_eval.scored_run import read_run

    if not 0 < args.drop <= 100:
        raise ConfigError(f"--drop {args.drop:g}; give points in (0, 100], e.g. 1.0")
    existing = read_run(args.run)
    against = None if args.against is None else read_run(args.against)
    refuse_incomparable(existing, against or existing, is_partial_allowed=True)
    tasks = None if args.tasks is None else [t for t in args.tasks.split(",") if t]
    found = spreads(existing, against, args.metric, tasks)
    names = existing.name, None if against is None else against.name
    text = terminal_text([power_section(found, args.drop, names)], colour=sys.stdout.isatty())
    sys.stdout.write(text)
    return 0
