"""Where the YAML that ships with the package lies: `tasks/` and `configs/`. No reading here."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The shipped folder ``tasks`` or ``configs``: in a checkout its root, else inside the wheel.

    Raises:
        FileNotFoundError: Neither place holds it: the installation is broken.

    >>> shipped("tasks").is_dir()
    True
    """
    # The wheel's copy first: an installed package must not pick up a stranger's site-packages/tasks.
    for root in (PACKAGE / "_data", PACKAGE.parent):
        if (root / folder).is_dir():
            return root / folder
    raise FileNotFoundError(f"no {folder}/ beside or inside {PACKAGE}: reinstall vigos")
