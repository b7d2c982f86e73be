"""An answer's text as its members: values with the names they are given, signs written out."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache

from vigos_eval.grading.algebra import free_symbols
from vigos_eval.grading.surface import undressed
from vigos_eval.grading.syntax import parse
from vigos_eval.grading.tree import Node, SyntaxFault

MAX_ITEMS = 40


MAX_ALTERNATIVES = 16


REMARK = re.compile(
    r"[,;]?\s*\b(?:for|where|with|when|if|such that|only if)\b(?! part)\s.*?(?=[,;]\s*and\b|$)|\s(?:is|are) (?:both|an?|the) .*$"
)


# "k pi, k in Z": what kind of letter k is.
PARAMETER = re.compile(r"(?<=\S)\s*[,(]\s*[a-z]\s*\\in\s*\\mathbb\s*\{?\s*[ZN]\s*\}?\s*\)?$")
REPEATING = re.compile(r"(?<![0-9.])([0-9]{0,9})\.([0-9]{0,9})\\overline\s*\{\s*([0-9]{1,9})\s*\}")
POINT = re.compile(
    r"^(?:(?:the )?(?:point|vertex|cent(?:er|re)|coordinates?)\s*)?[A-Z]?\s*=?\s*(?=\([^()]*,[^()]*\)$)"
)
RATIO = re.compile(r"^([0-9]+) to ([0-9]+)$")


@dataclass(frozen=True)
class Item:
    """One member of an answer: what it is called ("x" of "x = 3"), and its tree."""

    label: str
    node: Node
    mark: str = ""


@lru_cache(maxsize=16384)
def read(text: str) -> tuple[Item, ...]:
    r"""The members of an answer, without remarks, labels apart from values, plus-minus written out.

    Raises:
        SyntaxFault: The text is outside the grammar.

    >>> [item.label for item in read(r"x_1=-2, x_2=3 \text{ for real } x")]
    ['x_1', 'x_2']
    """
    bare = REPEATING.sub(_repeated, undressed(text).replace("USD ", ""))
    bare = RATIO.sub(r"\1:\2", POINT.sub("", PARAMETER.sub("", bare)))
    try:
        statements = parse(bare)
    except SyntaxFault:
        shorter = REMARK.sub("", bare).strip(" ,;")
        if shorter == bare or not shorter:
            raise
        statements = parse(shorter)
    if len(statements) > MAX_ITEMS:
        raise SyntaxFault("too many members")
    if any(_computes_with_lists(node) for _, node in statements):
        raise SyntaxFault("sums of lists or matrices")
    items = [
        Item(*label_of(node), mark)
        for mark, statement in statements
        for node in written_out(statement)
    ]
    return tuple(_grouped(items))


def _repeated(match: re.Match[str]) -> str:
    r"""A decimal with a bar over what repeats, as a fraction: 0.1\overline{6} is 15/90."""
    before, period = match[2], match[3]
    below = (10 ** len(period) - 1) * 10 ** len(before)
    above = int(match[1] + before + period) - int((match[1] + before) or 0)
    return rf"\frac{{{above}}}{{{below}}}"


def _computes_with_lists(node: Node) -> bool:
    inside = node.kind in ("add", "mul", "div", "neg", "pow") and any(
        part.kind in ("seq", "matrix", "set") for part in node.args
    )
    return inside or any(_computes_with_lists(part) for part in node.args)


def _grouped(items: list[Item]) -> list[Item]:
    """p=5,q=2;p=7,q=2 as two pairs: a group is what stands between semicolons or "or"."""
    groups: list[list[Item]] = []
    for item in items:
        if not groups or item.mark in (";", "or"):
            groups.append([])
        groups[-1].append(item)
    if len(groups) < 2 or any(len(g) < 2 or not all(i.label for i in g) for g in groups):
        return items
    return [Item("", Node("seq", tuple(item.node for item in group), "()")) for group in groups]


def label_of(node: Node) -> tuple[str, Node]:
    """An equation's name and value ("x = 3" is 3, called x); of a chain, the last exact value.

    >>> label_of(read("1/3")[0].node)[0]
    ''
    """
    if node.kind != "rel":
        return "", node
    operators = node.text.split()
    if set(operators) - {"=", "~"}:
        if operators[0] == "in" and len(operators) == 1:
            return "", node.args[1]
        return "", node
    last = (
        operators.index("~")
        if "~" in operators and operators.index("~") > 0
        else len(node.args) - 1
    )
    name, found = node.args[0], node.args[last]
    if _is_name(name) or (len(node.args) > 2):
        return _text(name), found
    if not free_symbols(name):
        # 3 = x is x = 3, but 5 + 5 = 10.
        return (_text(found), name) if _is_name(found) else ("", found)
    if _is_name(found) and len(node.args) == 2:
        return _text(found), name
    return "", node


def _is_name(node: Node) -> bool:
    """x, f(x), a_1, AB, A:B, (x, y): something that is called, not computed."""
    if node.kind in ("sym", "word"):
        return True
    if node.kind == "fn":
        return node.text[0] in "fgFG" and len(node.text.split("_")[0].rstrip("'")) == 1
    if node.kind == "seq":
        return bool(node.args) and all(_is_name(part) for part in node.args)
    if node.kind == "mul" and node.args[0].kind == "word":
        return _is_name(node.args[1])
    if node.kind == "mul" and _text(node).lower().startswith(
        ("p", "q", "h", "t", "v", "a", "b", "n", "y", "u")
    ):
        # p(x): a function whose letter may also be a factor.
        left, right = node.args
        if (
            left.kind == "sym"
            and right.kind == "sym"
            and left.text != right.text
            and left.text in "pqhPTHvuyAVNRS"
            and right.text in "xyzntk"
        ):
            return True
    if node.kind in ("mul", "div"):
        return all(_is_segment(part) or part.kind == "word" for part in node.args)
    return False


def _is_segment(node: Node) -> bool:
    """AB, triangle ABC: capitals that name a figure's points."""
    if node.kind == "sym":
        return node.text[:1].isupper()
    return node.kind in ("mul", "div") and all(_is_segment(part) for part in node.args)


def _text(node: Node) -> str:
    if node.kind == "num":
        return str(node.value)
    inner = ",".join(_text(part) for part in node.args)
    return f"{node.text}({inner})" if node.kind in ("fn", "seq") else node.text + inner


@lru_cache(maxsize=4096)
def written_out(node: Node) -> tuple[Node, ...]:
    """The tree once for every choice of its plus-minus signs."""
    if not _has_sign(node):
        return (node,)
    if node.kind == "pm":
        found = [
            choice
            for left in written_out(node.args[0])
            for right in written_out(node.args[1])
            for choice in (Node("add", (left, right)), Node("add", (left, Node("neg", (right,)))))
        ]
    else:
        choices = itertools.islice(
            itertools.product(*(written_out(part) for part in node.args)), MAX_ALTERNATIVES + 1
        )
        if node.kind == "set":
            return (Node("set", tuple(n for part in node.args for n in written_out(part))),)
        found = [Node(node.kind, parts, node.text, node.value, node.decimals) for parts in choices]
    if len(found) > MAX_ALTERNATIVES:
        raise SyntaxFault("too many plus-minus signs")
    return tuple(found)


def _has_sign(node: Node) -> bool:
    return node.kind == "pm" or any(_has_sign(part) for part in node.args)
