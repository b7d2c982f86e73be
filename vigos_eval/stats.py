"""Clustered errors, paired differences, one-sided bounds, Holm's correction, detectable drops.

Plain numbers in and out; what a question's value is belongs to metrics.py, what a run may
conclude to compare.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigos_eval.errors import UnpairedRunsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A mean with its clustered standard error.

    Attributes:
        value: The mean; NaN over nothing.
        stderr: Its standard error; NaN below two clusters.
        questions: How many values went in.
        clusters: How many independent groups they form.
    """

    value: float
    stderr: float
    questions: int
    clusters: int


def cluster_codes(clusters: Sequence[Hashable]) -> Ints:
    """Clusters as integers 0..C-1 in order of first appearance.

    >>> cluster_codes(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    codes: dict[Hashable, int] = {}
    return np.array([codes.setdefault(c, len(codes)) for c in clusters], dtype=np.int64)


def clustered_mean(
    values: Sequence[float] | Floats,
    clusters: Sequence[Hashable] | Ints,
    weights: Sequence[float] | Floats | None = None,
    strata: Sequence[Hashable] | None = None,
) -> Estimate:
    r"""The (weighted) mean, with a standard error clustered by `clusters`.

    With influence e_i = w_i (x_i - mean of i's stratum), sum(w) = 1, and E_c the sum of e over
    cluster c, the variance is C/(C-1) sum_c E_c^2: Miller 2024 (arXiv:2411.00640, section 2.2)
    plus the finite-cluster factor. With equal weights and clusters of one it is s^2/n.

    Args:
        values: One per question.
        clusters: Cluster of each question: any labels, or integer codes.
        weights: Share of each question in the mean; they are scaled to sum to 1. Default equal.
        strata: Groups whose means are combined with fixed weights (CV-Bench's 2D and 3D): a
            value deviates from its own stratum's mean. Default one stratum.

    >>> clustered_mean([0, 1, 1, 0], ["a", "b", "c", "d"])
    Estimate(value=0.5, stderr=0.28867513459481287, questions=4, clusters=4)
    >>> clustered_mean([0, 0, 1, 1, 1, 1, 0, 0], list("aabbccdd")).stderr
    0.28867513459481287
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return Estimate(math.nan, math.nan, 0, 0)
    codes = clusters if isinstance(clusters, np.ndarray) else cluster_codes(clusters)
    if weights is None:
        share = np.full(x.size, 1.0 / x.size)
    else:
        share = np.asarray(weights, dtype=np.float64)
        share = share / share.sum()
    group = np.zeros(x.size, np.int64) if strata is None else cluster_codes(strata)
    stratum_mean = np.bincount(group, share * x) / np.bincount(group, share)
    sums = np.bincount(codes, share * (x - stratum_mean[group]))
    count = int(np.count_nonzero(np.bincount(codes)))
    # Sum over sum: a dot product with 1/n makes 20 right answers of 20 a mean of 1 + 2e-16.
    value = float(np.average(x, weights=weights))
    if count < 2:
        return Estimate(value, math.nan, x.size, count)
    variance = float(np.dot(sums, sums)) * count / (count - 1)
    return Estimate(value, math.sqrt(variance), x.size, count)


def share_stderr(found: Estimate) -> float:
    """The standard error of a mean of values in [0, 1]; Wilson's where the clusters show no spread.

    Clusters that all came out alike have a clustered error of 0, as if three right answers of three
    were certain to go on. There it is the mean's distance to the far end of Wilson's interval (1927)
    at one standard error over C clusters: 1 / (C + 1) at 0 and 1, about what one cluster that differs
    would have shown. A cluster's mean varies at most like the binomial draw that Wilson assumes.

    >>> round(share_stderr(Estimate(1.0, 0.0, 99, 99)), 3), share_stderr(Estimate(0.5, 0.1, 25, 25))
    (0.01, 0.1)
    """
    if math.isnan(found.stderr) or found.stderr > 1e-9:  # sums of equal values may miss 0 by a bit
        return found.stderr
    c, p = found.clusters, found.value
    centre = (p + 0.5 / c) / (1 + 1 / c)
    half = math.sqrt(max(0.0, p * (1 - p)) / c + 0.25 / c**2) / (1 + 1 / c)
    return max(centre + half - p, p - centre + half)


def paired_difference(
    baseline: Mapping[str, float],
    candidate: Mapping[str, float],
    cluster_of: Mapping[str, Hashable],
) -> Estimate:
    """Mean of candidate minus baseline per question, with a clustered standard error.

    Args:
        baseline: Score in [0, 1] by question.
        candidate: The same questions, scored for the other checkpoint.
        cluster_of: Cluster by question.

    Raises:
        UnpairedRunsError: The two runs differ in questions; names three of them.
        KeyError: A question has no cluster.

    >>> round(paired_difference({"a": 0, "b": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 2}).value, 3)
    0.5
    """
    if odd := sorted(baseline.keys() ^ candidate.keys()):
        raise UnpairedRunsError(
            f"{len(odd)} questions are in one run only, e.g. {', '.join(odd[:3])}; "
            "run both checkpoints on the same tasks with the same task version and limit"
        )
    ids = sorted(baseline)
    return clustered_mean([candidate[i] - baseline[i] for i in ids], [cluster_of[i] for i in ids])


def t_quantile(probability: float, clusters: int) -> float:
    """Student's t quantile with `clusters` - 1 degrees of freedom; infinite below two clusters.

    >>> round(t_quantile(0.95, 11), 3), round(t_quantile(0.95, 100001), 3)
    (1.812, 1.645)
    """
    from scipy.special import stdtrit

    return float(stdtrit(clusters - 1, probability)) if clusters >= 2 else math.inf


def lower_tail(estimate: Estimate, threshold: float) -> float:
    """One-sided p-value of "the true value is at least `threshold`"; small means it lies below.

    >>> round(lower_tail(Estimate(-0.05, 0.01, 500, 500), -0.01), 5)
    4e-05
    """
    from scipy.special import stdtr

    gap = estimate.value - threshold
    if math.isnan(estimate.stderr):
        return 1.0
    if estimate.stderr == 0.0:
        return 0.0 if gap < 0 else 1.0
    return float(stdtr(estimate.clusters - 1, gap / estimate.stderr))


def one_sided_bounds(estimate: Estimate, level: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound, each holding with probability `level`; infinite below two clusters.

    >>> [round(bound, 3) for bound in one_sided_bounds(Estimate(0.0, 0.01, 1001, 1001))]
    [-0.016, 0.016]
    """
    if math.isnan(estimate.stderr):
        return -math.inf, math.inf
    reach = t_quantile(level, estimate.clusters) * estimate.stderr
    return estimate.value - reach, estimate.value + reach


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979), in the order given: reject where they are <= alpha.

    The chance of any false rejection stays at alpha, however the tests depend on each other.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def mean_of_independent(estimates: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Unweighted mean of independent (value, stderr) pairs: error sqrt(sum of squares) / count.

    >>> mean_of_independent([(0.5, 0.03), (0.7, 0.04)])
    (0.6, 0.025)
    """
    values: list[Any] = [value for value, _ in estimates]
    errors = [error for _, error in estimates]
    count = len(estimates)
    return math.fsum(values) / count, math.sqrt(math.fsum(e * e for e in errors)) / count
