"""The figure of several candidates against one base: pooled change with its bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from vigos_eval.compare.gate import Decision, GateVerdict
from vigos_eval.plots.style import drawing, save, short

VERDICT_COLOURS = {
    GateVerdict.PASS: "#009E73",
    GateVerdict.REGRESSION: "#D55E00",
    GateVerdict.CANNOT_TELL: "#777777",
}


def save_trend(base: str, decisions: Sequence[tuple[str, Decision]], path: Path) -> Path:
    """Draw every candidate's pooled change with L and U, and the allowed drop; returns the path."""
    with drawing() as plt:
        figure, panel = plt.subplots(figsize=(max(4.5, 1.1 * len(decisions) + 2.5), 3.6))
        for x, (_, decision) in enumerate(decisions):
            pooled = decision.pooled
            if decision.withheld or not math.isfinite(pooled.lower):
                panel.text(x, 0, "no verdict", ha="center", va="bottom", fontsize=8)
                continue
            value = 100 * pooled.difference.value
            panel.errorbar(
                x,
                value,
                yerr=[[value - 100 * pooled.lower], [100 * pooled.upper - value]],
                fmt="o",
                capsize=4,
                color=VERDICT_COLOURS[decision.verdict],
            )
            panel.annotate(
                str(decision.verdict),
                (x, 100 * pooled.upper),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=VERDICT_COLOURS[decision.verdict],
            )
        allowed = -100 * decisions[-1][1].max_drop
        panel.axhline(0, color="#333333", linewidth=0.8)
        panel.axhline(allowed, color="#D55E00", linewidth=1, linestyle="--")
        panel.annotate(
            f"allowed drop {allowed:g}",
            (1, allowed),
            xycoords=("axes fraction", "data"),
            xytext=(-2, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8,
            color="#D55E00",
        )
        panel.margins(x=0.12, y=0.2)
        panel.set_xticks(range(len(decisions)), [short(name, 20) for name, _ in decisions])
        panel.tick_params(axis="x", rotation=20 if len(decisions) > 4 else 0)
        panel.set_ylabel("points")
        panel.set_title(f"pooled change against {short(base)} (L .. U: one-sided 95 %)", loc="left")
        return save(figure, path)
