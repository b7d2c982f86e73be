r"""Mathematics as people and models write it -> a tree: an allow-list grammar over LaTeX and plain text.

Nothing is evaluated and nothing outside the grammar is accepted: what it does not know is a
`SyntaxFault`. `algebra.py` computes with the tree, `expression.py` compares trees.
"""

from __future__ import annotations

from functools import lru_cache

from vigos_eval.grading.precedence import DOTS, Levels
from vigos_eval.grading.tree import (
    FUNCTIONS,
    GLUE,
    GREEK,
    Node,
    SyntaxFault,
    Token,
    number_node,
)

APPLIED = frozenset("fgFG")
MATRICES = frozenset(["matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "array"])


class _Reader(Levels):
    """The tightest level: numbers, letters, brackets, commands."""

    def primary(self) -> Node:
        token, kind = self.peek(), self.kind()
        if kind == "num":
            node = self.number()
            if self.peek() == "_":
                return Node("sym", text=f"{token}_{self.subscript()}")
            return node
        if kind == "word":
            return self.letters()
        if kind == "cmd":
            return self.command()
        if token == "{":
            self.take()
            inner = self.groups("}")
            self.expect("}")
            return inner[0][1] if len(inner) == 1 else Node("seq", tuple(n for _, n in inner), "{}")
        if token in ("(", "["):
            return self.bracketed()
        if token == "|":
            self.take()
            self.no_bars += 1
            inside = self.sum()
            self.no_bars -= 1
            self.expect("|")
            return Node("fn", (inside,), "abs")
        raise SyntaxFault(f"cannot read {token!r}")

    def bracketed(self) -> Node:
        opened = self.take()
        saved, self.no_bars = self.no_bars, 0
        inner = self.groups(")", "]")
        self.no_bars = saved
        brackets = opened + self.expect(")", "]")
        if len(inner) == 1 and brackets in ("()", "[]"):
            return inner[0][1]
        return Node("seq", tuple(node for _, node in inner), brackets)

    def subscript(self) -> str:
        self.expect("_")
        if self.peek() != "{":
            return self.take()
        self.take()
        parts = []
        while self.peek() not in ("}", ""):
            parts.append(self.take())
        self.expect("}")
        return "".join(parts)

    def letters(self) -> Node:
        """A run of letters: a function, a word, or variables that are multiplied."""
        token = self.tokens[self.at]
        text = token.text
        if text.lower() in FUNCTIONS and len(text) > 1:
            self.take()
            return self.applied(text.lower())
        if text in GREEK or text in ("pi", "infinity", "inf"):
            self.take()
            return Node("sym", text={"infinity": "infty", "inf": "infty"}.get(text, text))
        if len(text) > 3 or text.lower() in GLUE:
            words = []
            while self.kind() == "word" and (len(self.peek()) > 1 or self.peek() in "aA"):
                words.append(self.take().lower())
            return Node("word", text=" ".join(words))
        if len(text) > 1:
            self.tokens[self.at : self.at + 1] = [
                Token(letter, "word", token.is_spaced and not i) for i, letter in enumerate(text)
            ]
        return self.symbol(self.take())

    def symbol(self, name: str) -> Node:
        if self.peek() == "_":
            name += "_" + self.subscript()
        while self.peek() == "'":
            name += self.take()
        if name[0] in APPLIED and self.peek() == "(":
            argument = self.bracketed()
            arguments = argument.args if argument.kind == "seq" else (argument,)
            return Node("fn", arguments, name)
        return Node("sym", text=name)

    def command(self) -> Node:
        name = self.take()[1:]
        if name == "frac":
            return Node("div", (self.argument(), self.argument()), "frac")
        if name == "sqrt":
            index = number_node(2)
            if self.peek() == "[":
                self.take()
                index = self.sum()
                self.expect("]")
            return Node("fn", (self.argument(), index), "root")
        if name == "{":
            return self.braced_set()
        if name == "begin":
            return self.matrix()
        if name in FUNCTIONS:
            return self.applied(name)
        if name in GREEK or name in ("pi", "infty"):
            return self.symbol(name)
        if "\\" + name in DOTS:
            return Node("sym", text="dots")
        if name in ("emptyset", "varnothing"):
            return Node("set")
        if name in ("overline", "vec", "hat", "mathbb"):
            inside = self.argument()
            letters = _flat(inside)
            if name == "overline" and len(letters) > 1 and letters.isupper():
                return inside  # the segment AB
            return Node("sym", text=f"{name} {letters}")
        if name == "binom":
            return Node("fn", (self.argument(), self.argument()), "binom")
        raise SyntaxFault(f"unknown command \\{name}")

    def applied(self, name: str) -> Node:
        r"""A named function with its argument: \sin^2 x, \log_{10} 2, \arctan(x)."""
        base: tuple[Node, ...] = ()
        exponent: Node | None = None
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                base = (self.argument(),)
            else:
                exponent = self.unary() if self.peek() == "-" else self.argument()
        if self.peek() == "(":
            inner = self.bracketed()
            arguments = inner.args if inner.kind == "seq" else (inner,)
        else:
            inner = self.unary()
            while (
                self.starts_factor()
                and self.peek()[1:] not in FUNCTIONS
                and self.peek() not in FUNCTIONS
                and self.peek() != "("
            ):
                inner = Node("mul", (inner, self.power()))
            arguments = (inner,)
        if name == "sqrt":
            return Node("fn", (arguments[0], number_node(2)), "root")
        if (
            exponent is not None
            and exponent == Node("neg", (number_node(1),))
            and "arc" + name in FUNCTIONS
        ):
            return Node("fn", arguments, "arc" + name)
        node = Node("fn", (*arguments, *base), name)
        return node if exponent is None else Node("pow", (node, exponent))

    def braced_set(self) -> Node:
        saved, self.no_bars = self.no_bars, 1
        inner = self.groups("\\}", "|", "\\mid", ":")
        if self.peek() in ("|", "\\mid", ":"):
            self.take()
            conditions = self.groups("\\}")
            inner = [*inner, *conditions]
            node = Node("build", tuple(part for _, part in inner))
        else:
            node = Node("set", tuple(part for _, part in inner))
        self.no_bars = saved
        self.expect("\\}")
        return node

    def matrix(self) -> Node:
        self.expect("{")
        if self.take() not in MATRICES:
            raise SyntaxFault("an environment that is no matrix")
        self.expect("}")
        if self.peek() == "{":
            self.primary()  # the columns of an array
        rows: list[Node] = []
        cells: list[Node] = []
        while self.peek() and self.peek() != "\\end":
            if self.peek() == "&":
                self.take()
            elif self.peek() == "\\\\":
                self.take()
                rows.append(Node("seq", tuple(cells), "()"))
                cells = []
            else:
                cells.append(self.sum())
        if cells:
            rows.append(Node("seq", tuple(cells), "()"))
        for expected in ("\\end", "{"):
            self.expect(expected)
        self.take()
        self.expect("}")
        return Node("matrix", tuple(rows))


def _flat(node: Node) -> str:
    """The symbols of a node as one name."""
    return node.text or "".join(_flat(part) for part in node.args)


@lru_cache(maxsize=16384)
def parse(text: str) -> tuple[tuple[str, Node], ...]:
    r"""The statements of an undressed text, each with the separator before it ("", ",", ";", "and", "or").

    Raises:
        SyntaxFault: The text is outside the grammar.

    >>> [(mark, node.kind) for mark, node in parse(r"x = 2, \frac{1}{2}")]
    [('', 'rel'), (',', 'div')]
    """
    reader = _Reader(text)
    try:
        found = reader.groups()
    except RecursionError as error:
        raise SyntaxFault("nested too deep") from error
    if not found or reader.peek():
        raise SyntaxFault("nothing to read")
    return tuple(found)
