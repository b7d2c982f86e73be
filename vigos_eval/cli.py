"""`vigos-eval`: picks the command's module and prints the user's errors in one line. No work here."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol

from vigos_eval import __version__
from vigos_eval.ending import exit_code

COMMANDS = {
    "run": "evaluate a checkpoint through lmms-eval; exits non-zero when no results were written",
    "plan": "prompts, samples, tokens and hours of an evaluation, before anything is spent",
    "grade": "grade a run folder again from its completions",
    "check": "does the grader accept every gold and reject what is not equivalent?",
    "report": "tables of one or several runs, beside the published figures with --paper",
    "compare": "did a checkpoint regress? exit 0 pass, 1 regression, 3 cannot tell",
    "power": "questions and attempts needed to see a drop",
    "view": "one HTML page with every sample, its images and verdicts",
    "plot": "figures (PNG, SVG) of one or several runs",
    "export": "model-card YAML for the hub, folders for TensorBoard and Weights & Biases",
    "tiny": "make the tiny random checkpoint that demo and tests use",
}


class Command(Protocol):
    """What a module of vigos_eval.commands offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `vigos-eval`; returns the exit code (2 for the user's errors)."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="vigos-eval",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:8} {what}" for name, what in COMMANDS.items()),
    )
    parser.add_argument("--version", action="version", version=f"vigos {__version__}")
    parser.add_argument("command", choices=list(COMMANDS), metavar="command", help="see below")
    # Only the chosen command's module is imported: --help stays fast.
    args = parser.parse_args(words[:1])
    command: Command = importlib.import_module(f"vigos_eval.commands.{args.command}")
    is_passing_on = getattr(command, "PASSES_ON", False)
    own = argparse.ArgumentParser(
        prog=f"vigos-eval {args.command}",
        description=COMMANDS[args.command],
        # A flag that another program takes must not be read as the start of one of ours.
        allow_abbrev=not is_passing_on,
    )
    command.add_arguments(own)

    def work() -> int:
        parsed, unknown = own.parse_known_args(words[1:])
        if unknown and not is_passing_on:
            own.error(f"unrecognized arguments: {' '.join(unknown)}")
        parsed.passed_on = unknown
        return command.run(parsed)

    return exit_code(own.prog, work)


if __name__ == "__main__":
    sys.exit(main())
