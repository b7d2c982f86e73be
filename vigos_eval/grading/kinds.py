"""Which rule a gold answer needs, for data sets that do not say it. Grades nothing."""

from __future__ import annotations

import re

from vigos_eval.grading.number import parse_quantity
from vigos_eval.grading.surface import folded, undressed
from vigos_eval.types import AnswerKind

_SIGN = re.compile(
    r"\\(?!text|mathrm|textbf)[a-zA-Z]+|[=<>^+*|∞≤≥√π°]|(?<=\w)/(?=\w)|(?<![\w'])[b-zB-HJ-Z](?![\w'])"
)
_DIGITS = re.compile(r"[0-9]+")
_WORD = re.compile(r"(?!(?:and|or|sin|cos|tan|log|sqrt|max|min)\b)[A-Za-z]{3,}")
_LIST = re.compile(r"\[.*\]", re.DOTALL)


def kind_of_gold(gold: str, options: tuple[str, ...] = ()) -> AnswerKind:
    r"""The kind of an open gold; CHOICE when there are options.

    >>> kind_of_gold("2191.7 metres"), kind_of_gold(r"$\frac{1}{2}x$"), kind_of_gold("[1, 2]")
    (<AnswerKind.NUMBER: 'number'>, <AnswerKind.EXPRESSION: 'expression'>, <AnswerKind.LIST: 'list'>)
    >>> kind_of_gold("embryonic"), kind_of_gold("Saint Alphonsa/Alphonsa")
    (<AnswerKind.WORD: 'word'>, <AnswerKind.TEXT: 'text'>)
    >>> kind_of_gold("a red car"), kind_of_gold("increase by 5%")
    (<AnswerKind.TEXT: 'text'>, <AnswerKind.TEXT: 'text'>)
    """
    if options:
        return AnswerKind.CHOICE
    bare = undressed(gold)
    if parse_quantity(gold) is not None:
        return AnswerKind.NUMBER
    if _LIST.fullmatch(bare) and "," in bare and "\\" not in bare and not re.search(r"[)(]", bare):
        return AnswerKind.LIST
    words = len(_WORD.findall(re.sub(r"\\[a-zA-Z]+", " ", bare)))
    signs, digits = len(_SIGN.findall(bare)), len(_DIGITS.findall(bare))
    # Prose with a number in it ("increase by 5%") is no formula; a list of counted things is.
    is_formula = signs > 0 or digits > 1 or words == 0
    if signs + digits and is_formula and words <= min(8, max(2, 2 * (signs + digits))):
        return AnswerKind.EXPRESSION
    if len(folded(gold).split()) == 1 and "/" not in gold:
        return AnswerKind.WORD
    return AnswerKind.TEXT
