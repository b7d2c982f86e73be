"""The paper's figures beside ours: difference, interval, and a verdict per cell.

The figures are facts with their source in published_figures.json. Theirs come without errors,
so theirs are bounded from the number of questions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from vigos_eval.errors import ConfigError, RunFolderError
from vigos_eval.metrics import EIGHT
from vigos_eval.report.sections import WITHHELD, Section, Table, number, points, signed
from vigos_eval.scored_run import ScoredRun
from vigos_eval.types import Score

FIGURES = Path(__file__).with_name("published_figures.json")
NORMAL_95 = 1.959963984540054

CellVerdict = Literal["consistent", "higher", "lower", "withheld", "unknown"]


@dataclass(frozen=True)
class PublishedCell:
    """One published figure with the error we must assume for it.

    Attributes:
        label: Benchmark, or ``mean of eight``.
        metric: ``pass@5``, ``avg@5``, ``score`` or ``prior``.
        value: Fraction in [0, 1].
        stderr: sqrt(p(1-p)/n): the binomial error, which for avg@5 is an upper bound (the mean of
            five attempts varies at most as much as one).
    """

    label: str
    metric: str
    value: float
    stderr: float


@dataclass(frozen=True)
class Comparison:
    """A published figure against ours.

    Attributes:
        cell: The published figure.
        ours: Our score.
        difference: Ours minus theirs, as a fraction.
        low: Lower end of its 95 % interval.
        high: Upper end.
        verdict: ``consistent`` when the interval holds 0, else ``higher`` or ``lower``;
            ``unknown`` when our own error is (fewer than two clusters), ``withheld`` above 1 %
            ungraded.
    """

    cell: PublishedCell
    ours: Score
    difference: float
    low: float
    high: float
    verdict: CellVerdict


@cache
def figures() -> Mapping[str, Any]:
    """published_figures.json."""
    found: Mapping[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def published_models() -> list[str]:
    """Names that ``--paper`` takes.

    >>> "ViGOS-7B" in published_models()
    True
    """
    return list(figures()["models"])


def published_cells(model: str) -> list[PublishedCell]:
    """Every figure published for the model, the mean of eight recomputed from its own eight.

    Raises:
        ConfigError: No such model; lists those there are.

    >>> [f"{100 * c.value:.2f}" for c in published_cells("OPSD-7B") if "mean" in c.label]
    ['74.61', '51.12']
    """
    if model not in figures()["models"]:
        known = ", ".join(published_models())
        raise ConfigError(f"--paper {model!r} has no published figures; use one of {known}")
    cells = [
        PublishedCell(label, metric, value / 100, binomial_error(value / 100, _n(label, metric)))
        for label, metrics in figures()["models"][model]["cells"].items()
        for metric, value in metrics.items()
    ]
    for metric in ("pass@5", "avg@5"):
        eight = [cell for cell in cells if cell.label in EIGHT and cell.metric == metric]
        mean = math.fsum(cell.value for cell in eight) / len(EIGHT)
        error = math.sqrt(math.fsum(cell.stderr**2 for cell in eight)) / len(EIGHT)
        cells.append(PublishedCell("mean of eight", metric, mean, error))
    return cells


def _n(label: str, metric: str) -> int:
    questions: int = figures()["questions"][f"vilp_{metric}" if "vilp" in label else label]
    return questions


def binomial_error(share: float, n: int) -> float:
    """sqrt(p(1-p)/n).

    >>> round(binomial_error(0.5, 100), 3)
    0.05
    """
    return math.sqrt(share * (1 - share) / n)


def compared_with_paper(run: ScoredRun, model: str, allow_ungraded: bool) -> list[Comparison]:
    """Every cell that both the paper and the run have.

    Raises:
        ConfigError: No published figures for that model.
        RunFolderError: The run is a control or was limited; its scores are never compared.
    """
    if run.control is not None:
        raise RunFolderError(
            f"{run.folder} is a control ({run.control}): it is never compared with the paper"
        )
    if run.settings["partial"]:
        raise RunFolderError(
            f"{run.folder}: partial is true ({run.cut_by}): a partial run is "
            "never compared with the paper; finish it with its own command, without --limit"
        )
    return list(_comparisons(run, published_cells(model), allow_ungraded))


def _comparisons(
    run: ScoredRun, cells: list[PublishedCell], allow_ungraded: bool
) -> Iterator[Comparison]:
    for cell in cells:
        ours = _ours(run, cell)
        if ours is None or math.isnan(ours.value):
            continue
        if not allow_ungraded and _is_withheld(run, cell.label):
            yield Comparison(cell, ours, math.nan, math.nan, math.nan, "withheld")
            continue
        difference = ours.value - cell.value
        reach = NORMAL_95 * math.hypot(ours.stderr, cell.stderr)
        low, high = difference - reach, difference + reach
        yield Comparison(cell, ours, difference, low, high, _verdict(low, high))


def _verdict(low: float, high: float) -> CellVerdict:
    if math.isnan(low):
        return "unknown"
    return "higher" if low > 0 else "lower" if high < 0 else "consistent"


def _ours(run: ScoredRun, cell: PublishedCell) -> Score | None:
    if cell.label == "mean of eight":
        return run.scores.means.get(cell.metric)
    task = run.scores.tasks.get(cell.label)
    if task is None:
        return None
    if cell.metric in ("score", "prior"):
        return task.vilp["word"][cell.metric]
    if task.k != 5:
        return None
    return task.avg if cell.metric == "avg@5" else task.passes[4]


def _is_withheld(run: ScoredRun, label: str) -> bool:
    labels = EIGHT if label == "mean of eight" else (label,)
    return any(run.scores.tasks[name].is_withheld for name in labels)


def paper_section(run: ScoredRun, model: str, comparisons: list[Comparison]) -> Section:
    """The published figures beside ours."""
    rows = tuple(_row(c) for c in comparisons)
    order = [c.cell.label for c in comparisons]
    rule = order.index("mean of eight") if "mean of eight" in order else None
    columns = ("benchmark", "metric", model, "this run", "difference", "95 % interval", "verdict")
    skipped = sorted({cell.label for cell in published_cells(model)} - set(order))
    notes = [
        f"Published: {figures()['source']}. Their ± is ours to assume: binomial from the number of "
        "questions for Pass@5, Score and Prior; for Avg@5 (≤) the bound sqrt(p(1-p)/n). Nothing "
        "published allows clustering them.",
        "Both runs ask the same questions, which the interval does not use: it is wider than a "
        "paired one. Of 20 cells that agree, one is expected outside.",
        *[note for note in figures()["notes"] if note.startswith(f"{model}:")],
    ]
    if skipped:
        notes.append(f"Not in this run, or not with k = 5: {', '.join(skipped)}.")
    table = Table(columns, rows, rule, left=2)
    return Section(f"{run.name} beside the published {model}", table=table, notes=tuple(notes))


def _row(comparison: Comparison) -> tuple[str, ...]:
    cell = comparison.cell
    sign = "±≤" if cell.metric == "avg@5" else "±"
    theirs = f"{100 * cell.value:.2f} {sign}{number(100 * cell.stderr)}"
    if comparison.verdict == WITHHELD:
        return (cell.label, cell.metric, theirs, WITHHELD, "", "", WITHHELD)
    return (
        cell.label,
        cell.metric,
        theirs,
        points(comparison.ours),
        signed(100 * comparison.difference, 2),
        # As many digits as the published figure: "-17.7 .. +0.0" would hide why it is lower.
        f"{signed(100 * comparison.low, 2)} .. {signed(100 * comparison.high, 2)}",
        comparison.verdict,
    )
