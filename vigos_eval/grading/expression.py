r"""Mathematical answers: lists, tuples, sets, equations and formulas, structure first.

Decides in this process with our own grammar (bounded, no evaluation of text). What the grammar
cannot read on either side goes to `pool.py`'s workers, where sympy and math-verify read it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from vigos_eval.grading.algebra import free_symbols
from vigos_eval.grading.number import parse_quantity, same_quantity
from vigos_eval.grading.scalar import same_scalar
from vigos_eval.grading.sets import real_set, same_set
from vigos_eval.grading.surface import compact, folded, is_wordy, undressed
from vigos_eval.grading.syntax import parse
from vigos_eval.grading.tree import Node, SyntaxFault

MAX_ITEMS = 40
MAX_ALTERNATIVES = 16
REMARK = re.compile(
    r"[,;]?\s*\b(?:for|where|with|when|if|such that|only if)\b(?! part)\s.*?(?=[,;]\s*and\b|$)|\s(?:is|are) (?:both|an?|the) .*$"
)
DECIMAL_COMMA = re.compile(r"-?[0-9]+,[0-9]+")
LABEL_MARKS = re.compile(r"[0-9]")


@dataclass(frozen=True)
class Item:
    """One member of an answer: what it is called ("x" of "x = 3"), and its tree."""

    label: str
    node: Node
    mark: str = ""


def same_expression(gold: str, answer: str, question: str = "") -> bool | None:
    r"""Whether two formulas state the same; None when a side is outside the grammar.

    >>> same_expression("(6,3),(9,3)", "(9, 3), (6, 3)"), same_expression("20<P<30", "(20, 30)")
    (True, True)
    >>> same_expression(r"3 \pm 2\sqrt{2}", r"3+2\sqrt2, 3-2\sqrt2"), same_expression("4,12,2", "10,4,2")
    (True, False)
    """
    if compact(gold) == compact(answer):
        return True
    left, right = parse_quantity(gold), parse_quantity(answer)
    if left is not None and right is not None:
        return same_quantity(left, right)
    if _decimal_comma(gold, answer):
        return True
    try:
        golds, answers = read(gold), read(answer)
    except SyntaxFault:
        wordy = is_wordy(gold) and is_wordy(answer)
        return True if wordy and folded(gold) and folded(gold) == folded(answer) else None
    return same_items(golds, answers, question)


def _decimal_comma(gold: str, answer: str) -> bool:
    """1,22 against 1.22: a comma that is a point where the other side writes one."""
    left, right = undressed(gold), undressed(answer)
    for one, other in ((left, right), (right, left)):
        if DECIMAL_COMMA.fullmatch(one) and "," not in other:
            a, b = parse_quantity(one.replace(",", ".")), parse_quantity(other)
            if a is not None and b is not None and a.value == b.value:
                return True
    return False


@lru_cache(maxsize=16384)
def read(text: str) -> tuple[Item, ...]:
    r"""The members of an answer, without remarks, labels apart from values, plus-minus written out.

    Raises:
        SyntaxFault: The text is outside the grammar.

    >>> [item.label for item in read(r"x_1=-2, x_2=3 \text{ for real } x")]
    ['x_1', 'x_2']
    """
    bare = undressed(text).replace("USD ", "")
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
        return "", found  # 5 + 5 = 10
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
        ):
            return right.text in "xyzntk"
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


def same_items(golds: Sequence[Item], answers: Sequence[Item], question: str) -> bool:
    """Whether two lists of members state the same, in any order."""
    if len(golds) == 1 and len(answers) == 1:
        return same_item(golds[0], answers[0], question)
    golds, answers = _unpacked(golds, answers), _unpacked(answers, golds)
    if len(golds) == 1 or len(answers) == 1:
        return _one_against_many(golds, answers, question)
    names, ours = [i.label for i in golds], [i.label for i in answers]
    if all(names) and sorted(names) == sorted(ours) and len(set(names)) == len(names):
        by_name = {item.label: item for item in answers}
        return all(same_item(item, by_name[item.label], question) for item in golds)

    def alike(a: Item, b: Item) -> bool:
        return same_item(a, b, question)

    return _matched(_distinct(golds, alike), _distinct(answers, alike), alike)


def _unpacked(items: Sequence[Item], others: Sequence[Item]) -> Sequence[Item]:
    """A set, or a tuple equation (x, y) = (1, 2), as its members when the other side lists them."""
    if len(items) != 1 or len(others) < 2:
        return items
    item = items[0]
    node = item.node
    if node.kind == "set":
        return [Item("", part) for part in node.args]
    if (
        node.kind == "seq"
        and len(node.args) == len(others)
        and item.label.startswith("()(")
        and all(o.label for o in others)
    ):
        names = _split_names(item.label[3:-1])
        if len(names) == len(node.args):
            return [Item(name, part) for name, part in zip(names, node.args, strict=True)]
    return items


def _split_names(text: str) -> list[str]:
    """f(n),g(n) at its outer commas."""
    names, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            names.append("")
        else:
            names[-1] += char
    return names


def _one_against_many(golds: Sequence[Item], answers: Sequence[Item], question: str) -> bool:
    """A tuple, or an ordered chain a < b < c, against a bare list: the same members in order."""
    one, many = (golds[0], answers) if len(golds) == 1 else (answers[0], golds)
    node = one.node
    if node.kind == "rel" and len(set(node.text.split())) == 1 and node.text[0] in "<>":
        parts: Sequence[Node] = node.args
    elif node.kind == "seq" and len(node.args) == len(many):
        parts = node.args
    elif node.kind == "matrix" and sum(len(row.args) for row in node.args) == len(many):
        parts = [cell for row in node.args for cell in row.args]
    else:
        return False
    return len(parts) == len(many) and all(
        same_node(part, item.node, question) for part, item in zip(parts, many, strict=True)
    )


def _distinct(items: Sequence[Item], alike: Callable[[Item, Item], bool]) -> list[Item]:
    """Members without repeated tuples; repeated numbers stay (a double root is written twice)."""
    found: list[Item] = []
    for item in items:
        if item.node.kind != "seq" or not any(alike(item, other) for other in found):
            found.append(item)
    return found


def _matched(
    golds: Sequence[Item], answers: Sequence[Item], alike: Callable[[Item, Item], bool]
) -> bool:
    if len(golds) != len(answers):
        return False
    left = list(answers)
    for item in golds:
        for place, other in enumerate(left):
            if alike(item, other):
                del left[place]
                break
        else:
            return False
    return True


def same_item(gold: Item, answer: Item, question: str) -> bool:
    """Whether two members are the same value; names matter only where both name variables of one kind."""
    return same_node(
        gold.node, answer.node, question, is_function="(" in gold.label and "(" in answer.label
    )


def same_node(gold: Node, answer: Node, question: str, *, is_function: bool = False) -> bool:
    """Whether two trees state the same thing."""
    if gold == answer:
        return True
    kinds = (gold.kind, answer.kind)
    if "word" in kinds:
        return gold.kind == answer.kind and gold.text == answer.text
    vectors = [_vector(node) for node in (gold, answer)]
    explicit = [real_set(node, is_explicit=True) for node in (gold, answer)]
    if any(found is not None for found in explicit):
        sets = [real_set(gold), real_set(answer)]
        if sets[0] is not None and sets[1] is not None:
            return same_set(sets[0], sets[1])
    if "matrix" in kinds and all(node.kind == "matrix" for node in (gold, answer)):
        return len(gold.args) == len(answer.args) and all(
            same_node(a, b, question) for a, b in zip(gold.args, answer.args, strict=True)
        )
    if vectors[0] is not None and vectors[1] is not None:
        return len(vectors[0]) == len(vectors[1]) and all(
            same_node(a, b, question) for a, b in zip(vectors[0], vectors[1], strict=True)
        )
    if kinds == ("set", "set"):
        return same_items(
            [Item("", n) for n in gold.args], [Item("", n) for n in answer.args], question
        )
    if "set" in kinds and len(gold.args) == len(answer.args) == 1:
        gold, answer = (n.args[0] if n.kind == "set" else n for n in (gold, answer))
    return same_scalar(gold, answer, question, is_function=is_function)


def _vector(node: Node) -> tuple[Node, ...] | None:
    """The members of a tuple or of a matrix of one column or row."""
    if node.kind == "seq" and node.text in ("()", "[]", "{}"):
        return node.args
    if node.kind == "matrix":
        if all(len(row.args) == 1 for row in node.args):
            return tuple(row.args[0] for row in node.args)
        return node.args[0].args if len(node.args) == 1 else None
    return None
