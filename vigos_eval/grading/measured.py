"""Formulas with a unit of measure behind them, which `number.py` does not read. Compares units only."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

from vigos_eval.grading.surface import undressed
from vigos_eval.grading.units import asked_unit, parse_unit, unit_factor

_POWER = r"(?:\s*\^\s*\{?\s*-?[23]\s*\}?)?"
AT_END = re.compile(
    rf"(.*[0-9)}}\]A-Za-z])\s+((?:(?:square|cubic|sq\.?)\s+)?[A-Za-z]+{_POWER}(?:\s*/\s*[A-Za-z]+{_POWER})?)",
    re.DOTALL,
)
FONT = r"\\(?:text|textrm|textbf|mathrm|mbox|rm|operatorname)\s*\{[\s~]*"
ANGLE = ("deg", "degree", "degrees")


def without_units(gold: str, answer: str, question: str) -> tuple[str, str] | None:
    r"""Both formulas without their units, the answer's value in the gold's; None when they conflict.

    The unit may stand on one side alone when the question fixes no other.

    >>> without_units(r"16\sqrt{3} \text{ cm}^2", r"16\sqrt3", "")
    ('16\\sqrt{3}', '16\\sqrt3')
    >>> without_units(r"2\pi \text{ cm}", r"2\pi \text{ m}", ""), without_units("2x", "x + x", "")
    (('2\\pi', '(2\\pi) \\cdot \\frac{100}{1}'), ('2x', 'x + x'))
    >>> without_units(r"2\pi \text{ cm}", r"2\pi \text{ kg}", "") is None
    True
    """
    (bare_gold, unit), (bare_answer, given) = unit_apart(gold), unit_apart(answer)
    if not unit and not given:
        return gold, answer
    wanted = unit or asked_unit(question)
    if given and wanted:
        factor = unit_factor(given, wanted)
        if factor is None:
            return None
        if not math.isclose(factor, 1.0):
            exact = Fraction(factor).limit_denominator(10**9)
            scale = rf"\frac{{{exact.numerator}}}{{{exact.denominator}}}"
            return bare_gold, rf"({bare_answer}) \cdot {scale}"
    return bare_gold, bare_answer


@lru_cache(maxsize=8192)
def unit_apart(text: str) -> tuple[str, str]:
    r"""The formula and the unit behind it; "" when there is none.

    One letter is a unit only in upright type: ``2\pi r`` is no number of r's.

    >>> unit_apart(r"5\sqrt{2} cm"), unit_apart(r"2\pi \text{ m}"), unit_apart(r"2\pi m")
    (('5\\sqrt{2}', 'cm'), ('2\\pi', 'm'), ('2\\pi m', ''))
    """
    match = AT_END.fullmatch(undressed(text))
    if match is None or match[2] in ANGLE or parse_unit(match[2]) is None:
        return text, ""
    name = re.match(r"[A-Za-z]+", match[2])
    if name is not None and len(name[0]) == 1 and not re.search(FONT + name[0], text):
        return text, ""
    return match[1], match[2]
