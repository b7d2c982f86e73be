"""Values of trees: exact where rational, else floating, formulas at fixed sample points.

Two formulas are equal when they agree at every sample point (Schwartz-Zippel): fast, bounded and
the same every time. Nothing here can run long: powers and factorials beyond the limits stop.
"""

from __future__ import annotations

import cmath
import hashlib
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache

from vigos_eval.grading.number import CHANGING
from vigos_eval.grading.tree import Node

POINTS = 4
MAX_BITS = 4000
MAX_FACTORIAL = 170
TOLERANCE = 1e-9

BOUNDS = frozenset(["before", "after", "since", "until", "over", "under", "above", "below"])
"""Words that make another statement of the number behind them."""

Value = Fraction | complex


class ValueFault(ArithmeticError):
    """The tree has no value here: undefined, too large, or no number at all."""


@lru_cache(maxsize=4096)
def sample_value(name: str, point: int) -> complex:
    """The value that a free symbol takes at a sample point: fixed by its name, in (0.3, 1.9).

    >>> sample_value("x", 0) == sample_value("x", 0) != sample_value("x", 1)
    True
    """
    digest = hashlib.sha256(f"{name}@{point}".encode()).digest()
    return complex(0.3 + 1.6 * int.from_bytes(digest[:6], "big") / 2**48)


def value(
    node: Node, point: int = 0, *, angle: float = 1.0, given: Mapping[str, complex] | None = None
) -> Value:
    """The value of a scalar tree.

    Args:
        node: The tree.
        point: Which sample point free symbols are taken at.
        angle: What one degree is worth outside trigonometric functions: 1 or pi/180.
        given: Values of symbols that are not to be sampled.

    Raises:
        ValueFault: It has no value, or one beyond the limits.

    >>> from vigos_eval.grading.syntax import parse
    >>> value(parse(r"2\\frac{1}{3}")[0][1])
    Fraction(7, 3)
    """
    try:
        return _Valuer(point, angle, given or {}).of(node)
    except (ZeroDivisionError, OverflowError, ValueError, RecursionError) as error:
        raise ValueFault(str(error)) from error


class _Valuer:
    """Evaluation at one sample point."""

    def __init__(self, point: int, angle: float, given: Mapping[str, complex]) -> None:
        self.point = point
        self.angle = angle
        self.given = given

    def of(self, node: Node) -> Value:
        match node.kind:
            case "num":
                assert node.value is not None
                return node.value
            case "sym":
                return self.symbol(node.text)
            case "add":
                return _both(self.of(node.args[0]), self.of(node.args[1]), lambda a, b: a + b)
            case "mul":
                return self.product(node)
            case "div":
                return _both(self.of(node.args[0]), self.of(node.args[1]), lambda a, b: a / b)
            case "neg":
                return -self.of(node.args[0])
            case "pow":
                return power(self.of(node.args[0]), self.of(node.args[1]))
            case "deg":
                inside = self.of(node.args[0])
                return inside if self.angle == 1.0 else complex(inside) * self.angle
            case "pct":
                return self.of(node.args[0]) / 100
            case "fact":
                return factorial(self.of(node.args[0]))
            case "fn":
                return self.function(node)
        raise ValueFault(f"a {node.kind} has no value")

    def product(self, node: Node) -> Value:
        left, right = node.args
        # "10 chocolate candies": a noun beside a number does not change it; "more than" does.
        if "word" in (left.kind, right.kind):
            word, other = (right, left) if right.kind == "word" else (left, right)
            around = CHANGING if word is right else CHANGING | BOUNDS
            if around.intersection(word.text.split()):
                raise ValueFault(f"{word.text!r} beside a number")
            return self.of(other)
        return _both(self.of(left), self.of(right), lambda a, b: a * b)

    def symbol(self, name: str) -> Value:
        if name in self.given:
            return self.given[name]
        if name == "pi":
            return complex(math.pi)
        if name == "e":
            return complex(math.e)
        if name == "i":
            return 1j
        if name == "infty":
            return complex(math.inf)
        return sample_value(name, self.point)

    def function(self, node: Node) -> Value:
        name = node.text
        inside = _Valuer(self.point, math.pi / 180, self.given) if name in TRIGONOMETRY else self
        values = [inside.of(part) for part in node.args]
        if name == "root":
            return power(values[0], 1 / values[1])
        if name == "abs":
            return abs(values[0]) if isinstance(values[0], Fraction) else complex(abs(values[0]))
        if name == "log" or name == "lg":
            base = complex(values[1]) if len(values) > 1 else complex(10)
            return cmath.log(complex(values[0])) / cmath.log(base)
        if name in PLAIN and len(values) == 1:
            return PLAIN[name](complex(values[0]))
        if name in ("max", "min") and all(isinstance(v, Fraction) for v in values):
            return (max if name == "max" else min)(v for v in values if isinstance(v, Fraction))
        if name == "binom" and all(
            isinstance(v, Fraction) and v.denominator == 1 and 0 <= v <= 1000 for v in values
        ):
            return Fraction(math.comb(int(values[0].real), int(values[1].real)))
        if len(name) > 1 and name[1] not in "_'":
            raise ValueFault(f"{name} has no value here")
        # An unknown function: a fixed smooth mixture, equal only where its arguments are equal.
        total = complex(0)
        for place, part in enumerate(values):
            weight = sample_value(f"{name}()", place)
            total += weight * cmath.sin(complex(part) * weight) + complex(part) ** 3 * weight / 7
        return total + sample_value(f"{name}()", 99)


TRIGONOMETRY = frozenset(["sin", "cos", "tan", "cot", "sec", "csc"])
PLAIN: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "cot": lambda z: 1 / cmath.tan(z),
    "sec": lambda z: 1 / cmath.cos(z), "csc": lambda z: 1 / cmath.sin(z), "arcsin": cmath.asin, "arccos": cmath.acos,
    "arctan": cmath.atan, "asin": cmath.asin, "acos": cmath.acos, "atan": cmath.atan, "sinh": cmath.sinh,
    "cosh": cmath.cosh, "tanh": cmath.tanh, "ln": cmath.log, "exp": cmath.exp,
    "floor": lambda z: complex(math.floor(z.real)), "ceil": lambda z: complex(math.ceil(z.real)),
}  # fmt: skip


def _both(left: Value, right: Value, operation: Callable[[Value, Value], Value]) -> Value:
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        result = operation(left, right)
        if (
            isinstance(result, Fraction)
            and result.numerator.bit_length() + result.denominator.bit_length() > MAX_BITS
        ):
            raise ValueFault("a number with too many digits")
        return result
    return operation(complex(left), complex(right))


def power(base: Value, exponent: Value) -> Value:
    """base ** exponent, exact for small whole exponents.

    Raises:
        ValueFault: The exact result would be larger than the limits.
    """
    if isinstance(exponent, Fraction) and isinstance(base, Fraction):
        size = base.numerator.bit_length() + base.denominator.bit_length()
        if exponent.denominator == 1:
            if abs(int(exponent)) * size > MAX_BITS:
                raise ValueFault("a power beyond the limits")
            return base ** int(exponent)
        if base < 0 and exponent.denominator % 2:
            # Real odd roots: the cube root of -8 is -2 and not a complex number.
            return (
                -complex(float(-base) ** float(abs(exponent)))
                if exponent.numerator % 2
                else complex(float(-base) ** float(exponent))
            )
    if complex(base) == 0 and complex(exponent).real > 0:
        return Fraction(0)
    return complex(base) ** complex(exponent)


def factorial(number: Value) -> Value:
    """number!, for numbers up to 170.

    Raises:
        ValueFault: Not such a number.
    """
    if (
        not isinstance(number, Fraction)
        or number.denominator != 1
        or not 0 <= number <= MAX_FACTORIAL
    ):
        if isinstance(number, complex) and not number.imag and -1 < number.real <= MAX_FACTORIAL:
            return complex(math.gamma(number.real + 1))  # a symbol at a sample point
        raise ValueFault("a factorial beyond the limits")
    return Fraction(math.factorial(int(number)))


def close(left: Value, right: Value) -> bool:
    """Equal exactly, or, when one is floating, to nine digits.

    >>> close(Fraction(1, 3), Fraction(333, 1000)), close(complex(2**0.5) ** 2, Fraction(2))
    (False, True)
    """
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left == right
    a, b = complex(left), complex(right)
    if cmath.isinf(a) or cmath.isinf(b):
        return a == b
    return abs(a - b) <= TOLERANCE * max(1e-6, abs(a), abs(b))


@lru_cache(maxsize=16384)
def free_symbols(node: Node) -> frozenset[str]:
    """Names of the symbols in the tree, constants left out."""
    if node.kind == "sym":
        return frozenset() if node.text in ("pi", "e", "i", "infty") else frozenset([node.text])
    return frozenset().union(*(free_symbols(part) for part in node.args))


def same_value(
    left: Node, right: Node, *, angle: float = 1.0, renamed: Mapping[str, str] | None = None
) -> bool:
    """Whether two scalar trees agree at every sample point.

    Args:
        left: A tree.
        right: A tree.
        angle: What one degree is worth.
        renamed: Symbols of `right` and the symbols of `left` they stand for.

    Raises:
        ValueFault: One of them has no value.
    """
    names = free_symbols(left) | free_symbols(right)
    for point in range(POINTS if names else 1):
        given = {mine: sample_value(theirs, point) for mine, theirs in (renamed or {}).items()}
        if not close(
            value(left, point, angle=angle), value(right, point, angle=angle, given=given)
        ):
            return False
    return True
