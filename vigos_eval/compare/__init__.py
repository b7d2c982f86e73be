"""Two runs of the same questions -> a decision with an exit code. `compare_runs` is the door."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vigos_eval.compare.gate import EXIT_CODES, Decision, GateVerdict, decide
from vigos_eval.compare.pairing import paired_tasks, parse_metric, refuse_incomparable
from vigos_eval.errors import ConfigError
from vigos_eval.scored_run import ScoredRun

__all__ = ["EXIT_CODES", "Decision", "GateVerdict", "compare_runs"]


def compare_runs(
    base: ScoredRun,
    candidate: ScoredRun,
    *,
    max_drop_points: float,
    metric: str = "avg",
    tasks: Sequence[str] | None = None,
) -> Decision:
    """Did `candidate` drop by more than `max_drop_points` against `base`?

    Args:
        base: The run to hold on to.
        candidate: The run in question, of the same questions under the same protocol.
        max_drop_points: Allowed drop in points (percent), >= 0.
        metric: ``avg`` (all attempts), ``avg@K`` or ``pass@J``. ViLP's are its Score and Prior.
        tasks: Labels or the groups vigos8, vilp, vigos; None compares all.

    Raises:
        ConfigError: A drop that is no number >= 0, an unknown metric or task.
        RunFolderError: A control or partial run.
        ProtocolMismatch: Protocol, grading or k differ.
        UnpairedRunsError: The questions differ.
    """
    if not (math.isfinite(max_drop_points) and 0 <= max_drop_points <= 100):
        raise ConfigError(f"--max-drop {max_drop_points:g}; give points in 0..100, e.g. 1.0")
    refuse_incomparable(base, candidate)
    paired = paired_tasks(base, candidate, parse_metric(metric), tasks)
    return decide(paired, max_drop_points / 100)
