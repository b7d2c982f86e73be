"""Figures of a run's shape: how long its responses are, accuracy by subgroup."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vigos_eval.plots.style import COLOURS, short
from vigos_eval.report.score_tables import shown_tasks
from vigos_eval.scored_run import ScoredRun
from vigos_eval.scores import GroupScore, TaskScore


def lengths_figure(plt: Any, runs: Sequence[ScoredRun]) -> Any | None:
    """Share of responses over their length in tokens, one line per run; None without a response."""
    lengths = [[n for mark in run.marks for n in mark.lengths] for run in runs]
    longest = max((max(some) for some in lengths if some), default=0)
    if not longest:
        return None
    edges = np.linspace(0, longest + 1, 61)
    figure, panel = plt.subplots(figsize=(7, 3.6))
    for i, (run, some) in enumerate(zip(runs, lengths, strict=True)):
        if not some:
            continue
        share = np.histogram(some, edges)[0] / len(some) * 100
        colour = COLOURS[i % len(COLOURS)]
        panel.stairs(
            share, edges, color=colour, fill=len(runs) == 1, alpha=0.8, label=short(run.name)
        )
        panel.axvline(float(np.median(some)), color=colour, linestyle="--", linewidth=1)
    cut = [_truncated_share(run) for run in runs]
    panel.set_xlabel("tokens per response (dashed: median)")
    panel.set_ylabel("responses, %")
    panel.set_xlim(0, None)
    panel.set_title(
        "truncated: " + ", ".join(f"{share:.1f} %" for share in cut), loc="right", fontsize=8
    )
    panel.legend()
    return figure


def _truncated_share(run: ScoredRun) -> float:
    responses = sum(mark.attempts for mark in run.marks)
    return 100 * sum(mark.truncated for mark in run.marks) / responses if responses else math.nan


def subgroup_figures(plt: Any, runs: Sequence[ScoredRun]) -> Iterator[tuple[str, Any]]:
    """Per task and group name a figure of Avg@k by group; its name and the figure."""
    first = runs[0]
    for task in shown_tasks(first):
        if task.is_withheld:
            continue
        for name in task.subgroups:
            groups = list(task.subgroups[name])
            if len(groups) < 2:
                continue
            figure, panel = plt.subplots(
                figsize=(6.5, 1.2 + 0.26 * len(groups) * max(1, len(runs) / 2))
            )
            for i, run in enumerate(runs):
                found = run.scores.tasks.get(task.label)
                if found is not None and not found.is_withheld:
                    _group_dots(panel, groups, found.subgroups.get(name, {}), (i, len(runs)))
            _finish_groups(panel, task, name, groups)
            handles, names = panel.get_legend_handles_labels()
            if len(runs) > 1:
                # A run without this task has no dots: the label says which run's these are.
                names = [short(runs[int(number)].name) for number in names]
                figure.legend(handles, names, loc="outside upper left", ncols=3)
            yield f"{task.label}-by-{name}", figure


def _group_dots(panel: Any, groups: Sequence[str], found: Any, place: tuple[int, int]) -> None:
    i, count = place
    offset = (i - (count - 1) / 2) * 0.6 / count
    scores: list[tuple[float, GroupScore]] = [
        (y + offset, found[group]) for y, group in enumerate(groups) if group in found
    ]
    scores = [(y, s) for y, s in scores if not math.isnan(s.avg.value)]
    panel.errorbar(
        [100 * s.avg.value for _, s in scores],
        [y for y, _ in scores],
        xerr=[0.0 if math.isnan(s.avg.stderr) else 196 * s.avg.stderr for _, s in scores],
        fmt="o",
        ms=4,
        color=COLOURS[i % len(COLOURS)],
        label=str(i),
    )


def _finish_groups(panel: Any, task: TaskScore, name: str, groups: Sequence[str]) -> None:
    names = [f"{short(group, 34)} ({task.subgroups[name][group].n})" for group in groups]
    panel.set_yticks(range(len(groups)), names)
    panel.set_ylim(len(groups) - 0.5, -0.5)
    panel.set_xlim(0, 100)
    panel.set_xlabel(f"Avg@{task.k}, % (± 95 %; dashed: all questions)")
    panel.set_title(f"{task.label} by {name}")
    if not math.isnan(task.avg.value):
        panel.axvline(100 * task.avg.value, color="#999999", linewidth=1, linestyle="--")
