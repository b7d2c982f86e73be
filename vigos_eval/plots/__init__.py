"""Figures of runs as PNG and SVG. `save_figures` is the door; what is plotted is in the modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vigos_eval.errors import RunFolderError
from vigos_eval.plots.scores import paper_figure, passes_figure, vilp_figure
from vigos_eval.plots.shape import lengths_figure, subgroup_figures
from vigos_eval.plots.style import drawing, save
from vigos_eval.plots.trend import save_trend
from vigos_eval.report.published import compared_with_paper
from vigos_eval.scored_run import ScoredRun

__all__ = ["save_figures", "save_trend"]


def save_figures(
    runs: Sequence[ScoredRun], folder: Path, *, paper: str | None = None
) -> list[Path]:
    """Write every figure that the runs have something for, as PNG and SVG; returns the paths.

    Raises:
        RunFolderError: A control is among the runs: its numbers are no scores.
        ConfigError: No published figures under that name.
    """
    for run in runs:
        if run.control is not None:
            raise RunFolderError(
                f"{run.folder}: control is {run.control!r}; a control is no score and not plotted"
            )
    written = []
    with drawing() as plt:
        for name, figure in _figures(plt, runs, paper):
            written += [save(figure, folder / f"{name}{suffix}") for suffix in (".png", ".svg")]
            plt.close(figure)
    return written


def _figures(plt: Any, runs: Sequence[ScoredRun], paper: str | None) -> Iterator[tuple[str, Any]]:
    for name, figure in (
        ("passes", passes_figure(plt, runs)),
        ("vilp", vilp_figure(plt, runs)),
        ("lengths", lengths_figure(plt, runs)),
    ):
        if figure is not None:
            yield name, figure
    yield from subgroup_figures(plt, runs)
    if paper is not None:
        for i, run in enumerate(runs, 1):
            cells = compared_with_paper(run, paper, allow_ungraded=False)
            figure = paper_figure(plt, run, paper, cells)
            if figure is not None:
                yield "paper" if len(runs) == 1 else f"paper-{i}", figure
