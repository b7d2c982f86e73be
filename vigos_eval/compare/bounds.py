"""Bounds of a change that stay honest where a pair shows little or no spread. No verdict here.

Student's t takes its error from the spread it sees: ten questions that all stayed alike would be
certain of "no change". What C clusters can know ends elsewhere. Were a share f of all clusters
unlike those seen, C draws would miss it with chance (1 - f)^C, so with 95 % certainty f is below
1 - 0.05^(1/C), about 3/C (the rule of three). A change lies in [-1, 1]; if those clusters changed by
all they can, its mean d moves to d - f (1 + d) or d + f (1 - d). No bound is narrower than that.
With no spread at all it is the exact 95 % bound; where t is wider (a spread above 1.8 / sqrt(C)), t
stands as it is.
"""

from __future__ import annotations

import math

from vigos_eval.stats import Estimate, lower_tail, one_sided_bounds

ALPHA = 0.05


def unseen_share(clusters: int, alpha: float = ALPHA) -> float:
    """Largest share of clusters, in [0, 1], that `clusters` draws may all have missed.

    >>> round(unseen_share(298), 5), round(unseen_share(299), 5), unseen_share(0)
    (0.01, 0.00997, 1.0)
    """
    return 1.0 - alpha ** (1.0 / clusters) if clusters else 1.0


def clusters_to_exclude(share: float, alpha: float = ALPHA) -> int | None:
    """Fewest clusters whose unseen share is below `share`; None when no number is enough, or for NaN.

    >>> clusters_to_exclude(0.01), clusters_to_exclude(0.05), clusters_to_exclude(0.0)
    (299, 59, None)
    """
    if not share > 0:
        return None
    return 1 if share >= 1 else math.ceil(math.log(alpha) / math.log1p(-share))


def change_bounds(change: Estimate) -> tuple[float, float]:
    """One-sided 95 % bounds of a mean change in [-1, 1]; infinite below two clusters.

    >>> [round(bound, 4) for bound in change_bounds(Estimate(0.0, 0.0, 100, 100))]
    [-0.0295, 0.0295]
    >>> [round(bound, 4) for bound in change_bounds(Estimate(0.0, 0.02, 100, 100))]
    [-0.0332, 0.0332]
    """
    lower, upper = one_sided_bounds(change)
    unseen = unseen_share(change.clusters)
    d = change.value
    return min(lower, d - unseen * (1 + d)), max(upper, d + unseen * (1 - d))


def drop_p_value(change: Estimate, max_drop: float) -> float:
    """One-sided p-value of "the true drop is at most `max_drop`": 5 % where the upper bound is -max_drop.

    >>> round(drop_p_value(Estimate(-1.0, 0.0, 2, 2), 0.01), 3)
    0.255
    """
    by_spread = lower_tail(change, -max_drop)
    if math.isnan(by_spread) or not -1 <= change.value < -max_drop:
        return by_spread
    return max(by_spread, ((1 + max_drop) / (1 - change.value)) ** change.clusters)
