r"""Which rule grades a gold answer, read off the gold where the data set does not say it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vigos_eval.benchmarks.options import letter_index
from vigos_eval.grading.kinds import kind_of_gold
from vigos_eval.types import AnswerKind


def kind_of(gold: str, options: Sequence[str]) -> AnswerKind:
    r"""The answer kind that a gold text and the options suggest.

    >>> kind_of("B", ["a cat", "a dog"]).value, kind_of("a dog", ["a cat", "a dog"]).value
    ('choice', 'choice')
    >>> [kind_of(gold, []).value for gold in ("D", "[0, 2]", "1,234.5", "3/11", "2191.7 metres")]
    ['choice', 'list', 'number', 'number', 'number']
    >>> [kind_of(gold, []).value for gold in (r"230 ^\circ T", "y=2x+1", "Yes", "a red car")]
    ['expression', 'expression', 'word', 'text']
    """
    gold = gold.strip()
    if options and any(gold.casefold() == option.strip().casefold() for option in options):
        return AnswerKind.CHOICE
    index = letter_index(gold)
    if index is not None and (not options or index < len(options)):
        return AnswerKind.CHOICE
    if options and re.fullmatch(r"\(?[A-Z]\)?[.:]?\s.+", gold, re.DOTALL):
        return AnswerKind.CHOICE
    return kind_of_gold(gold)
