"""`vigos-train`: picks the command's module and prints the user's errors in one line. No work here."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol

from vigos_eval import __version__
from vigos_eval.ending import exit_code

COMMANDS = {
    "run": "train an adapter from a YAML config (also under torchrun and accelerate launch)",
    "check-data": "what is in a training set: counts, sizes, overlap with a benchmark, prompts",
    "merge": "an adapter folder and its base -> one full checkpoint",
    "toy-pretrain": "pre-train the toy world's base model",
}
MODULES = {
    "run": "vigos_train.commands.run",
    "check-data": "vigos_train.commands.check_data",
    "merge": "vigos_train.commands.merge",
    "toy-pretrain": "vigos_train.toy.command",
}


class Command(Protocol):
    """What a module of vigos_train.commands offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `vigos-train`; returns the exit code (2 for the user's errors)."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="vigos-train",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:12} {what}" for name, what in COMMANDS.items()),
    )
    parser.add_argument("--version", action="version", version=f"vigos {__version__}")
    parser.add_argument("command", choices=list(COMMANDS), metavar="command", help="see below")
    # Only the chosen command's module is imported: --help stays fast.
    args = parser.parse_args(words[:1])
    command: Command = importlib.import_module(MODULES[args.command])
    own = argparse.ArgumentParser(
        prog=f"vigos-train {args.command}", description=COMMANDS[args.command]
    )
    command.add_arguments(own)
    return exit_code(own.prog, lambda: command.run(own.parse_args(words[1:])))


if __name__ == "__main__":
    sys.exit(main())
