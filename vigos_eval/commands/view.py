"""`vigos-eval view`: writes the HTML page of a run and says where it lies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vigos_eval.errors import RunFolderError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="BASE",
        help="run folder to compare with, response by response",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: RUN/view.html")


def run(args: argparse.Namespace) -> int:
    """Write the page; returns 0.

    Raises:
        RunFolderError: A folder does not exist, or holds nothing to show.
    """
    from rich.console import Console

    from vigos_eval.viewer.page import write_page

    for folder in (args.run, args.against):
        if folder is not None and not folder.is_dir():
            raise RunFolderError(f"{folder} is not a folder; give a run folder such as runs/my-run")
    page: Path = args.out or args.run / "view.html"
    if not page.parent.is_dir() or page.is_dir():
        raise RunFolderError(f"{page} cannot be written: give --out a file in an existing folder")
    console = Console(file=sys.stderr)
    with console.status("reading") as status:
        written = write_page(
            args.run,
            args.against,
            page,
            seen=lambda count: status.update(f"{count:,} images read") if count % 50 == 0 else None,
        )
    for notice in written.notices:
        print(f"note: {notice}", file=sys.stderr)
    if written.missing_images:
        print(
            f"note: {written.missing_images:,} of {written.images:,} images are not in the page "
            "(not kept, or unreadable)",
            file=sys.stderr,
        )
    place = "; full-size images lie beside it, move both together" if written.side_folder else ""
    questions = f"{written.questions:,} question{'' if written.questions == 1 else 's'}"
    print(f"{written.path}: {questions}, {written.size / 1e6:.1f} MB{place}")
    return 0
