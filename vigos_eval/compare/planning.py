"""What a paired run can see, and how many questions or attempts would decide. No verdict here.

All at 80 % power and the gate's own levels. With s the standard error of the difference, a test
at one-sided level a finds a distance D from its threshold with 80 % chance when
D = (t(1-a) + z(0.8)) s. More questions shrink s like 1/sqrt(n); more attempts shrink only the part
of s^2 that comes from sampling attempts. Neither may undercut what so few clusters can know at all
(bounds.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vigos_eval.compare.bounds import ALPHA, clusters_to_exclude, unseen_share
from vigos_eval.compare.pairing import PairedTask
from vigos_eval.stats import Estimate, t_quantile

POWER = 0.80


@dataclass(frozen=True)
class Needed:
    """What would decide.

    Attributes:
        questions: At the present number of attempts; None when it cannot be known.
        attempts: Per question, at the present questions; None when no number would, or when it
            cannot be known from this run.
    """

    questions: int | None
    attempts: int | None


def normal_quantile(probability: float) -> float:
    """The standard normal's quantile.

    >>> round(normal_quantile(0.8), 4)
    0.8416
    """
    from scipy.special import ndtri

    return float(ndtri(probability))


def visible_drop(difference: Estimate, max_drop: float, family: int = 1) -> float:
    """The smallest true drop (fraction) that the gate calls REGRESSION with 80 % chance, or infinity.

    Args:
        difference: Of this run pair; only its error counts.
        max_drop: The allowed drop, fraction.
        family: Hypotheses that Holm corrects for; the first step's level is 5 % / family.

    >>> round(visible_drop(Estimate(0.0, 0.004, 9000, 9000), 0.01), 4)
    0.0199
    """
    if math.isnan(difference.stderr):
        return math.inf
    level = t_quantile(1 - ALPHA / family, difference.clusters)
    unseen = unseen_share(difference.clusters, ALPHA / family)
    # The drop d from which d - unseen (1 + d) exceeds the allowed one: see bounds.py.
    threshold = max(max_drop + level * difference.stderr, (max_drop + unseen) / (1 - unseen))
    drop = threshold + normal_quantile(POWER) * difference.stderr
    return drop if drop <= 1 else math.inf


def needed(task: PairedTask, difference: Estimate, distance: float, rows: int = 1) -> Needed:
    """Questions, or attempts, with which a true distance from the threshold is seen.

    Args:
        task: The pair at hand; its spread is taken for that of more questions of the kind.
        difference: Its difference and error.
        distance: True difference minus threshold, fraction, without sign.
        rows: Rows that must all be decided at once: each then needs more than 80 %.

    >>> task = PairedTask("t", np.zeros(100), np.zeros(100), np.arange(100))
    >>> needed(task, Estimate(0.0, 0.02, 100, 100), 0.01)
    Needed(questions=2505, attempts=None)
    >>> needed(task, Estimate(0.0, 0.0, 100, 100), 0.01)
    Needed(questions=299, attempts=None)
    """
    fewest = clusters_to_exclude(distance)
    if math.isnan(difference.stderr) or fewest is None:
        return Needed(None, None)
    level = t_quantile(1 - ALPHA, difference.clusters)
    reach = level + normal_quantile(1 - (1 - POWER) / rows)
    allowed = (distance / reach) ** 2  # the variance that would do
    present = difference.stderr**2
    by_spread = math.ceil(difference.questions * present / allowed)
    by_clusters = math.ceil(fewest * difference.questions / difference.clusters)
    are_enough = fewest <= difference.clusters
    return Needed(
        max(2, by_spread, by_clusters), _attempts(task, present, allowed) if are_enough else None
    )


def _attempts(task: PairedTask, present: float, allowed: float) -> int | None:
    if task.noise is None:
        return None
    weights = task.weights if task.weights is not None else np.full(task.base.size, 1.0)
    share = weights / weights.sum()
    sampling = min(present, float(np.dot(share**2, task.noise)))
    rest = present - sampling
    if allowed <= rest:
        return None
    return max(1, math.ceil(task.k * sampling / (allowed - rest)))
