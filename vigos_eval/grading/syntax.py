r"""Mathematics as people and models write it -> a tree: an allow-list grammar over LaTeX and plain text.

Nothing is evaluated and nothing outside the grammar is accepted: what it does not know is a
`SyntaxFault`. `algebra.py` computes with the tree, `expression.py` compares trees.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from vigos_eval.grading.tree import (
    FUNCTIONS,
    GLUE,
    GREEK,
    IGNORED,
    MAX_LITERAL,
    RELATIONS,
    SEPARATORS,
    TIMES,
    Node,
    SyntaxFault,
    Token,
    number_node,
    tokens,
)

DOTS = ("\\cdots", "\\ldots", "\\dots", "\\dotsm", "\\dotsc")
STARTS = frozenset(
    [
        "\\frac",
        "\\sqrt",
        "\\pi",
        "\\infty",
        "\\binom",
        "\\overline",
        "\\vec",
        "\\hat",
        "\\emptyset",
        *DOTS,
    ]
)
APPLIED = frozenset("fgFG")
MATRICES = frozenset(["matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "array"])


class _Reader:
    """Recursive descent; each method reads one level of the grammar, loosest first."""

    def __init__(self, text: str) -> None:
        self.tokens = list(tokens(text))
        self.at = 0
        self.no_bars = 0

    def peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place].text if place < len(self.tokens) else ""

    def kind(self) -> str:
        return self.tokens[self.at].kind if self.at < len(self.tokens) else ""

    def take(self) -> str:
        text = self.peek()
        self.at += 1
        return text

    def expect(self, *texts: str) -> str:
        if self.peek() not in texts:
            raise SyntaxFault(f"expected {texts[0]!r}, found {self.peek()!r}")
        return self.take()

    def groups(self, *closers: str) -> list[tuple[str, Node]]:
        found: list[tuple[str, Node]] = []
        mark = ""
        while self.peek() and self.peek() not in closers:
            token = self.peek()
            if token in SEPARATORS or token in IGNORED:
                self.take()
                # ", or" is one separator: the word says more than the comma.
                mark = token if token in SEPARATORS and mark in ("", ",") else mark
                continue
            found.append((mark, self.statement()))
            mark = ""
            if self.peek() and self.peek() not in (*closers, *SEPARATORS, *IGNORED):
                raise SyntaxFault(f"cannot read on at {self.peek()!r}")
        return found

    def statement(self) -> Node:
        parts = [self.union()]
        operators: list[str] = []
        while (token := self.peek()) in RELATIONS or (
            token == ":" and parts[-1].kind in ("word", "mul")
        ):
            operators.append(RELATIONS.get(self.take(), "="))
            parts.append(self.union())
        return Node("rel", tuple(parts), " ".join(operators)) if operators else parts[0]

    def union(self) -> Node:
        left = self.ratio()
        while self.peek() in ("\\cup", "\\setminus", "\\backslash") or (
            self.peek() == "-" and _is_set(left)
        ):
            kind = "union" if self.take() == "\\cup" else "minus"
            left = Node(kind, (left, self.ratio()))
        return left

    def ratio(self) -> Node:
        left = self.sum()
        while self.peek() == ":" and left.kind != "word" and self.peek(1) not in ("", "="):
            self.take()
            left = Node("div", (left, self.sum()), ":")
        return left

    def sum(self) -> Node:
        left = self.product()
        while self.peek() in ("+", "-", "\\pm", "\\mp") and not (
            self.peek() == "-" and _is_set(left)
        ):
            operator = self.take()
            right = self.product()
            if operator == "-":
                right = Node("neg", (right,))
            left = Node("pm" if operator in ("\\pm", "\\mp") else "add", (left, right))
        return left

    def product(self) -> Node:
        left = self.unary()
        while True:
            token = self.peek()
            if token in TIMES:
                self.take()
                left = Node("mul", (left, self.unary()))
            elif token in ("/", "\\div"):
                self.take()
                left = Node("div", (left, self.unary()))
            elif token in IGNORED:
                self.take()
            elif self.starts_factor():
                right = self.power()
                left = Node("add" if _is_mixed(left, right) else "mul", (left, right))
            else:
                return left

    def starts_factor(self) -> bool:
        token, kind = self.peek(), self.kind()
        if token == "|":
            return not self.no_bars
        if kind == "num":
            return self.tokens[self.at - 1].kind != "num"
        if kind == "word":
            return token not in GLUE
        return token in ("(", "{") or (
            kind == "cmd" and (token[1:] in FUNCTIONS or token[1:] in GREEK or token in STARTS)
        )

    def unary(self) -> Node:
        token = self.peek()
        if token == "-":
            self.take()
            return Node("neg", (self.unary(),))
        if token == "+":
            self.take()
            return self.unary()
        if token in ("\\pm", "\\mp"):
            self.take()
            return Node("pm", (number_node(0), self.unary()))
        return self.power()

    def power(self) -> Node:
        base = self.primary()
        while True:
            token = self.peek()
            if token in ("^", "**"):
                self.take()
                if "\\circ" in (self.peek(), self.peek(1)):
                    braced = self.take() == "{"
                    if braced:
                        self.take()
                        self.expect("}")
                    base = self.minutes(base)
                else:
                    base = Node(
                        "pow", (base, self.unary() if self.peek() in "+-" else self.primary())
                    )
            elif token == "!":
                self.take()
                base = Node("fact", (base,))
            elif token in ("%", "\\%"):
                self.take()
                base = Node("pct", (base,))
            else:
                return base

    def minutes(self, degrees: Node) -> Node:
        """Degrees with the minutes and seconds that follow, as one angle."""
        for share in (60, 3600):
            if self.kind() == "num" and self.peek(1) == "'":
                part = self.number()
                while self.peek() == "'":
                    self.take()
                degrees = Node("add", (degrees, Node("div", (part, number_node(share)))))
        return Node("deg", (degrees,))

    def number(self) -> Node:
        text = self.take().replace(",", "")
        if len(text) > MAX_LITERAL:
            raise SyntaxFault("a number with too many digits")
        point = text.find(".")
        return Node(
            "num", value=Fraction(text), decimals=len(text) - point - 1 if point >= 0 else 0
        )

    def argument(self) -> Node:
        r"""What a command takes: a braced group or one character, \frac12 is a half."""
        if self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind in ("num", "word") and len(token.text) > 1:
                first, rest = token.text[0], token.text[1:]
                self.tokens[self.at : self.at + 1] = [
                    Token(first, token.kind, token.is_spaced), Token(rest, token.kind, False)
                ]  # fmt: skip
        return self.primary()

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
        if name == "emptyset":
            return Node("set")
        if name in ("overline", "vec", "hat", "mathbb"):
            return Node("sym", text=f"{name} {_flat(self.argument())}")
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


def _is_set(node: Node) -> bool:
    return node.kind in ("build", "set", "union", "minus") or (
        node.kind == "seq" and len(node.args) == 2
    )


def _is_mixed(left: Node, right: Node) -> bool:
    """2\\frac{1}{3} is two and a third."""
    return (
        left.kind == "num" and left.decimals == 0 and right.kind == "div" and right.text == "frac"
        and all(part.kind == "num" for part in right.args)
    )  # fmt: skip


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
    found = reader.groups()
    if not found or reader.peek():
        raise SyntaxFault("nothing to read")
    return tuple(found)
