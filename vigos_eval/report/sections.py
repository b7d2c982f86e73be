"""What a report is made of before it has a format: sections of text and one table, and its cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vigos_eval.stats import Estimate
from vigos_eval.types import Score

NOTHING = "—"
WITHHELD = "withheld"


@dataclass(frozen=True)
class Table:
    """A table of finished cells; the first column is left-aligned, the others right-aligned.

    Attributes:
        columns: Headings.
        rows: Cells, one tuple per row.
        rule_before: A line is drawn above the row with this index (the mean); None for none.
        left: How many leading columns are text.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    rule_before: int | None = None
    left: int = 1


@dataclass(frozen=True)
class Section:
    """A heading, lines above the table, the table, notes below it."""

    title: str
    lines: tuple[str, ...] = ()
    table: Table | None = None
    notes: tuple[str, ...] = ()


def points(score: Score) -> str:
    """A score in percent with its standard error in points.

    >>> points(Score(0.7201, 0.0304, 218, 0)), points(Score(1.0, math.nan, 1, 0))
    ('72.0 ±3.0', '100.0 ±—')
    """
    if math.isnan(score.value):
        return NOTHING
    return f"{100 * score.value:.1f} ±{number(100 * score.stderr)}"


def number(value: float, digits: int = 1) -> str:
    """A number, or a dash for NaN.

    >>> number(3.14159), number(math.nan)
    ('3.1', '—')
    """
    return NOTHING if math.isnan(value) else f"{value:.{digits}f}"


def points_of(estimate: Estimate) -> str:
    """A mean in percent with its standard error in points.

    >>> points_of(Estimate(0.25, 0.015, 40, 40)), points_of(Estimate(math.nan, math.nan, 0, 0))
    ('25.0 ±1.5', '—')
    """
    return points(Score(estimate.value, estimate.stderr, estimate.questions, 0))


def points_word(points: float) -> str:
    """A number of points in words.

    >>> points_word(1.0), points_word(2.5)
    ('1 point', '2.5 points')
    """
    written = f"{points:g}"
    return f"{written} point{'' if written == '1' else 's'}"


def percent(share: float) -> str:
    """A share in percent, or a dash for NaN.

    >>> percent(0.125), percent(math.nan)
    ('12.5', '—')
    """
    return number(100 * share)


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, or a dash for NaN; never a negative zero.

    >>> signed(-1.26), signed(0.5), signed(-0.001)
    ('-1.3', '+0.5', '+0.0')
    """
    if math.isnan(value):
        return NOTHING
    text = f"{value:+.{digits}f}"
    return text.replace("-", "+") if float(text) == 0 else text
