"""The gate's decision rules on hand-made pairs, and what its numbers promise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from vigos_eval.compare.gate import Decision, GateVerdict, decide, difference_of
from vigos_eval.compare.pairing import PairedTask, swapped
from vigos_eval.compare.planning import Needed, needed
from vigos_eval.stats import holm, lower_tail, one_sided_bounds


def pair(name: str, change: float, spread: float, n: int = 400, first: int = 0) -> PairedTask:
    """A pair whose difference has exactly this mean and this standard deviation (n even)."""
    base = np.full(n, 0.5)
    wobble = np.tile([spread, -spread], n // 2) * math.sqrt((n - 1) / n)
    return PairedTask(name, base, base + change + wobble, np.arange(first, first + n), k=5, asked=n)


def rows(decision: Decision) -> dict[str, GateVerdict]:
    """Verdict by row."""
    return {change.name: change.verdict for change in decision.rows}


def test_bounds_are_one_sided_95_percent_of_the_paired_difference() -> None:
    task = pair("t", -0.01, 0.2)
    (change,) = decide([task], 0.01).rows
    stderr = 0.2 / math.sqrt(400)
    assert change.difference.stderr == pytest.approx(stderr)
    # Student's t with 399 degrees of freedom: 1.6487.
    assert change.lower == pytest.approx(-0.01 - 1.6487 * stderr, abs=1e-5)
    assert change.upper == pytest.approx(-0.01 + 1.6487 * stderr, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (0.02, GateVerdict.PASS),
        (0.0, GateVerdict.PASS),  # L = -0.0082 > -0.01
        (-0.004, GateVerdict.CANNOT_TELL),
        (-0.018, GateVerdict.CANNOT_TELL),
        (-0.0185, GateVerdict.REGRESSION),  # U = -0.0103 < -0.01
    ],
)
def test_one_task_passes_regresses_or_cannot_tell(change: float, verdict: GateVerdict) -> None:
    assert decide([pair("t", change, 0.1)], 0.01).verdict is verdict


def test_pass_needs_every_task_and_the_pooled_score() -> None:
    good, wide = pair("good", 0.0, 0.05), pair("wide", 0.0, 0.4, first=400)
    decision = decide([good, wide], 0.01)
    assert rows(decision)["good"] is GateVerdict.PASS
    assert rows(decision)["wide"] is GateVerdict.CANNOT_TELL
    assert decision.verdict is GateVerdict.CANNOT_TELL


def test_one_task_that_dropped_is_a_regression_although_the_rest_gained() -> None:
    tasks = [pair(f"t{i}", 0.03, 0.05, first=400 * i) for i in range(3)]
    decision = decide([*tasks, pair("bad", -0.05, 0.05, first=1200)], 0.01)
    assert decision.pooled.verdict is GateVerdict.PASS
    assert rows(decision)["bad"] is GateVerdict.REGRESSION
    assert decision.verdict is GateVerdict.REGRESSION


def test_a_drop_spread_over_all_tasks_is_seen_in_the_pooled_score() -> None:
    tasks = [pair(f"t{i}", -0.02, 0.11, first=400 * i) for i in range(4)]
    decision = decide(tasks, 0.01)
    assert {rows(decision)[f"t{i}"] for i in range(4)} == {GateVerdict.CANNOT_TELL}
    assert decision.pooled.verdict is GateVerdict.REGRESSION
    assert decision.verdict is GateVerdict.REGRESSION


def test_holm_runs_over_the_tasks_and_the_pooled_score() -> None:
    tasks = [pair(f"t{i}", -0.01 * i, 0.12, first=400 * i) for i in range(3)]
    decision = decide(tasks, 0.005)
    raw = [lower_tail(change.difference, -0.005) for change in decision.rows]
    assert [change.p_value for change in decision.rows] == pytest.approx(holm(raw))
    # Significant alone, no longer among four.
    alone = pair("t", -0.0145, 0.1)
    assert decide([alone], 0.005).verdict is GateVerdict.REGRESSION
    others = [pair(f"o{i}", 0.0, 0.1, first=400 * (i + 1)) for i in range(3)]
    assert rows(decide([alone, *others], 0.005))["t"] is GateVerdict.CANNOT_TELL


def test_swapping_the_runs_mirrors_every_interval() -> None:
    task = pair("t", -0.03, 0.2)
    there, back = difference_of(task), difference_of(swapped(task))
    low, high = one_sided_bounds(there)
    assert one_sided_bounds(back) == pytest.approx((-high, -low))


def test_copying_every_question_changes_no_verdict() -> None:
    task = pair("t", -0.016, 0.08)
    twice = replace(
        task,
        base=np.tile(task.base, 2),
        candidate=np.tile(task.candidate, 2),
        clusters=np.tile(task.clusters, 2),
    )
    once, copied = decide([task], 0.01).pooled, decide([twice], 0.01).pooled
    assert copied.difference.stderr == pytest.approx(once.difference.stderr)
    assert copied.verdict is once.verdict is GateVerdict.CANNOT_TELL


def alike(n: int) -> PairedTask:
    """A pair in which no question changed."""
    half = np.full(n, 0.5)
    return PairedTask("t", half, half, np.arange(n), k=5, asked=n)


@pytest.mark.parametrize(("questions", "verdict"), [(298, "CANNOT TELL"), (299, "PASS")])
def test_identical_runs_pass_once_they_are_large_enough_to_know(
    questions: int, verdict: str
) -> None:
    """A drop of a point hides from n draws with chance 0.99^n, which is below 5 % from 299 on."""
    assert (0.99**questions < 0.05) == (verdict == "PASS")
    decision = decide([alike(questions)], 0.01)
    assert decision.verdict == verdict
    assert decision.pooled.lower == pytest.approx(0.05 ** (1 / questions) - 1)
    assert decision.pooled.needed.questions == 299


def test_copies_of_one_image_are_not_more_evidence_that_nothing_changed() -> None:
    same = alike(400)
    few = replace(same, clusters=np.arange(400) // 8)
    assert decide([few], 0.01).verdict is GateVerdict.CANNOT_TELL
    assert decide([few], 0.01).pooled.needed == Needed(questions=8 * 299, attempts=None)
    one_image = replace(same, clusters=np.zeros(400, dtype=np.int64))
    assert decide([one_image], 0.01).verdict is GateVerdict.CANNOT_TELL


def test_a_worse_candidate_never_gets_a_better_verdict_for_showing_some_spread() -> None:
    """100 questions alike cannot exclude a drop of a point; one of them lost may not change that."""
    same = alike(100)
    candidate = same.candidate.copy()
    candidate[0] = 0.3
    one_lost = replace(same, candidate=candidate)
    assert decide([one_lost], 0.01).pooled.lower < decide([same], 0.01).pooled.lower < -0.01


@pytest.mark.parametrize("questions", [2, 4, 5, 12])
def test_a_loss_without_spread_is_certain_when_chance_no_longer_explains_it(questions: int) -> None:
    """Every question lost wholly. Were a share q lost and the rest won, the mean is 1 - 2q; it is
    -m at q = (1 + m) / 2, and then all n are lost with chance q^n."""
    lost = replace(alike(questions), base=np.ones(questions), candidate=np.zeros(questions))
    decision = decide([lost], 0.01)
    chance = (1.01 / 2) ** questions
    assert decision.pooled.p_value == pytest.approx(chance)
    assert (decision.verdict is GateVerdict.REGRESSION) == (chance < 0.05)
    assert (decision.pooled.upper < -0.01) == (chance < 0.05)


def test_more_than_one_percent_ungraded_gives_no_verdict_even_when_the_drop_is_plain() -> None:
    dropped = pair("bad", -0.2, 0.05)
    assert decide([replace(dropped, ungraded=4)], 0.01).verdict is GateVerdict.REGRESSION
    withheld = decide([replace(dropped, ungraded=5)], 0.01)
    assert withheld.verdict is GateVerdict.CANNOT_TELL
    assert withheld.withheld == ("bad",)


def test_attempts_help_only_the_part_that_sampling_makes() -> None:
    """se^2 = 0.0004, of which 0.0003 is sampling at k = 5. To reach 0.0002: k = 5 * 3 / 1 = 15."""
    n = 100
    task = replace(pair("t", 0.0, 0.2, n), noise=np.full(n, 0.03))
    difference = difference_of(task)
    assert difference.stderr**2 == pytest.approx(0.0004)
    reach = 1.6604 + 0.8416
    wanted = reach * math.sqrt(0.0002)
    found = needed(task, difference, wanted * 1.0001)
    assert (found.questions, found.attempts) == (200, 15)
    # Below the part that attempts cannot shrink, only questions help.
    assert needed(task, difference, reach * math.sqrt(0.00009)).attempts is None
    assert needed(replace(task, noise=None), difference, wanted).attempts is None
