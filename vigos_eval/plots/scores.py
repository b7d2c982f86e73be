"""Figures of scores: Pass@j curves, ours against the paper, ViLP Score against Prior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from vigos_eval.plots.style import COLOURS, PAPER, short
from vigos_eval.report.published import Comparison, figures
from vigos_eval.report.score_tables import is_vilp, shown_tasks, task_order
from vigos_eval.scored_run import ScoredRun
from vigos_eval.types import Score

PANELS_ACROSS = 3


def passes_figure(plt: Any, runs: Sequence[ScoredRun]) -> Any | None:
    """Pass@j over j, one panel per benchmark and one for the mean of eight; None without any."""
    labels = sorted({task.label for run in runs for task in shown_tasks(run)}, key=task_order)
    curves: list[tuple[str, list[tuple[int, Sequence[Score]]]]] = []
    for label in labels:
        here = [(i, run.scores.tasks.get(label)) for i, run in enumerate(runs)]
        curves.append((label, [(i, t.passes) for i, t in here if t and not t.is_withheld]))
    curves.append(("mean of eight", [(i, _mean_passes(run)) for i, run in enumerate(runs)]))
    curves = [(label, [c for c in lines if c[1]]) for label, lines in curves]
    curves = [(label, lines) for label, lines in curves if lines]
    if not curves:
        return None
    across = min(PANELS_ACROSS, len(curves))
    down = math.ceil(len(curves) / across)
    figure, axes = plt.subplots(
        down, across, figsize=(3.2 * across, 2.4 * down + 0.5), squeeze=False, sharey=True
    )
    for panel in axes.flat[len(curves) :]:
        panel.set_visible(False)
    for panel, (label, lines) in zip(axes.flat, curves, strict=False):
        panel.set_title(label, fontweight="bold" if label == "mean of eight" else "normal")
        for i, passes in lines:
            _curve(panel, passes, COLOURS[i % len(COLOURS)])
        most = max(len(passes) for _, passes in lines)
        panel.set_xticks(range(1, most + 1))
        panel.set_xlabel("j attempts")
        panel.set_ylim(0, 100)
    for row in axes:
        row[0].set_ylabel("Pass@j, %")
    _legend(plt, figure, runs)
    return figure


def _mean_passes(run: ScoredRun) -> list[Score]:
    if any(task.is_withheld for task in run.scores.tasks.values()):
        return []
    found: list[Score] = []
    while (score := run.scores.means.get(f"pass@{len(found) + 1}")) is not None:
        found.append(score)
    return found


def _curve(panel: Any, passes: Sequence[Score], colour: str) -> None:
    x = list(range(1, len(passes) + 1))
    y = [100 * score.value for score in passes]
    errors = [0.0 if math.isnan(s.stderr) else 196 * s.stderr for s in passes]
    panel.plot(x, y, marker="o", markersize=3.5, color=colour)
    low = [a - e for a, e in zip(y, errors, strict=True)]
    high = [a + e for a, e in zip(y, errors, strict=True)]
    panel.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def _legend(plt: Any, figure: Any, runs: Sequence[ScoredRun]) -> None:
    handles = [
        plt.Line2D([], [], color=COLOURS[i % len(COLOURS)], marker="o", markersize=3.5)
        for i, _ in enumerate(runs)
    ]
    names = [short(run.name) for run in runs]
    figure.legend(handles, names, loc="outside upper left", ncols=3, title="bands: 95 %")


def paper_figure(plt: Any, run: ScoredRun, model: str, cells: Sequence[Comparison]) -> Any | None:
    """Ours beside the published figures with 95 % errors; None when no cell can be shown."""
    shown = [cell for cell in cells if cell.verdict != "withheld"]
    metrics = [m for m in ("pass@5", "avg@5") if any(c.cell.metric == m for c in shown)]
    if any(is_vilp(c.cell.label) for c in shown):
        metrics.append("ViLP")
    if not metrics:
        return None
    figure, axes = plt.subplots(
        1, len(metrics), figsize=(3.4 * len(metrics), 3.8), squeeze=False, width_ratios=None
    )
    for panel, metric in zip(axes[0], metrics, strict=True):
        here = [
            c
            for c in shown
            if c.cell.metric == metric or (metric == "ViLP" and is_vilp(c.cell.label))
        ]
        _dots(panel, here, metric)
    handles = [
        plt.Line2D([], [], color=colour, marker=marker, linestyle="")
        for colour, marker in ((PAPER, "s"), (COLOURS[0], "o"))
    ]
    names = [f"published {model}", short(run.name)]
    figure.legend(handles, names, loc="outside upper left", ncols=2, title="± 95 %")
    return figure


def _dots(panel: Any, cells: Sequence[Comparison], metric: str) -> None:
    for y, comparison in enumerate(cells):
        theirs, ours = comparison.cell, comparison.ours
        panel.errorbar(
            100 * theirs.value, y - 0.13, xerr=196 * theirs.stderr, fmt="s", color=PAPER, ms=4
        )
        error = None if math.isnan(ours.stderr) else 196 * ours.stderr
        panel.errorbar(100 * ours.value, y + 0.13, xerr=error, fmt="o", color=COLOURS[0], ms=4)
    names = [f"{c.cell.label} {c.cell.metric}" if metric == "ViLP" else c.cell.label for c in cells]
    panel.set_yticks(range(len(cells)), names)
    panel.invert_yaxis()
    panel.set_xlim(0, 100)
    title = metric if metric == "ViLP" else metric.capitalize()
    panel.set_title(title)
    panel.set_xlabel("%")


def vilp_figure(plt: Any, runs: Sequence[ScoredRun], rule: str = "word") -> Any | None:
    """ViLP Score over Prior, the published models in grey; None when no run has ViLP."""
    labels = sorted({label for run in runs for label in run.scores.tasks if is_vilp(label)})
    if not labels:
        return None
    figure, axes = plt.subplots(1, len(labels), figsize=(4.4 * len(labels), 4.2), squeeze=False)
    for panel, label in zip(axes[0], labels, strict=True):
        _published_points(panel, label)
        for i, run in enumerate(runs):
            task = run.scores.tasks.get(label)
            if task is None or task.is_withheld or math.isnan(task.vilp[rule]["score"].value):
                continue
            score, prior = task.vilp[rule]["score"], task.vilp[rule]["prior"]
            panel.errorbar(
                100 * prior.value,
                100 * score.value,
                xerr=_reach(prior),
                yerr=_reach(score),
                fmt="o",
                color=COLOURS[i % len(COLOURS)],
                label=short(run.name),
            )
        panel.set_title(label)
        panel.set_xlabel("Prior, % (image agrees with it)")
        panel.set_ylabel("Score, % (image contradicts it)")
        panel.set_xlim(0, 105)
        panel.set_ylim(0, 105)
        panel.set_aspect("equal")
        panel.legend(loc="lower left", fontsize=8)
    return figure


def _reach(score: Score) -> float | None:
    return None if math.isnan(score.stderr) else 196 * score.stderr


def _published_points(panel: Any, label: str) -> None:
    points = [
        (cells[label]["prior"], cells[label]["score"])
        for cells in (model["cells"] for model in figures()["models"].values())
        if label in cells
    ]
    if points:
        panel.scatter(
            *zip(*points, strict=True), marker="s", s=14, color=PAPER, label="published models"
        )
