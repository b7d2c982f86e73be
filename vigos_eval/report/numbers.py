"""A report's numbers for programs: JSON (nested) and CSV (one number per line). Fractions in [0, 1]."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vigos_eval.metrics import EIGHT
from vigos_eval.report.published import Comparison
from vigos_eval.report.reproduction import conditions
from vigos_eval.report.shortcuts import normal_run_of, prior_flips, survivals
from vigos_eval.scored_run import ScoredRun
from vigos_eval.scores import TaskScore
from vigos_eval.types import Score

CSV_COLUMNS = (
    "run",
    "control",
    "task",
    "group",
    "metric",
    "value",
    "stderr",
    "graded",
    "ungraded",
    "withheld",
    "note",
    "paper",
    "paper_stderr",
    "difference",
    "low",
    "high",
    "verdict",
)


def finite(value: Any) -> Any:
    """The value with every NaN and infinity as None: JSON knows neither.

    >>> finite({"a": [math.nan, 1.5]})
    {'a': [None, 1.5]}
    """
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(
    runs: Sequence[ScoredRun],
    papers: Mapping[Path, list[Comparison]],
    paper: str | None,
    allow_ungraded: bool,
) -> str:
    """Everything the report knows, as JSON.

    Args:
        runs: The runs, controls included.
        papers: By run folder, its cells beside the published ones.
        paper: The published model's name, or None.
        allow_ungraded: Print scores above 1 % ungraded.
    """
    found = [_run(run, runs, papers.get(run.folder, []), paper, allow_ungraded) for run in runs]
    return json.dumps(finite({"schema": 1, "runs": found}), indent=2, ensure_ascii=False) + "\n"


def _run(
    run: ScoredRun,
    runs: Sequence[ScoredRun],
    cells: list[Comparison],
    paper: str | None,
    allow_ungraded: bool,
) -> dict[str, Any]:
    tasks = {label: _task(task, allow_ungraded) for label, task in run.scores.tasks.items()}
    fields: dict[str, Any] = {
        "name": run.name,
        "folder": str(run.folder),
        "control": run.control,
        "is_score": run.control is None,
        "partial": run.settings["partial"],
        "protocol": run.protocol.get("name"),
        "fingerprint": run.settings.get("fingerprint"),
        "grading": list(run.gradings),
        "notes": dict(run.notes),
        "tasks": tasks,
        "means": {
            name: None if _is_mean_withheld(run, name, allow_ungraded) else asdict(score)
            for name, score in run.scores.means.items()
        },
        "prior_flips": [asdict(flips) for flips in prior_flips(run, allow_ungraded)],
    }
    if run.control is not None and (normal := normal_run_of(run, runs)) is not None:
        fields["survives"] = {
            "of": normal.name,
            "tasks": [asdict(survival) for survival in survivals(normal, run, allow_ungraded)],
        }
    if paper is not None and run.control is None:
        fields["paper"] = {
            "model": paper,
            "cells": [asdict(cell) for cell in cells],
            "conditions": [asdict(condition) for condition in conditions(run, paper)],
        }
    return fields


def _task(task: TaskScore, allow_ungraded: bool) -> dict[str, Any]:
    is_withheld = task.is_withheld and not allow_ungraded
    fields = {**asdict(task), "withheld": is_withheld}
    if is_withheld:
        fields.update(passes=None, avg=None, subgroups=None, vilp=None)
    return fields


def _is_mean_withheld(run: ScoredRun, name: str, allow_ungraded: bool) -> bool:
    suffix = "_official" if name.endswith("_official") else ""
    return not allow_ungraded and any(run.scores.tasks[e + suffix].is_withheld for e in EIGHT)


def csv_text(
    runs: Sequence[ScoredRun], papers: Mapping[Path, list[Comparison]], allow_ungraded: bool
) -> str:
    """One number per line, with the columns CSV_COLUMNS."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for run in runs:
        for row in _rows(run, papers.get(run.folder, []), allow_ungraded):
            writer.writerow({"run": run.name, "control": run.control or "", **row})
    return buffer.getvalue()


def _rows(
    run: ScoredRun, cells: Sequence[Comparison], allow_ungraded: bool
) -> Iterator[dict[str, Any]]:
    beside = {(c.cell.label, c.cell.metric): c for c in cells}
    for label, note in run.notes.items():
        if label not in run.scores.tasks:
            yield {"task": label, "note": note}
    for label, task in run.scores.tasks.items():
        is_withheld = task.is_withheld and not allow_ungraded
        for group, metric, score in _scores(task):
            row = {
                "task": label,
                "group": group,
                "metric": metric,
                "note": run.notes.get(label, ""),
            }
            row |= _score_cells(score, is_withheld)
            if not group:
                row |= _paper_cells(beside.get((label, metric)))
            yield row
        for metric in ("unparsed", "truncated", "format_valid", "mean_tokens"):
            yield {"task": label, "metric": metric, "value": _cell(getattr(task, metric))}
    for name, score in run.scores.means.items():
        row = {"task": "mean of eight", "metric": name}
        row |= _score_cells(score, _is_mean_withheld(run, name, allow_ungraded))
        yield row | _paper_cells(beside.get(("mean of eight", name)))


def _scores(task: TaskScore) -> Iterator[tuple[str, str, Score]]:
    for j, score in enumerate(task.passes, 1):
        yield "", f"pass@{j}", score
    yield "", f"avg@{task.k}", task.avg
    for rule, parts in task.vilp.items():
        for name, score in parts.items():
            yield "", name if rule == "word" else f"{name} ({rule})", score
    for name, groups in task.subgroups.items():
        for group, found in groups.items():
            yield f"{name}={group}", f"pass@{task.k}", found.best
            yield f"{name}={group}", f"avg@{task.k}", found.avg


def _score_cells(score: Score, is_withheld: bool) -> dict[str, Any]:
    return {
        "value": "" if is_withheld else _cell(score.value),
        "stderr": "" if is_withheld else _cell(score.stderr),
        "graded": score.graded,
        "ungraded": score.ungraded,
        "withheld": "yes" if is_withheld else "",
    }


def _paper_cells(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {}
    return {
        "paper": _cell(comparison.cell.value),
        "paper_stderr": _cell(comparison.cell.stderr),
        "difference": _cell(comparison.difference),
        "low": _cell(comparison.low),
        "high": _cell(comparison.high),
        "verdict": comparison.verdict,
    }


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
