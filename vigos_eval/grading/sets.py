"""Sets of real numbers: intervals, unions, solutions of simple inequalities, as one normal form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vigos_eval.grading.algebra import ValueFault, free_symbols, value
from vigos_eval.grading.tree import Node

FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


@dataclass(frozen=True)
class Span:
    """A run of real numbers; a point has equal ends, both closed."""

    low: float
    high: float
    has_low: bool
    has_high: bool


RealSet = tuple[Span, ...]
WHOLE: RealSet = (Span(-math.inf, math.inf, False, False),)


def real_set(node: Node, *, is_explicit: bool = False) -> RealSet | None:
    """The tree as a set of reals, or None when it is none.

    Args:
        node: The tree.
        is_explicit: Read only what can be nothing else; a pair ``(a, b)`` may be a point.

    >>> from vigos_eval.grading.syntax import parse
    >>> real_set(parse("-x >= -1")[0][1]) == real_set(parse(r"(-\\infty, 1]")[0][1])
    True
    """
    try:
        return _real_set(node, is_explicit)
    except (ValueFault, OverflowError):
        return None


def _real_set(node: Node, is_explicit: bool) -> RealSet | None:
    if node.kind == "seq" and len(node.args) == 2 and len(node.text) == 2:
        if is_explicit and node.text == "()" and not _has_infinity(node):
            return None
        low, high = (_real(part) for part in node.args)
        return _normal([Span(low, high, node.text[0] == "[", node.text[1] == "]")])
    if node.kind in ("union", "minus"):
        parts = [_real_set(part, False) or _points(part) for part in node.args]
        if parts[0] is None or parts[1] is None:
            return None
        return (
            _normal([*parts[0], *parts[1]])
            if node.kind == "union"
            else _without(parts[0], parts[1])
        )
    if node.kind == "build":
        return _conjunction(node.args[1:]) if len(node.args) > 1 else None
    if node.kind == "rel":
        if node.text.split()[0] == "in" and len(node.args) == 2:
            return _real_set(node.args[1], False)
        return _relation(node)
    return _points(node) if node.kind == "set" else None


def _has_infinity(node: Node) -> bool:
    return node.text == "infty" or any(_has_infinity(part) for part in node.args)


def _points(node: Node) -> RealSet | None:
    if node.kind != "set":
        return None
    return _normal([Span(v, v, True, True) for v in (_real(part) for part in node.args)])


def _real(node: Node) -> float:
    if free_symbols(node):
        raise ValueFault("an end that is no number")
    if _has_infinity(node):
        return -math.inf if node.kind == "neg" else math.inf
    number = complex(value(node))
    if abs(number.imag) > 1e-12:
        raise ValueFault("an end that is not real")
    return number.real


def _conjunction(conditions: tuple[Node, ...]) -> RealSet | None:
    found: RealSet = WHOLE
    for condition in conditions:
        one = _real_set(condition, False)
        if one is None:
            return None
        found = _common(found, one)
    return found


def _relation(node: Node) -> RealSet | None:
    """The solutions of a chain of comparisons, linear in one unknown, e.g. 0.5 <= x < 8."""
    operators = node.text.split()
    if "~" in operators or "in" in operators or operators == ["="]:
        return None
    found: RealSet = WHOLE
    for left, operator, right in zip(node.args, operators, node.args[1:], strict=False):
        unknown = _unknowns(left) | _unknowns(right)
        if len(unknown) != 1:
            return None
        one = _linear(left, operator, right, next(iter(unknown)))
        if one is None:
            return None
        found = _common(found, one)
    return found


def _unknowns(node: Node) -> frozenset[str]:
    """Free symbols, with an applied function such as f(x) as one unknown."""
    if node.kind == "fn" and node.text[0] in "fgFG" and len(node.text) <= 2:
        return frozenset(["()"])
    if node.kind == "sym":
        return free_symbols(node)
    return frozenset().union(*(_unknowns(part) for part in node.args))


def _linear(left: Node, operator: str, right: Node, name: str) -> RealSet | None:
    def gap(at: float) -> float:
        given = {name: complex(at)}
        if name == "()":
            sides = (_applied_at(left, at), _applied_at(right, at))
            return (complex(value(sides[0])) - complex(value(sides[1]))).real
        return (complex(value(left, given=given)) - complex(value(right, given=given))).real

    zero, one, three = gap(0.0), gap(1.0), gap(3.0)
    slope = one - zero
    if abs(slope) < 1e-12 or abs(three - zero - 3 * slope) > 1e-9 * max(
        1.0, abs(three), abs(slope)
    ):
        return None
    root = -zero / slope
    operator = FLIPPED[operator] if slope < 0 else operator
    match operator:
        case "<" | "<=":
            return (Span(-math.inf, root, False, operator == "<="),)
        case ">" | ">=":
            return (Span(root, math.inf, operator == ">=", False),)
        case "!=":
            return (Span(-math.inf, root, False, False), Span(root, math.inf, False, False))
    return (Span(root, root, True, True),)


def _applied_at(node: Node, at: float) -> Node:
    """The tree with every f(...) replaced by the number `at`."""
    from fractions import Fraction

    if node.kind == "fn" and node.text[0] in "fgFG" and len(node.text) <= 2:
        return Node("num", value=Fraction(at), decimals=0)
    return Node(
        node.kind,
        tuple(_applied_at(part, at) for part in node.args),
        node.text,
        node.value,
        node.decimals,
    )


def _normal(spans: list[Span]) -> RealSet:
    """Sorted, merged, empty spans dropped."""
    kept = sorted(
        (s for s in spans if s.low < s.high or (s.low == s.high and s.has_low and s.has_high)),
        key=lambda s: (s.low, not s.has_low, s.high),
    )
    merged: list[Span] = []
    for span in kept:
        last = merged[-1] if merged else None
        if last and (
            span.low < last.high or (span.low == last.high and (span.has_low or last.has_high))
        ):
            if span.high > last.high or (span.high == last.high and span.has_high):
                merged[-1] = Span(last.low, span.high, last.has_low, span.has_high)
        else:
            merged.append(span)
    return tuple(merged)


def _common(left: RealSet, right: RealSet) -> RealSet:
    found = []
    for a in left:
        for b in right:
            low, high = max(a.low, b.low), min(a.high, b.high)
            has_low = all(s.has_low for s in (a, b) if s.low == low)
            has_high = all(s.has_high for s in (a, b) if s.high == high)
            found.append(Span(low, high, has_low, has_high))
    return _normal(found)


def _without(left: RealSet, right: RealSet) -> RealSet:
    for span in right:
        outside = [
            Span(-math.inf, span.low, False, not span.has_low),
            Span(span.high, math.inf, not span.has_high, False),
        ]
        left = _common(left, tuple(outside))
    return left


def union_of(sets: Sequence[RealSet]) -> RealSet:
    """All numbers of any of the sets, in normal form.

    >>> len(union_of([WHOLE, ()]))
    1
    """
    return _normal([span for one in sets for span in one])


def same_set(left: RealSet, right: RealSet) -> bool:
    """Whether two sets are equal, their ends to nine digits.

    >>> same_set(WHOLE, WHOLE), same_set(WHOLE, ())
    (True, False)
    """
    return len(left) == len(right) and all(
        a.has_low == b.has_low
        and a.has_high == b.has_high
        and _near(a.low, b.low)
        and _near(a.high, b.high)
        for a, b in zip(left, right, strict=True)
    )


def _near(a: float, b: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
