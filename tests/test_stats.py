"""stats.py against textbook formulas, identities and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vigos_eval.errors import UnpairedRunsError
from vigos_eval.stats import (
    Estimate,
    clustered_mean,
    holm,
    lower_tail,
    one_sided_bounds,
    paired_difference,
    share_stderr,
)

RNG = np.random.default_rng(0)


def test_clusters_of_one_give_the_textbook_error() -> None:
    x = RNG.normal(size=40)
    found = clustered_mean(x, np.arange(40))
    assert found.stderr == pytest.approx(x.std(ddof=1) / math.sqrt(40))


def test_equal_clusters_give_the_error_of_their_means() -> None:
    x = RNG.normal(size=60)
    found = clustered_mean(x, np.arange(60) // 3)
    assert found.stderr == pytest.approx(x.reshape(20, 3).mean(1).std(ddof=1) / math.sqrt(20))


def test_copies_of_a_question_add_no_evidence() -> None:
    x = RNG.normal(size=30)
    codes = np.arange(30) // 2
    once, thrice = clustered_mean(x, codes), clustered_mean(np.tile(x, 3), np.tile(codes, 3))
    assert thrice.stderr == pytest.approx(once.stderr)
    assert thrice.value == pytest.approx(once.value)


def test_swapping_the_runs_mirrors_the_interval() -> None:
    base = {str(i): float(x) for i, x in enumerate(RNG.random(50))}
    cand = {str(i): float(x) for i, x in enumerate(RNG.random(50))}
    cluster = {i: int(i) // 2 for i in base}
    low, high = one_sided_bounds(paired_difference(base, cand, cluster))
    mirrored = one_sided_bounds(paired_difference(cand, base, cluster))
    assert mirrored == pytest.approx((-high, -low))


def test_strata_combine_like_independent_means() -> None:
    """Half of each stratum's mean: the error is half the root of the summed squares."""
    a, b = RNG.normal(size=30), RNG.normal(5, 2, size=10)
    weights = [0.5 / 30] * 30 + [0.5 / 10] * 10
    found = clustered_mean(np.r_[a, b], np.arange(40), weights, ["a"] * 30 + ["b"] * 10)
    # One finite-cluster factor for both strata instead of one each: a little below the exact one.
    parts = math.hypot(a.std() / math.sqrt(30), b.std() / math.sqrt(10)) / 2
    assert found.stderr == pytest.approx(parts * math.sqrt(40 / 39))
    assert found.value == pytest.approx((a.mean() + b.mean()) / 2)


def test_below_two_clusters_there_is_no_error_and_no_bound() -> None:
    found = clustered_mean([0.0, 1.0], ["same", "same"])
    assert math.isnan(found.stderr)
    assert one_sided_bounds(found) == (-math.inf, math.inf)
    assert lower_tail(found, 0.9) == 1.0
    assert math.isnan(clustered_mean([], []).value)


@pytest.mark.parametrize(("share", "clusters"), [(1.0, 30), (0.0, 30), (0.4, 8), (1.0, 2)])
def test_clusters_that_came_out_alike_get_the_error_of_wilsons_interval(
    share: float, clusters: int
) -> None:
    """The interval holds the shares q with |share - q| <= sqrt(q (1 - q) / C): found by search."""
    found = clustered_mean([share] * clusters, np.arange(clusters))
    assert found.stderr == pytest.approx(0.0, abs=1e-12)
    q = np.linspace(0, 1, 1_000_001)
    inside = q[np.abs(share - q) <= np.sqrt(q * (1 - q) / clusters) + 1e-12]
    farthest = max(share - inside.min(), inside.max() - share)
    assert share_stderr(found) == pytest.approx(farthest, abs=2e-6)


@pytest.mark.parametrize("n", [3, 20, 49, 1000])
def test_all_right_is_a_mean_of_exactly_one(n: int) -> None:
    assert clustered_mean([1.0] * n, np.arange(n)).value == 1.0
    assert clustered_mean([1.0] * n, np.arange(n), weights=RNG.random(n)).value == 1.0


def test_an_error_that_the_clusters_show_is_left_as_it_is() -> None:
    found = clustered_mean([0.0, 1.0, 1.0], np.arange(3))
    assert share_stderr(found) == found.stderr > 0
    assert math.isnan(share_stderr(clustered_mean([1.0, 1.0], [0, 0])))
    # One wrong of 100 and none wrong of 100 have about the same error: nothing jumps.
    one_wrong = share_stderr(clustered_mean([0.0, *[1.0] * 99], np.arange(100)))
    none_wrong = share_stderr(clustered_mean([1.0] * 100, np.arange(100)))
    assert none_wrong == pytest.approx(one_wrong, rel=0.02)


def test_runs_with_different_questions_are_refused_with_three_names() -> None:
    with pytest.raises(UnpairedRunsError, match=r"4 questions .* e\.g\. a, b, c; "):
        paired_difference({"a": 1, "b": 1, "x": 0}, {"c": 1, "d": 1, "x": 0}, {})


def test_the_bound_holds_in_95_of_100_draws() -> None:
    x = np.random.default_rng(1).exponential(size=(4000, 60)) - 1.0
    covered = [
        bounds[0] <= 0.0
        for row in x
        for bounds in [one_sided_bounds(clustered_mean(row, np.arange(60)))]
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_lower_tail_and_bounds_agree() -> None:
    found = Estimate(-0.02, 0.005, 300, 200)
    low, high = one_sided_bounds(found)
    assert lower_tail(found, high) == pytest.approx(0.05)
    assert lower_tail(found, low) == pytest.approx(0.95)


def test_holm_rejects_what_the_stepwise_rule_rejects() -> None:
    for _ in range(200):
        p = RNG.random(6) ** 3
        order = np.argsort(p)
        rejected = set()
        for rank, i in enumerate(order):
            if p[i] > 0.05 / (6 - rank):
                break
            rejected.add(int(i))
        assert {i for i, q in enumerate(holm(list(p))) if q <= 0.05} == rejected
