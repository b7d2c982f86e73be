"""What the gate promises, over 2,000 simulated pairs each: false alarms, A/A pairs, power."""

from __future__ import annotations

import numpy as np
import pytest

from vigos_eval.compare.gate import GateVerdict, decide, difference_of
from vigos_eval.compare.pairing import PairedTask, pooled
from vigos_eval.compare.planning import visible_drop
from vigos_eval.stats import holm, lower_tail, one_sided_bounds

SEEDS = 2000


def simulated(
    seed: int, drop: float, tasks: int = 3, questions: int = 300, k: int = 5
) -> list[PairedTask]:
    """A pair whose true drop is exactly `drop` (fraction) in every task.

    Chances are uniform, the candidate's smaller by the same factor; the mean 1/2 falls by `drop`.
    """
    rng = np.random.default_rng(seed)
    found = []
    for i in range(tasks):
        chance = rng.uniform(size=questions)
        base = rng.binomial(k, chance) / k
        candidate = rng.binomial(k, chance * (1 - 2 * drop)) / k
        noise = (base * (1 - base) + candidate * (1 - candidate)) / (k - 1)
        clusters = np.arange(questions) + i * questions
        found.append(
            PairedTask(f"t{i}", base, candidate, clusters, noise=noise, k=k, asked=questions)
        )
    return found


def share(verdict: GateVerdict, drop: float, max_drop: float, **shape: int) -> float:
    """Share of the seeds in which the gate says `verdict`."""
    said = [decide(simulated(seed, drop, **shape), max_drop).verdict for seed in range(SEEDS)]
    return said.count(verdict) / SEEDS


@pytest.mark.parametrize(("tasks", "questions"), [(3, 300), (8, 100)])
def test_a_true_drop_of_exactly_m_is_a_regression_in_at_most_5_percent(
    tasks: int, questions: int
) -> None:
    assert share(GateVerdict.REGRESSION, 0.01, 0.01, tasks=tasks, questions=questions) <= 0.05


def test_with_one_task_false_alarms_are_the_bounds_own_5_percent() -> None:
    """One task is one test at exactly 5 % (5.06 % of 20,000 seeds); 2,000 scatter by ± 0.5 %."""
    found = share(GateVerdict.REGRESSION, 0.01, 0.01, tasks=1)
    assert found == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / SEEDS) ** 0.5)


def test_a_true_drop_of_exactly_m_passes_in_at_most_5_percent() -> None:
    assert share(GateVerdict.PASS, 0.05, 0.05) <= 0.05


def one_answer_pair(seed: int, drop: float, questions: int) -> PairedTask:
    """One answer per question, as greedy decoding gives: a share `drop` was right and is lost."""
    lost = np.random.default_rng(seed).uniform(size=questions) < drop
    return PairedTask(
        "t", np.ones(questions), 1.0 - lost, np.arange(questions), k=1, asked=questions
    )


@pytest.mark.parametrize("questions", [100, 300])
def test_rare_losses_that_make_up_the_whole_drop_do_not_pass(questions: int) -> None:
    """Half of the pairs of 100 questions show one loss or none: t alone passed 37 % of them."""
    pairs = [one_answer_pair(seed, 0.01, questions) for seed in range(SEEDS)]
    said = [decide([pair], 0.01).verdict for pair in pairs]
    assert said.count(GateVerdict.PASS) / SEEDS <= 0.06  # 4.8 % of 20,000 at 300 questions
    assert said.count(GateVerdict.REGRESSION) / SEEDS <= 0.05
    by_t = [one_sided_bounds(difference_of(pair))[0] > -0.01 for pair in pairs]
    assert sum(by_t) / SEEDS > 0.15


def test_an_a_a_pair_is_almost_never_a_regression() -> None:
    assert share(GateVerdict.REGRESSION, 0.0, 0.01) <= 0.01


def test_the_drop_that_is_promised_at_80_percent_is_found_that_often() -> None:
    """At 170 questions the promise is a drop of about 5 points beyond an allowed one of 0."""
    questions = 170
    promised = np.mean(
        [
            visible_drop(difference_of(simulated(seed, 0.05, tasks=1, questions=questions)[0]), 0.0)
            for seed in range(50)
        ]
    )
    assert promised == pytest.approx(0.05, abs=0.005)
    found = share(GateVerdict.REGRESSION, float(promised), 0.0, tasks=1, questions=questions)
    assert found == pytest.approx(0.80, abs=0.03)


def test_a_five_point_drop_is_found_at_least_as_often_as_promised_among_several_tasks() -> None:
    """Pooled over three tasks the promise covers 5 points, so it holds with 80 % or more."""
    shape = {"tasks": 3, "questions": 300}
    pair = simulated(0, 0.05, **shape)
    assert decide(pair, 0.01).pooled.visible_drop < 0.05
    assert share(GateVerdict.REGRESSION, 0.05, 0.01, **shape) >= 0.80


def test_an_unchanged_checkpoint_passes_as_often_as_the_needed_questions_promise() -> None:
    pair = simulated(0, 0.0, tasks=2, questions=400)
    rows = decide(pair, 0.03).rows
    questions = max(row.needed.questions or 0 for row in rows[:-1])
    assert 400 < questions < 4000
    # Rows that pass together pass more often than the promise for independent ones.
    assert 0.80 <= share(GateVerdict.PASS, 0.0, 0.03, tasks=2, questions=questions) <= 0.92


def test_without_the_pooled_score_in_holms_family_false_alarms_would_exceed_5_percent() -> None:
    alarms = 0
    for seed in range(SEEDS):
        pair = simulated(seed, 0.01, tasks=3, questions=1000)
        p_values = holm([lower_tail(difference_of(task), -0.01) for task in pair])
        alarms += min(p_values) < 0.05 or lower_tail(difference_of(pooled(pair)), -0.01) < 0.05
    assert alarms / SEEDS > 0.06
