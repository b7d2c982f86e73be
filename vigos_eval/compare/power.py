"""How many questions and attempts tell a drop from none, from the spread of runs that exist.

The variance of candidate minus base over n questions with k attempts is (R + S / k) / n: S comes from
sampling attempts, R from questions on which the two checkpoints really differ (and from clusters).
One run alone knows S but not R: checkpoints that are alike have R = 0, unrelated ones have twice
the variance of one run; the truth lies between. Two runs measure R.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vigos_eval.compare.bounds import ALPHA, clusters_to_exclude
from vigos_eval.compare.gate import difference_of
from vigos_eval.compare.pairing import PairedTask, paired_tasks, parse_metric, pooled
from vigos_eval.compare.planning import POWER, normal_quantile
from vigos_eval.report.sections import NOTHING, Section, Table, points_word
from vigos_eval.scored_run import ScoredRun

ATTEMPTS = (1, 3, 5, 10, 20)


@dataclass(frozen=True)
class Spread:
    """Variance of one question's difference, taken apart.

    Attributes:
        name: Task, or ``pooled``.
        questions: Questions it was measured on.
        clusters: Independent groups they form.
        k: Attempts it was measured with.
        sampling: S; NaN when it cannot be known (one attempt, or Pass@j).
        rest_low: Smallest R.
        rest_high: Largest R; equal to `rest_low` when measured from two runs.
        total_low: R + S/k at the k measured, smallest.
        total_high: The same, largest.
    """

    name: str
    questions: int
    clusters: int
    k: int
    sampling: float
    rest_low: float
    rest_high: float
    total_low: float
    total_high: float


def spreads(
    run: ScoredRun, against: ScoredRun | None, metric: str, tasks: Sequence[str] | None
) -> list[Spread]:
    """The spread per task, then pooled when there are several tasks.

    Raises:
        ConfigError: A metric or task that the run does not have.
        UnpairedRunsError: The two runs hold different questions.
    """
    paired = paired_tasks(run, against or run, parse_metric(metric), tasks)
    if len(paired) > 1:
        paired.append(pooled(paired))
    return [_spread(task, is_measured=against is not None) for task in paired]


def _spread(task: PairedTask, *, is_measured: bool) -> Spread:
    n = task.base.size
    difference = difference_of(task)
    sampling = math.nan
    if task.noise is not None and n:
        share = np.full(n, 1 / n) if task.weights is None else task.weights / task.weights.sum()
        sampling = n * task.k * float(np.dot(share**2, task.noise))
    if is_measured:
        total = n * difference.stderr**2
        known = 0.0 if math.isnan(sampling) else min(total, sampling / task.k)
        rest = total - known
        return Spread(task.name, n, difference.clusters, task.k, sampling, rest, rest, total, total)
    # Two unrelated checkpoints: twice the variance of one.
    alone = difference_of(replace(task, base=np.zeros(n)))
    high = 2 * n * alone.stderr**2  # NaN below two clusters
    known = 0.0 if math.isnan(sampling) else sampling / task.k
    # Where some sampling noise is unknown there is no smallest spread to give.
    is_whole = task.is_noise_whole and not math.isnan(sampling)
    low, rest_low = (known, 0.0) if is_whole else (math.nan, math.nan)
    rest_high = high - known if math.isnan(high) else max(0.0, high - known)
    return Spread(
        task.name, n, difference.clusters, task.k, sampling, rest_low, rest_high, low, high
    )


def questions_for(spread: Spread, drop: float, attempts: int, rows: int) -> tuple[float, float]:
    """Fewest and most questions that tell `drop` (fraction) from none; NaN where unknown.

    One-sided 5 %, and 80 % chance that all `rows` tests succeed at once; never fewer than hold the
    clusters without which nothing can be told (bounds.py).

    >>> spread = Spread("t", 100, 100, 5, 0.5, 0.0, 0.0, 0.1, 0.1)
    >>> questions_for(spread, 0.01, 5, 1)
    (6183.0, 6183.0)
    >>> questions_for(replace(spread, clusters=20, sampling=0.0), 0.01, 5, 1)
    (1495.0, 1495.0)
    """
    reach = normal_quantile(1 - ALPHA) + normal_quantile(1 - (1 - POWER) / rows)
    if math.isnan(spread.sampling):
        if attempts != spread.k:
            return math.nan, math.nan
        variances = spread.total_low, spread.total_high
    else:
        sampling = spread.sampling / attempts
        variances = spread.rest_low + sampling, spread.rest_high + sampling
    clusters = clusters_to_exclude(drop) or 1
    fewest = math.ceil(clusters * spread.questions / spread.clusters) if spread.clusters else 0
    low, high = (
        v if math.isnan(v) else float(max(fewest, math.ceil(v * (reach / drop) ** 2)))
        for v in variances
    )
    return low, high


def power_section(
    found: Sequence[Spread], drop_points: float, names: tuple[str, str | None]
) -> Section:
    """The table of questions by attempts."""
    run, against = names
    columns = ("task", "measured", *[f"k = {k}" for k in _attempts(found)])
    rows = tuple(
        (
            spread.name,
            f"{spread.questions} x {spread.k}",
            *[
                _range(questions_for(spread, drop_points / 100, k, len(found)))
                for k in _attempts(found)
            ],
        )
        for spread in found
    )
    if against is None:
        how = (
            "From one run: the smaller number holds for checkpoints that differ in nothing but "
            "sampling, the larger for unrelated ones. Give a second run with --against to measure it."
        )
    else:
        how = f"Measured between {run} and {against}."
    return Section(
        f"Questions needed to tell a drop of {points_word(drop_points)} from none",
        table=Table(columns, rows, len(rows) - 1 if len(rows) > 1 else None),
        notes=(
            "By attempts per question (k). One-sided 5 %, and 80 % chance that every row of this "
            f"table passes the gate at --max-drop {drop_points:g} when nothing changed.",
            how,
        ),
    )


def _attempts(found: Sequence[Spread]) -> list[int]:
    return sorted({*ATTEMPTS, *(spread.k for spread in found)})


def _range(numbers: tuple[float, float]) -> str:
    low, high = numbers
    if math.isnan(low) and math.isnan(high):
        return NOTHING
    if math.isnan(low):
        return f"<= {high:.0f}"
    return f"{low:.0f}" if low == high else f"{low:.0f}..{high:.0f}"
