"""The tree of a formula and its tokens. Reading tokens into trees is `syntax.py`'s subject."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

MAX_TOKENS = 300
MAX_LITERAL = 60


class SyntaxFault(ValueError):
    """The text is no mathematics that the grammar knows."""


@dataclass(frozen=True)
class Node:
    """One node of the tree.

    Attributes:
        kind: ``num sym word add mul div pow neg pm fn fact deg pct seq set build rel union minus matrix``.
        args: Child nodes in order.
        text: Name of a symbol, word or function; brackets of a ``seq``; operators of a ``rel``.
        value: A ``num``'s exact value.
        decimals: A ``num``'s digits after the point; None for anything but a literal.
    """

    kind: str
    args: tuple[Node, ...] = ()
    text: str = ""
    value: Fraction | None = None
    decimals: int | None = None


def number_node(value: int) -> Node:
    """A whole number as a node."""
    return Node("num", value=Fraction(value), decimals=0)


FUNCTIONS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "log",
        "ln",
        "lg",
        "exp",
        "sqrt",
        "gcd",
        "lcm",
        "max",
        "min",
        "det",
        "floor",
        "ceil",
        "asin",
        "acos",
        "atan",
    ]
)
GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Pi",
        "Sigma",
        "Phi",
        "Psi",
        "Omega",
        "ell",
        "hbar",
    ]
)
RELATIONS = {
    "=": "=", "<": "<", ">": ">", "\\lt": "<", "\\gt": ">", "\\le": "<=", "\\leq": "<=", "\\leqslant": "<=", "<=": "<=",
    "\\ge": ">=", "\\geq": ">=", "\\geqslant": ">=", ">=": ">=", "\\ne": "!=", "\\neq": "!=", "!=": "!=",
    "\\approx": "~", "\\simeq": "~", "\\in": "in", "\\equiv": "=", ":=": "=", "==": "=",
}  # fmt: skip
IGNORED = frozenset(
    [
        "\\angle",
        "\\triangle",
        "\\measuredangle",
        "\\quad",
        "\\qquad",
        "\\mathbb",
        "\\forall",
        "\\exists",
        "\\mathrm",
        "\\text",
        "\\ ",
    ]
)
TIMES = frozenset(["\\cdot", "\\times", "*", "\\ast"])
SEPARATORS = frozenset([",", ";", "and", "or", "\\lor", "\\land", "\\vee", "\\wedge"])
# Short words that are no product of variables.
GLUE = frozenset(
    [
        "and",
        "or",
        "for",
        "all",
        "any",
        "if",
        "is",
        "are",
        "the",
        "of",
        "to",
        "from",
        "than",
        "by",
        "as",
        "at",
        "it",
    ]
)
TOKEN = re.compile(
    r"\s*(?:(?P<num>[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"|(?P<cmd>\\[a-zA-Z]+|\\[{}|%#&\\])|(?P<word>[A-Za-z]+)|(?P<op><=|>=|!=|:=|==|\*\*|[-+*/^_=<>()\[\]{},;:|!%'&]))"
)


@dataclass(frozen=True)
class Token:
    """One token: ``num``, ``cmd`` (a LaTeX command), ``word`` or ``op``; whether space precedes it."""

    text: str
    kind: str
    is_spaced: bool


@lru_cache(maxsize=16384)
def tokens(text: str) -> tuple[Token, ...]:
    """The text as tokens.

    Raises:
        SyntaxFault: A character is outside the grammar, or there are too many tokens.

    >>> [token.text for token in tokens("1,234 + (5,678)")]
    ['1,234', '+', '(', '5', ',', '678', ')']
    """
    found: list[Token] = []
    position = 0
    depth = 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None or len(found) >= MAX_TOKENS:
            raise SyntaxFault(f"cannot read {text[position : position + 20]!r}")
        kind = str(match.lastgroup)
        value = match[kind]
        end = match.end()
        if kind == "num" and "," in value and depth:
            # Inside brackets a comma separates: (312,123,231) is a triple and not a number.
            value = value.split(",")[0]
            end = match.start(kind) + len(value)
        depth += (value in ("(", "[", "\\{")) - (value in (")", "]", "\\}"))
        found.append(Token(value, kind, match.start(kind) > position))
        position = end
    return tuple(found)
