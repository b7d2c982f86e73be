r"""Which rule grades a gold answer, read off the gold where the data set does not say it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vigos_eval.benchmarks.options import letter_index
from vigos_eval.types import AnswerKind

# A number with an optional sign, currency, thousands separators, fraction, percent or unit of one or two words.
NUMBER = re.compile(
    r"""[-+−]?\s*[$€£]?\s*
    (?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?      # 1,234.5  .5  12
    (?:\s*/\s*\d+)?                            # 3/4
    (?:[eE][-+]?\d+)?
    \s*(?:%|°\s?[CF]?|[A-Za-zµΩ]{1,12}(?:[²³]|\^[23])?(?:\s*/\s*[A-Za-z]{1,8}(?:[²³]|\^[23])?)?)?""",
    re.VERBOSE,
)
FORMULA = re.compile(r"\\[A-Za-z]|[\^_=√π]|\d\s*[-+*/:]\s*\w|[A-Za-z]\s*[-+*/]\s*\d|\d\s*[a-z]\b")


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
    if gold.startswith("[") and gold.endswith("]"):
        return AnswerKind.LIST
    if any(char.isdigit() for char in gold) and NUMBER.fullmatch(gold):
        return AnswerKind.NUMBER
    if FORMULA.search(gold):
        return AnswerKind.EXPRESSION
    return AnswerKind.WORD if len(gold.split()) == 1 else AnswerKind.TEXT
