"""Two scalar formulas, or two relations between them: equal by value at fixed sample points."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from vigos_eval.grading.algebra import POINTS, ValueFault, close, free_symbols, same_value, value
from vigos_eval.grading.same_number import rounded_equal
from vigos_eval.grading.tree import Node

ANY_NAME = frozenset("Ccjklmnpqst")
"""Letters of parameters (n pi, t, a constant C), which may be called otherwise; y is not x."""

DEGREE = math.pi / 180


def same_scalar(gold: Node, answer: Node, question: str = "", *, is_function: bool = False) -> bool:
    """Whether two formulas or relations state the same.

    Args:
        gold: The gold's tree.
        answer: The answer's tree.
        question: Its text tells which letters are given and which are only names.
        is_function: Both are bodies of functions, so that the argument's name does not matter.
    """
    if gold.kind == "rel" or answer.kind == "rel":
        return _same_relation(gold, answer)
    try:
        return _same_number(gold, answer) or _same_renamed(gold, answer, question, is_function)
    except (ValueFault, OverflowError):
        return False


def _same_number(gold: Node, answer: Node) -> bool:
    if same_value(gold, answer):
        return True
    degrees = _has(gold, "deg"), _has(answer, "deg")
    if any(degrees) and not all(degrees):
        # 135 degrees are 3 pi / 4; a bare number beside degrees is a number of degrees.
        other = answer if degrees[0] else gold
        if _has_symbol(other, "pi") and same_value(gold, answer, angle=DEGREE):
            return True
    if gold.kind != answer.kind and "pct" in (gold.kind, answer.kind):
        inner = [node.args[0] if node.kind == "pct" else node for node in (gold, answer)]
        if same_value(inner[0], inner[1]):
            return True
    return _same_rounded(gold, answer)


def _same_rounded(gold: Node, answer: Node) -> bool:
    """A decimal against the exact value that it rounds."""
    if free_symbols(gold) or free_symbols(answer):
        return False
    left, right = value(gold), value(answer)
    a, b = complex(left), complex(right)
    if (
        abs(a.imag) > 1e-12
        or abs(b.imag) > 1e-12
        or not (math.isfinite(a.real) and math.isfinite(b.real))
    ):
        return False
    return rounded_equal(
        left if isinstance(left, Fraction) else Fraction(a.real),
        _decimals(gold),
        right if isinstance(right, Fraction) else Fraction(b.real),
        _decimals(answer),
    )


def _decimals(node: Node) -> int | None:
    """Decimals of a literal, through signs and units; None for an exact formula."""
    while node.kind in ("neg", "deg", "pct") or (
        node.kind == "mul" and node.args[1].kind == "word"
    ):
        node = node.args[0]
    return node.decimals


def _same_renamed(gold: Node, answer: Node, question: str, is_function: bool) -> bool:
    """n pi against k pi: one letter on each side that the question does not speak of."""
    ours, theirs = (
        free_symbols(answer) - free_symbols(gold),
        free_symbols(gold) - free_symbols(answer),
    )
    if len(ours) != 1 or len(theirs) != 1:
        return False
    mine, wanted = next(iter(ours)), next(iter(theirs))
    if not is_function and (
        not {mine, wanted} & ANY_NAME
        or speaks_of(question, mine)
        or speaks_of(question, wanted)
        or not question
        # A letter alone is no parameter of anything: B is not C.
        or "sym" in (gold.kind, answer.kind)
    ):
        return False
    return same_value(gold, answer, renamed={mine: wanted})


def speaks_of(question: str, name: str) -> bool:
    r"""Whether the question names the letter.

    >>> speaks_of("Solve for $t$.", "t"), speaks_of("the time", "t")
    (True, False)
    """
    return re.search(rf"(?<![A-Za-z\\]){re.escape(name)}(?![A-Za-z])", question) is not None


def _same_relation(gold: Node, answer: Node) -> bool:
    try:
        if gold.kind == answer.kind:
            return _same_chain(gold, answer) or _same_difference(gold, answer)
        equation, formula = (gold, answer) if gold.kind == "rel" else (answer, gold)
        return _solves(equation, formula)
    except (ValueFault, OverflowError):
        return False


def _same_chain(gold: Node, answer: Node) -> bool:
    """a < b <= c, side by side, also when written from right to left."""
    signs = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
    for turned in (False, True):
        operators = answer.text.split()
        parts = answer.args
        if turned:
            operators = [signs.get(operator, operator) for operator in reversed(operators)]
            parts = tuple(reversed(parts))
        if (
            gold.text.split() == operators
            and len(parts) == len(gold.args)
            and all(same_value(a, b) for a, b in zip(gold.args, parts, strict=True))
        ):
            return True
    return False


def _gap(node: Node, point: int) -> complex:
    return complex(value(node.args[0], point)) - complex(value(node.args[1], point))


def _same_difference(gold: Node, answer: Node) -> bool:
    """Equations and inequalities of two sides that differ by a constant factor."""
    left, right = gold.text, answer.text
    signs = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
    if len(gold.args) != 2 or len(answer.args) != 2 or left not in signs:
        return False
    ratios = [
        _gap(answer, point) / _gap(gold, point)
        for point in range(POINTS)
        if abs(_gap(gold, point)) > 1e-12
    ]
    if (
        len(ratios) < 2
        or abs(ratios[0]) < 1e-12
        or not all(close(ratios[0], ratio) for ratio in ratios)
    ):
        return False
    if left in ("=", "!="):
        return left == right
    return right == (left if ratios[0].real > 0 else signs[left]) and abs(ratios[0].imag) < 1e-12


def _solves(equation: Node, formula: Node) -> bool:
    """xy = 6 against 6/x: the formula is what the equation's one other unknown must be."""
    if equation.text != "=" or len(equation.args) != 2:
        return False
    others = free_symbols(equation) - free_symbols(formula)
    if len(others) != 1 or not free_symbols(formula):
        return False
    name = next(iter(others))
    for point in range(POINTS):
        at = complex(value(formula, point))
        sides = [complex(value(part, point, given={name: at})) for part in equation.args]
        away = [complex(value(part, point, given={name: at + 1})) for part in equation.args]
        if not close(sides[0], sides[1]) or close(away[0], away[1]):
            return False
    return True


def _has(node: Node, kind: str) -> bool:
    return node.kind == kind or (node.kind != "fn" and any(_has(part, kind) for part in node.args))


def _has_symbol(node: Node, name: str) -> bool:
    return node.text == name or any(_has_symbol(part, name) for part in node.args)
