"""Which rule a gold answer needs, for data sets that do not say it. Grades nothing."""

from __future__ import annotations

import re

from vigos_eval.grading.number import parse_quantity
from vigos_eval.grading.surface import folded, undressed
from vigos_eval.types import AnswerKind

_MATH = re.compile(r"\\[a-zA-Z]+|[=<>^+*|∞≤≥√π°]|(?<=\w)/(?=\w)|\b[a-zA-Z]\b|[0-9]")
_LIST = re.compile(r"\[.*\]", re.DOTALL)


def kind_of_gold(gold: str, options: tuple[str, ...] = ()) -> AnswerKind:
    r"""The kind of an open gold; CHOICE when there are options.

    >>> kind_of_gold("2191.7 metres"), kind_of_gold(r"$\frac{1}{2}x$"), kind_of_gold("[1, 2]")
    (<AnswerKind.NUMBER: 'number'>, <AnswerKind.EXPRESSION: 'expression'>, <AnswerKind.LIST: 'list'>)
    >>> kind_of_gold("embryonic"), kind_of_gold("Saint Alphonsa/Alphonsa")
    (<AnswerKind.WORD: 'word'>, <AnswerKind.TEXT: 'text'>)
    """
    if options:
        return AnswerKind.CHOICE
    bare = undressed(gold)
    if parse_quantity(gold) is not None:
        return AnswerKind.NUMBER
    if _LIST.fullmatch(bare) and "," in bare and "\\" not in bare and not re.search(r"[)(]", bare):
        return AnswerKind.LIST
    words = re.findall(r"[A-Za-z]{3,}", re.sub(r"\\[a-zA-Z]+", " ", bare))
    marks = _MATH.findall(bare)
    if marks and len(words) <= max(2, 2 * len(marks)) and len(words) <= 8:
        return AnswerKind.EXPRESSION
    if len(folded(gold).split()) == 1 and "/" not in gold:
        return AnswerKind.WORD
    return AnswerKind.TEXT
