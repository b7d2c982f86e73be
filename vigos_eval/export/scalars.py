"""A run's scores as flat named numbers in percent, for curves. Withheld scores and NaN are left out."""

from __future__ import annotations

import math
from collections.abc import Iterator

from vigos_eval.errors import RunFolderError
from vigos_eval.metrics import EIGHT
from vigos_eval.scored_run import ScoredRun
from vigos_eval.types import Score


def refuse_non_score(run: ScoredRun) -> None:
    """Raise for a run whose numbers must never be published as scores.

    Raises:
        RunFolderError: A control, or a partial run; names the field.
    """
    if run.control is not None:
        raise RunFolderError(
            f"{run.folder}: control is {run.control!r}; a control is no score and never exported"
        )
    if run.settings["partial"]:
        raise RunFolderError(
            f"{run.folder}: partial is true ({run.cut_by}); a partial run is "
            "never exported; finish it with its own command, without --limit"
        )


def scalars(run: ScoredRun) -> dict[str, float]:
    """Name -> number, e.g. ``mmmu/avg@5`` -> 51.42 and ``mmmu/avg@5_stderr`` -> 1.6."""
    return {name: value for name, value in _scalars(run) if math.isfinite(value)}


def _scalars(run: ScoredRun) -> Iterator[tuple[str, float]]:
    for label, task in run.scores.tasks.items():
        for name in ("unparsed", "truncated", "format_valid"):
            yield f"{label}/{name}", 100 * getattr(task, name)
        yield f"{label}/mean_tokens", task.mean_tokens
        yield f"{label}/ungraded", float(task.ungraded)
        if task.is_withheld:
            continue
        if task.vilp:
            for name, score in task.vilp["word"].items():
                yield from _with_error(f"{label}/{name}", score)
        elif task.passes:
            yield from _with_error(f"{label}/pass@{task.k}", task.passes[-1])
            yield from _with_error(f"{label}/avg@{task.k}", task.avg)
    for name, score in run.scores.means.items():
        if not is_mean_withheld(run, name):
            yield from _with_error(f"mean_of_eight/{name}", score)


def is_mean_withheld(run: ScoredRun, name: str) -> bool:
    """Does a withheld score stand behind this mean of eight?"""
    suffix = "_official" if name.endswith("_official") else ""
    return any(run.scores.tasks[label + suffix].is_withheld for label in EIGHT)


def _with_error(name: str, score: Score) -> Iterator[tuple[str, float]]:
    yield name, 100 * score.value
    yield f"{name}_stderr", 100 * score.stderr
