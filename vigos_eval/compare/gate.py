"""The gate: PASS, REGRESSION or CANNOT TELL from paired tasks. Text and files are elsewhere.

L and U are one-sided 95 % bounds of candidate minus base (bounds.py), m the allowed drop.
PASS: L > -m in every task and pooled; every single test must succeed, so none is corrected.
REGRESSION: U < -m in any task or pooled, where the tasks and the pooled difference form one family
for Holm's correction. Left out of the family, the pooled test would add its own 5 % of false alarms
to the tasks' 5 %: with a true drop of exactly m in three tasks of 1,000 questions that was 9.1 % of
2,000 simulated pairs, instead of 4.8 % (tests/test_gate_simulation.py repeats it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from vigos_eval.compare.bounds import ALPHA, change_bounds, drop_p_value
from vigos_eval.compare.pairing import PairedTask, pooled
from vigos_eval.compare.planning import Needed, needed, visible_drop
from vigos_eval.scores import UNGRADED_LIMIT
from vigos_eval.stats import Estimate, clustered_mean, holm


class GateVerdict(StrEnum):
    """What a comparison may conclude."""

    PASS = "PASS"
    REGRESSION = "REGRESSION"
    CANNOT_TELL = "CANNOT TELL"


EXIT_CODES = {GateVerdict.PASS: 0, GateVerdict.REGRESSION: 1, GateVerdict.CANNOT_TELL: 3}


@dataclass(frozen=True)
class Change:
    """One task's change, or the pooled one. Fractions throughout.

    Attributes:
        name: Task, or ``pooled``.
        k: Attempts per question.
        base: Mean of the first run.
        candidate: Mean of the second run.
        difference: Candidate minus base, with its clustered error.
        lower: One-sided 95 % lower bound of the difference.
        upper: One-sided 95 % upper bound.
        p_value: Holm-adjusted, of "it did not drop by more than m".
        verdict: What this row alone says.
        visible_drop: True drop that this pair calls REGRESSION with 80 % chance.
        needed: What would let an unchanged checkpoint PASS with 80 % chance.
        needed_as_observed: What would decide if the observed difference were the true one.
        ungraded: Questions left out because grading failed in either run.
        asked: Questions asked in both runs.
    """

    name: str
    k: int
    base: float
    candidate: float
    difference: Estimate
    lower: float
    upper: float
    p_value: float
    verdict: GateVerdict
    visible_drop: float
    needed: Needed
    needed_as_observed: Needed
    ungraded: int
    asked: int


@dataclass(frozen=True)
class Decision:
    """The gate's answer.

    Attributes:
        verdict: PASS, REGRESSION or CANNOT TELL.
        max_drop: The allowed drop, fraction.
        pooled: All questions together.
        tasks: One by one.
        withheld: Tasks with more than 1 % ungraded; any of them, and nothing is concluded.
    """

    verdict: GateVerdict
    max_drop: float
    pooled: Change
    tasks: tuple[Change, ...]
    withheld: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Change, ...]:
        """Every tested row: the tasks, and the pooled one unless it is the only task again."""
        return self.tasks if len(self.tasks) == 1 else (*self.tasks, self.pooled)


def decide(tasks: Sequence[PairedTask], max_drop: float) -> Decision:
    """Did the candidate drop by more than `max_drop` (fraction)?"""
    tested = [*tasks] if len(tasks) == 1 else [*tasks, pooled(tasks)]
    differences = [difference_of(task) for task in tested]
    p_values = holm([drop_p_value(difference, max_drop) for difference in differences])
    changes = [
        _change(task, difference, p_value, max_drop, len(tested))
        for task, difference, p_value in zip(tested, differences, p_values, strict=True)
    ]
    withheld = tuple(
        task.name for task in tasks if task.ungraded > UNGRADED_LIMIT * max(1, task.asked)
    )
    verdicts = {change.verdict for change in changes}
    if withheld:
        verdict = GateVerdict.CANNOT_TELL
    elif GateVerdict.REGRESSION in verdicts:
        verdict = GateVerdict.REGRESSION
    elif verdicts == {GateVerdict.PASS}:
        verdict = GateVerdict.PASS
    else:
        verdict = GateVerdict.CANNOT_TELL
    return Decision(verdict, max_drop, changes[-1], tuple(changes[: len(tasks)]), withheld)


def difference_of(task: PairedTask) -> Estimate:
    """Candidate minus base, paired by question, clustered."""
    return clustered_mean(
        task.candidate - task.base, task.clusters, weights=task.weights, strata=task.strata
    )


def _change(
    task: PairedTask, difference: Estimate, p_value: float, max_drop: float, rows: int
) -> Change:
    lower, upper = change_bounds(difference)
    if p_value < ALPHA:
        verdict = GateVerdict.REGRESSION
    elif lower > -max_drop:
        verdict = GateVerdict.PASS
    else:
        verdict = GateVerdict.CANNOT_TELL
    return Change(
        name=task.name,
        k=task.k,
        base=_mean(task, task.base),
        candidate=_mean(task, task.candidate),
        difference=difference,
        lower=lower,
        upper=upper,
        p_value=p_value,
        verdict=verdict,
        visible_drop=visible_drop(difference, max_drop, rows),
        needed=needed(task, difference, max_drop, rows),
        needed_as_observed=needed(task, difference, abs(difference.value + max_drop)),
        ungraded=task.ungraded,
        asked=task.asked,
    )


def _mean(task: PairedTask, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    if not values.size:
        return float("nan")
    return float(np.average(values, weights=task.weights))
