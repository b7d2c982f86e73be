"""How our figures look and are saved. No numbers here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vigos_eval.errors import ConfigError
from vigos_eval.output_file import unwritable

# Okabe and Ito's palette: told apart by every kind of colour vision, and in grey by lightness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PAPER = "#777777"
SUFFIXES = (".png", ".svg", ".pdf")

SETTINGS: dict[str, Any] = {
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "vigos",  # the same figure has the same bytes
}


@contextmanager
def drawing() -> Iterator[Any]:
    """matplotlib.pyplot without a display and in our style; figures are closed at the end."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(SETTINGS):
        try:
            yield plt
        finally:
            plt.close("all")


def save(figure: Any, path: Path) -> Path:
    """Write a figure; returns the path.

    Raises:
        ConfigError: A file type that figures are not written in.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: figures are written as {', '.join(SUFFIXES)}")
    metadata = {"Date": None} if path.suffix == ".svg" else None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata=metadata)
    except OSError as error:
        raise unwritable(path, "figure", error) from error
    return path


def short(name: str, limit: int = 28) -> str:
    """A name that fits into a legend; matplotlib would read "$" as mathematics.

    >>> short("a" * 40)
    'aaaaaaaaaaaaa..aaaaaaaaaaaaa'
    """
    half = (limit - 2) // 2
    cut = name if len(name) <= limit else f"{name[:half]}..{name[-half:]}"
    return cut.replace("$", r"\$")
