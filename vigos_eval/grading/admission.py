"""Which texts may be sent to the algebra workers: an allow-list of characters and commands."""

from __future__ import annotations

import re

MAX_CHARS = 600


_COMMANDS = frozenset(
    [
        "frac",
        "sqrt",
        "sum",
        "prod",
        "int",
        "lim",
        "cdot",
        "times",
        "div",
        "pm",
        "mp",
        "le",
        "leq",
        "ge",
        "geq",
        "lt",
        "gt",
        "ne",
        "neq",
        "in",
        "cup",
        "cap",
        "setminus",
        "infty",
        "pi",
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "theta",
        "lambda",
        "mu",
        "rho",
        "sigma",
        "phi",
        "omega",
        "Delta",
        "Omega",
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
        "exp",
        "binom",
        "begin",
        "end",
        "to",
        "circ",
        "mathbb",
        "emptyset",
        "left",
        "right",
        "partial",
        "vec",
        "overline",
        "text",
        "mathrm",
        "lfloor",
        "rfloor",
        "lceil",
        "rceil",
        "mid",
        "cdots",
        "ldots",
        "dots",
        "min",
        "max",
        "gcd",
        "pmod",
        "mod",
    ]
)


_ALLOWED = re.compile(r"[A-Za-z0-9\s+\-*/^_=<>()\[\]{},.;:|!%'&\\]*")


_COMMAND = re.compile(r"\\([A-Za-z]+)")


_WORD = re.compile(r"[A-Za-z]{4,}")


def is_admitted(text: str) -> bool:
    r"""Whether a text may be sent to a worker: short, allowed characters and commands, no prose.

    >>> is_admitted(r"\sum_{k=0}^{n} k"), is_admitted("__import__('os')"), is_admitted(r"\input{x}")
    (True, False, False)
    """
    return (
        len(text) <= MAX_CHARS
        and any(char.isalnum() for char in text)
        and "__" not in text
        and _ALLOWED.fullmatch(text) is not None
        and all(name in _COMMANDS for name in _COMMAND.findall(text))
        and len(_WORD.findall(_COMMAND.sub(" ", re.sub(r"\\(?:begin|end)\{[a-z]+\}", " ", text))))
        == 0
    )
