r"""Mathematical answers: lists, tuples, sets, equations and formulas, structure first.

Decides in this process with our own grammar (bounded, no evaluation of text). What the grammar
cannot read on either side goes to `pool.py`'s workers, where sympy and math-verify read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from vigos_eval.grading.measured import without_units
from vigos_eval.grading.members import Item, read
from vigos_eval.grading.number import parse_quantity
from vigos_eval.grading.same_number import same_quantity
from vigos_eval.grading.scalar import same_scalar, speaks_of
from vigos_eval.grading.sets import real_set, same_set, union_of
from vigos_eval.grading.surface import compact, folded, is_wordy, undressed
from vigos_eval.grading.tree import Node, SyntaxFault

DECIMAL_COMMA = re.compile(r"-?[0-9]+,[0-9]+")


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
    if (bare := without_units(gold, answer, question)) is None:
        return False
    gold, answer = bare
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
    if node.kind == "union" and all(
        i.node.kind == "rel" and i.mark in ("", ",", "or") for i in many
    ):
        whole, found = real_set(node), [real_set(item.node) for item in many]
        spans = [part for part in found if part is not None]
        return whole is not None and len(spans) == len(many) and same_set(whole, union_of(spans))
    if node.kind == "rel" and len(set(node.text.split())) == 1 and node.text[0] in "<>":
        parts: Sequence[Node] = node.args
    elif node.kind == "seq" and len(node.args) == len(many):
        parts = node.args
    elif node.kind == "matrix" and (vector := _vector(node)) is not None:
        parts = vector
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
    names = (gold.label, answer.label)
    # Asked for x, y = 3 is no answer; asked for a length, x = 3 is one.
    are_letters = all(len(name) == 1 for name in names)
    if are_letters and names[0] != names[1] and speaks_of(question, gold.label):
        return False
    is_function = all("(" in name for name in names)
    return same_node(gold.node, answer.node, question, is_function=is_function)


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
    if "matrix" in kinds:
        ours, theirs = _rows(answer), _rows(gold)
        if ours is not None and theirs is not None:
            return [len(row) for row in ours] == [len(row) for row in theirs] and all(
                same_node(a, b, question)
                for row, other in zip(theirs, ours, strict=True)
                for a, b in zip(row, other, strict=True)
            )
    if vectors[0] is not None and vectors[1] is not None:
        return len(vectors[0]) == len(vectors[1]) and all(
            same_node(a, b, question) for a, b in zip(vectors[0], vectors[1], strict=True)
        )
    if kinds == ("set", "set"):
        return same_items(
            [Item("", n) for n in gold.args], [Item("", n) for n in answer.args], question
        )
    gold, answer = (
        n.args[0] if n.kind == "set" and len(n.args) == 1 else n for n in (gold, answer)
    )
    return same_scalar(gold, answer, question, is_function=is_function)


def _rows(node: Node) -> list[tuple[Node, ...]] | None:
    """The rows of a matrix, also of one written as a list of lists."""
    if node.kind == "matrix" or (
        node.kind == "seq" and node.args and all(part.kind == "seq" for part in node.args)
    ):
        return [row.args for row in node.args]
    return None


def _vector(node: Node) -> tuple[Node, ...] | None:
    """The members of a tuple or of a matrix of one column or row."""
    if node.kind == "seq" and node.text in ("()", "[]", "{}"):
        return node.args
    if node.kind == "matrix":
        if all(len(row.args) == 1 for row in node.args):
            return tuple(row.args[0] for row in node.args)
        return node.args[0].args if len(node.args) == 1 else None
    return None
