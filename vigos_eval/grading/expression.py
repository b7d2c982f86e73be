"""Mathematical answers: lists, sets, intervals, equations and formulas, structure first."""

from __future__ import annotations

from vigos_eval.grading.number import parse_quantity, same_quantity
from vigos_eval.grading.surface import compact, undressed


def same_expression(gold: str, answer: str, question: str = "") -> bool:
    """Whether two formulas state the same."""
    if compact(gold) == compact(answer):
        return True
    left, right = parse_quantity(gold), parse_quantity(answer)
    if left is not None and right is not None:
        return same_quantity(left, right)
    return sorted(undressed(gold).split(",")) == sorted(undressed(answer).split(","))
