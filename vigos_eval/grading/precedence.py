"""The grammar's levels from statements down to powers; `syntax.py` reads what they are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction

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
        "\\varnothing",
        *DOTS,
    ]
)


class Levels(ABC):
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
        if not text.strip("."):
            raise SyntaxFault("a number without digits")  # \frac1.5, taken apart
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

    @abstractmethod
    def primary(self) -> Node:
        """Read what has no operator outside brackets."""


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
