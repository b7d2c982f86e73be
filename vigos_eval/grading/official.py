r"""How benchmarks' own scripts read and compare, where a published verdict is theirs.

Only for measuring agreement with such verdicts (`tuples.py`) and for columns that say so: the
scripts refuse right answers ("20 cm" for the option "20 cm") and take a letter out of "I'm sorry".
ViLP's comparison is in `word.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vigos_eval.grading.algebra import ValueFault, free_symbols, value
from vigos_eval.grading.choice import LETTERS
from vigos_eval.grading.syntax import parse
from vigos_eval.grading.tree import SyntaxFault


def mmmu_letter(response: str, options: Sequence[str]) -> str | None:
    """The letter that MMMU's and MMMU-Pro's scripts read; None where they draw one at random.

    After the last "Answer:" a single possible letter counts. Else the last of the letters in
    brackets, else of those before a space, else of those before a full stop, else of the options'
    texts. Source: MMMU-Benchmark/MMMU, ``mmmu-pro/evaluate.py`` and ``eval_utils.py``,
    parse_multi_choice_response.

    >>> mmmu_letter("So it is 3.\\nAnswer: (B)", ["1", "3"]), mmmu_letter("(A) or (B)", ["1", "3"])
    ('B', 'B')
    """
    letters = LETTERS[: len(options)]
    marked = response.rfind("Answer:")
    if marked >= 0:
        after = response[marked + len("Answer:") :].strip()
        possible = [letter for letter in letters if letter in after]
        if len(possible) == 1:
            return possible[0]
    for char in ",.!?;:'":
        response = response.strip(char)
    text = f" {response} "
    for form in ("({})", "{} ", "{}."):
        places = {letter: text.rfind(form.format(letter)) for letter in letters}
        if found := {letter: place for letter, place in places.items() if place >= 0}:
            return max(found, key=lambda letter: found[letter])
    if len(text.split()) > 5:
        lowered = text.lower()
        said = {
            letter: lowered.rfind(option.lower())
            for letter, option in zip(letters, options, strict=True)
        }
        if named := {letter: place for letter, place in said.items() if place >= 0}:
            return max(named, key=lambda letter: named[letter])
    return None


def mathvision_equal(gold: str, options: Sequence[str], answer: str) -> bool:
    r"""MATH-Vision's comparison: the letter or the option's text, as strings or as values at two decimals.

    Units, words and percent signs have no value there. Source: mathllm/MATH-V,
    ``evaluation/utils.py``, is_equal, which evaluates with latex2sympy; here our grammar reads.

    >>> mathvision_equal("B", ["1", r"$\frac{1}{2}$"], r"\frac{2}{4}"), mathvision_equal("8", [], "8 cm")
    (True, False)
    """
    wanted = [gold]
    if len(gold) == 1 and 0 <= LETTERS.find(gold) < len(options):
        wanted.append(options[LETTERS.index(gold)])
    return any(_mathvision_same(answer, text) for text in wanted)


def _mathvision_same(answer: str, wanted: str) -> bool:
    left, right = answer.strip().lower(), wanted.strip().lower()
    if left and left == right:
        return True
    values = [_two_decimals(text) for text in (left, right)]
    return values[0] is not None and values[0] == values[1]


DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")
UNREAD = re.compile(r"%|\\circ|\\frac\s*[0-9]|[a-z]{2,}")
READ = re.compile(r"\\(?:frac|sqrt|pi|cdot|times|left|right)(?![a-z])|\$")


def _two_decimals(text: str) -> float | None:
    """The value at two decimals of a formula of numbers alone; None for anything else."""
    if DECIMAL.fullmatch(text):
        return round(float(text), 2)
    if UNREAD.search(
        READ.sub(lambda m: m[0] if m[0] == "\\frac" else " ", text).replace("\\frac{", "{")
    ):
        return None
    try:
        statements = parse(text.replace("$", ""))
        if len(statements) != 1 or free_symbols(statements[0][1]):
            return None
        number = complex(value(statements[0][1]))
    except (SyntaxFault, ValueFault, OverflowError):
        return None
    return round(number.real, 2) if abs(number) < 1e15 else None
