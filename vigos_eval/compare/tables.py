"""A decision as sections of a report: the verdict in words, the rows, what would decide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from vigos_eval.compare.bounds import clusters_to_exclude
from vigos_eval.compare.gate import Change, Decision, GateVerdict
from vigos_eval.compare.planning import Needed
from vigos_eval.report.sections import NOTHING, Section, Table, number, percent, points_word, signed


def decision_sections(decision: Decision, base: str, candidate: str) -> Iterator[Section]:
    """The verdict, the rows behind it, and what would decide where it cannot tell."""
    title = f"{decision.verdict}: {candidate} against {base}"
    if decision.withheld:
        yield Section(title, lines=tuple(_withheld(decision)))
        return
    yield Section(
        title,
        lines=tuple(_verdict_lines(decision)),
        table=_rows(decision),
        notes=(
            f"Candidate minus base in points, paired by question, ± clustered standard error. L, U: "
            f"one-sided 95 % bounds. PASS: L > -{_m(decision)} everywhere. REGRESSION: U < "
            f"-{_m(decision)}, p < 0.05 after Holm over these rows. sees: true drop that these "
            "questions would call REGRESSION with 80 % chance.",
        ),
    )
    if decision.verdict is GateVerdict.CANNOT_TELL:
        yield _deciding(decision)


def _m(decision: Decision) -> str:
    return f"{100 * decision.max_drop:g}"


def _withheld(decision: Decision) -> Iterator[str]:
    yield "No verdict: more than 1 % of the questions are ungraded."
    for change in decision.tasks:
        if change.name in decision.withheld:
            share = 100 * change.ungraded / change.asked
            yield f"{change.name}: {change.ungraded} of {change.asked} ungraded ({share:.1f} %)"
    yield (
        "Grade what is missing with vigos-eval grade RUN --judge-model NAME --judge-base-url URL, or "
        "leave these tasks out with --tasks."
    )


def _verdict_lines(decision: Decision) -> Iterator[str]:
    drop = points_word(100 * decision.max_drop)
    dropped = [c for c in decision.rows if c.verdict is GateVerdict.REGRESSION]
    open_rows = [c for c in decision.rows if c.verdict is GateVerdict.CANNOT_TELL]
    if decision.verdict is GateVerdict.PASS:
        yield f"No task, and not the pooled score, dropped by {drop} or more (95 % sure of each)."
    elif decision.verdict is GateVerdict.REGRESSION:
        names = ", ".join(c.name for c in dropped)
        yield f"Dropped by more than {drop}: {names}."
    else:
        yield (
            f"Neither a drop of more than {drop} nor its absence is certain in "
            f"{', '.join(c.name for c in open_rows)}."
        )
        pooled = decision.pooled
        if math.isfinite(pooled.visible_drop):
            yield (
                f"This pair would have seen a pooled drop of {100 * pooled.visible_drop:.1f} points "
                "with 80 % chance."
            )
        fewest = clusters_to_exclude(decision.max_drop)
        few = [c.name for c in open_rows if fewest and c.difference.clusters < fewest]
        if few:
            yield (
                f"Fewer than {fewest} independent questions (those about one image or problem "
                f"count once) cannot exclude a drop of {drop}, even if every one stayed alike: "
                f"{', '.join(few)}."
            )
    ungraded = sum(c.ungraded for c in decision.tasks)
    if ungraded:
        yield f"{ungraded} questions are ungraded in one of the runs and left out of both."


def _rows(decision: Decision) -> Table:
    rows = tuple(_row(change) for change in decision.rows)
    rule = len(rows) - 1 if len(rows) > 1 else None
    columns = ("task", "n", "base", "cand.", "change", "L .. U", "p", "sees", "verdict")
    return Table(columns, rows, rule)


def _row(change: Change) -> tuple[str, ...]:
    difference = change.difference
    return (
        change.name,
        str(difference.questions),
        percent(change.base),
        percent(change.candidate),
        f"{signed(100 * difference.value)} ±{number(100 * difference.stderr)}",
        f"{_points(change.lower)} .. {_points(change.upper)}",
        f"{change.p_value:.3f}",
        _points(change.visible_drop).lstrip("+"),
        str(change.verdict),
    )


def _points(value: float) -> str:
    return signed(100 * value) if math.isfinite(value) else NOTHING


def _deciding(decision: Decision) -> Section:
    rows = tuple(
        (
            c.name,
            f"{c.difference.questions} x {c.k}",
            *_needed_cells(c.needed),
            *_needed_cells(c.needed_as_observed),
        )
        for c in decision.rows
        if c.verdict is GateVerdict.CANNOT_TELL
    )
    columns = (
        "task",
        "here: n x k",
        "to pass: n",
        "or k",
        "to be sure of this change: n",
        "or k",
    )
    return Section(
        "What would decide",
        table=Table(columns, rows),
        notes=(
            "n: questions at the same k; k: attempts per question at the same n. To pass: a "
            "checkpoint that did not change would PASS all rows with 80 % chance. To be sure of this "
            "change: if it is the true one, it would be decided with 80 % chance. A dash: no number "
            "of attempts would do (more questions are needed), or this pair cannot tell.",
        ),
    )


def _needed_cells(needed: Needed) -> tuple[str, str]:
    return (
        NOTHING if needed.questions is None else str(needed.questions),
        NOTHING if needed.attempts is None else str(needed.attempts),
    )


def trend_section(base: str, decisions: Sequence[tuple[str, Decision]]) -> Section:
    """Every candidate against the base, in the order given; the last one is gated."""
    rows = tuple(
        (
            name,
            str(decision.pooled.difference.questions),
            percent(decision.pooled.candidate) if not decision.withheld else "withheld",
            _points(decision.pooled.difference.value) if not decision.withheld else "",
            f"{_points(decision.pooled.lower)} .. {_points(decision.pooled.upper)}"
            if not decision.withheld
            else "",
            str(decision.verdict),
        )
        for name, decision in decisions
    )
    columns = ("candidate", "n", "pooled", "change", "L .. U", "alone it would be")
    return Section(f"All candidates against {base}", table=Table(columns, rows))
