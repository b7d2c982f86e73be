"""Whether two numbers are the same: units, percent, and rounding as far as print forces it."""

from __future__ import annotations

from fractions import Fraction

from vigos_eval.grading.number import Quantity
from vigos_eval.grading.units import asked_unit, parse_unit, unit_factor


def same_quantity(
    gold: Quantity, answer: Quantity, *, precision: int | None = None, unit: str = ""
) -> bool:
    """Whether the answer states the gold number.

    Rounding counts only as the benchmark says (`precision`) or as print forces it: an answer with
    three significant digits may be the gold rounded, an exact answer may be what the gold rounds.

    Args:
        gold: The gold number.
        answer: The answer's number.
        precision: Decimals both are rounded to first (MathVista), or None.
        unit: The unit that the question fixes when the gold has none.

    >>> from vigos_eval.grading.number import parse_quantity as q
    >>> same_quantity(q("5 cm"), q("5 m")), same_quantity(q("5 m"), q("500 cm")), same_quantity(q("5"), q("5 cm"))
    (False, True, True)
    >>> same_quantity(q("0.28"), q("28%")), same_quantity(q("12.55"), q("640/51")), same_quantity(q("3.14"), q("3"))
    (True, True, False)
    """
    value = answer.value
    gold_unit = gold.unit or unit
    if gold.unit.startswith("clock") and answer.unit.startswith("clock"):
        # 2:30 beside 2:30 PM is the same time, beside 14:30 it is another.
        is_half_open = {gold.unit, answer.unit} == {"clock", "clock12"}
        return (gold.value - value) % (12 * 60 if is_half_open else 24 * 60) == 0
    if gold.unit and answer.unit and "clock" in gold.unit + answer.unit:
        return False  # a time of the day and an amount
    if answer.unit and gold_unit and answer.unit != gold_unit:
        factor = unit_factor(answer.unit, gold_unit)
        if factor is None:
            if _conflict(answer.unit, gold_unit):
                return False
        else:
            scaled = value * Fraction(factor).limit_denominator(10**12)
            return _equal(
                gold, scaled, None if answer.decimals is None else answer.decimals, precision
            ) or (abs(float(scaled) - float(gold.value)) <= 1e-9 * abs(float(gold.value)))
    if gold.is_percent != answer.is_percent:
        return _equal(gold, value, answer.decimals, precision) or (
            rounded_equal(*_share(gold), *_share(answer))
        )
    return _equal(gold, value, answer.decimals, precision)


def _share(quantity: Quantity) -> tuple[Fraction, int | None]:
    """The value with its percent sign applied, and its decimals."""
    if not quantity.is_percent:
        return quantity.value, quantity.decimals
    decimals = None if quantity.decimals is None else quantity.decimals + 2
    return quantity.value / 100, decimals


def _conflict(left: str, right: str) -> bool:
    """Two known units that measure different things; an unknown word conflicts with nothing."""
    a, b = parse_unit(left), parse_unit(right)
    return a is not None and b is not None and a[0] != b[0]


def _equal(gold: Quantity, value: Fraction, decimals: int | None, precision: int | None) -> bool:
    if precision is not None:
        return round(float(value), precision) == round(float(gold.value), precision)
    return rounded_equal(gold.value, gold.decimals, value, decimals)


def rounded_equal(
    gold: Fraction, gold_decimals: int | None, value: Fraction, decimals: int | None
) -> bool:
    """Equal, or one is the other rounded to the decimals it is written with.

    Rounding needs three significant digits on the coarser side: 3 is not 3.14.

    Args:
        gold: The gold value.
        gold_decimals: Decimals it is written with; None for an exact formula or fraction.
        value: The answer's value.
        decimals: Decimals the answer is written with; None for an exact formula or fraction.

    >>> rounded_equal(Fraction("12.55"), 2, Fraction(640, 51), None)
    True
    """
    if value == gold:
        return True
    if gold_decimals and (decimals is None or decimals > gold_decimals):
        coarse, fine, digits = gold, value, gold_decimals
    elif decimals is not None and (gold_decimals is None or decimals < gold_decimals):
        coarse, fine, digits = value, gold, decimals
        if not decimals and gold_decimals is None:
            return False  # a whole number beside an exact formula: 4 is not 4.2
    else:
        return False
    shown = len(str(abs(int(coarse * 10**digits))))
    return shown >= 3 and abs(fine - coarse) * 10**digits * 2 <= 1


def question_unit(question: str, given: str) -> str:
    """The unit fixed by the data set (`given`), else by the question's words, else ""."""
    return given or asked_unit(question)
