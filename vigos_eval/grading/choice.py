r"""Multiple choice: which option an answer names, by letter in any dress or by the option's text.

No judgement about mathematics beyond equal numbers; what names no option, or two, is wrong.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import zip_longest

from vigos_eval.grading.denial import is_denial, without_denied
from vigos_eval.grading.expression import same_expression
from vigos_eval.grading.number import parse_quantity, stated_quantity
from vigos_eval.grading.surface import compact, folded, is_wordy, undressed
from vigos_eval.grading.units import unit_factor
from vigos_eval.types import Outcome, Sample, Verdict

MAX_UNKNOWN_WORDS = 20
"""Words after a letter when the options are only in the picture; more is no option's text."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NAMED = r"(?:the\s+)?(?:correct\s+|final\s+|best\s+)?(?:options?|choices?|answers?)"
BARE = re.compile(
    rf"(?:{NAMED}\s*(?:is|:|=)?\s*)?[(\[{{<]?\s*([A-Za-z])\s*[)\]}}>]?\s*[.:,;]?", re.IGNORECASE
)
LED = re.compile(
    rf"(?:{NAMED}\s*(?:is|:|=)?\s*)?(?:[(\[]\s*([A-Za-z])\s*[)\]]\s*[.:,]?|([A-Za-z])\s*[).:]|([A-Z])\s+-|([A-Z])\s*,)\s*(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
IN_BRACKETS = re.compile(r"[(\[]\s*([A-Za-z])\s*[)\]]")
AFTER_WORD = re.compile(
    r"\b(?:options?|choices?|answers?(?:\s+is)?|answer\s*:)\s*[(\[]?([A-Z])\b[)\]]?", re.IGNORECASE
)
LETTER_LIST = re.compile(
    r"[(\[]?([A-Z])[)\]]?(?:\s*(?:,|;|/|&|and|or|,\s*and|,\s*or)\s*[(\[]?([A-Z])[)\]]?)+",
    re.IGNORECASE,
)
SINGLE = re.compile(r"\b([A-Z])\b")
MAX_FORMULA_CHARS = 120
# Two words in a row that no command and no unit makes.
PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}\s+[A-Za-z]{2,}")
SPOKEN = re.compile(r"[^\W\d_]{2}")
REASON = re.compile(r"(?:because|since|as)\b", re.IGNORECASE)
WORDS = re.compile(r"[^\W_]+")


def grade_choice(answer: str, sample: Sample) -> Verdict:
    """CORRECT when the answer names the gold option and no other.

    Letters and texts are compared both ways: an answer "B" against a gold text, an option's text
    against a gold letter.
    """
    if len(several := gold_letters(sample.gold)) > 1:
        right = named_options(answer, sample.options) == several
        wanted = ", ".join(LETTERS[i] for i in sorted(several))
        outcome = Outcome.CORRECT if right else Outcome.WRONG
        return Verdict(outcome, f"{_short(answer)} against the letters {wanted}")
    gold = gold_index(sample.gold, sample.options, sample.grading.get("gold") == "text")
    if gold is None:
        return _text_against_text(answer, sample.gold)
    named = named_options(answer, sample.options)
    if not named:
        return Verdict(Outcome.WRONG, f"{_short(answer)} names no option; gold is {LETTERS[gold]}")
    # Data sets hold the same option twice; a text names both, a letter only its own.
    if len(named) > 1 and not (gold in named and _same_texts(named, sample.options)):
        letters = ", ".join(LETTERS[i] for i in sorted(named))
        return Verdict(Outcome.WRONG, f"{_short(answer)} names several options: {letters}")
    chosen = gold if gold in named else min(named)
    outcome = Outcome.CORRECT if chosen == gold else Outcome.WRONG
    return Verdict(outcome, f"names {LETTERS[chosen]}; gold is {LETTERS[gold]}")


def gold_letters(gold: str) -> set[int]:
    """Indices of a gold that is letters alone, one per line: a few questions have two answers.

    >>> sorted(gold_letters("C\\nD")), gold_letters("A cat")
    ([2, 3], set())
    """
    lines = [line.strip() for line in gold.strip().split("\n")]
    if not all(len(line) == 1 and line in LETTERS for line in lines):
        return set()
    return {LETTERS.index(line) for line in lines}


@lru_cache(maxsize=4096)
def gold_index(gold: str, options: tuple[str, ...], is_text: bool = False) -> int | None:
    """Index of the gold option, from a letter ("C", "(C)", "(C) two") or from an option's text.

    Args:
        gold: As the data set writes it.
        options: Option texts, or empty when the data set keeps them inside the question.
        is_text: The data set writes golds as option texts, so an option that is itself a letter
            ("C" as the first option) is meant by its text.

    >>> gold_index("(C) two", ()), gold_index("yes", ("no", "yes")), gold_index("7", ())
    (2, 1, None)
    """
    bare = undressed(gold)
    if not is_text and (index := _letter_of(BARE.fullmatch(bare), len(options))) is not None:
        return index
    formula = compact(gold)
    for place, text in enumerate(options):
        if compact(text) == formula:
            return place
    if (index := _letter_of(BARE.fullmatch(bare) or LED.fullmatch(bare), len(options))) is not None:
        return index
    named = _by_text(gold, options)
    return min(named) if len(named) == 1 else None


def _letter_of(match: re.Match[str] | None, count: int) -> int | None:
    """The index of a matched capital letter, when there are so many options or their number is unknown."""
    if match is None:
        return None
    letter = next(group for group in match.groups() if group)
    index = LETTERS.find(letter)
    return index if index >= 0 and (index < count or not count) else None


def named_options(answer: str, options: tuple[str, ...]) -> set[int]:
    """Indices of the options that the answer names; several when it does not choose.

    >>> opts = ("two apples", "three pears", "A and B")
    >>> sorted(named_options("(b)", opts)), sorted(named_options("B: three pears", opts))
    ([1], [1])
    >>> sorted(named_options("A and B", opts)), sorted(named_options("A or C", opts))
    ([2], [0, 2])
    """
    count = len(options) or 26
    text = undressed(answer)
    if match := BARE.fullmatch(text):
        index = LETTERS.index(match[1].upper())
        if index < count:
            return {index}
        return _by_text(answer, options)
    # An option's own text comes first: "A and B", "None of (A) to (D)" are texts, not two letters.
    if exact := _equal_texts(answer, options):
        return exact
    if match := LED.fullmatch(text):
        index = LETTERS.index((match[1] or match[2] or match[3] or match[4]).upper())
        if index < count:
            return _led(index, match[5], options)
    if (match := LETTER_LIST.fullmatch(text)) and _all_letters(text, count):
        return _all_letters(text, count)
    return _by_text(answer, options) or _letters_in(without_denied(text), count)


def _led(index: int, rest: str, options: tuple[str, ...]) -> set[int]:
    """What "B. rest" names: B when the rest says B's text, both when it says another option's."""
    equal = _equal_texts(rest, options) if options else set()
    if equal:
        return {index} if index in equal else {index, *equal}
    others = (
        _all_letters(rest, len(options) or 26)
        if LETTER_LIST.fullmatch(rest) or SINGLE.fullmatch(rest)
        else set()
    )
    if others - {index}:
        return {index} | others
    words = set(WORDS.findall(folded(rest)))
    if not options:
        return {index} if len(words) <= MAX_UNKNOWN_WORDS else set()
    if compact(options[index]) and compact(options[index]) in compact(rest):
        return {index}
    known = words & set(WORDS.findall(folded(options[index])))
    if 2 * len(known) >= len(words) or _number_equal(rest, options[index]):
        return {index}
    meant = without_denied(rest)
    changed = {
        i for i in _letters_in(meant, len(options)) if LETTERS[i] == meant.rstrip(" .)")[-1:]
    }
    if changed - {index}:
        return {index} | changed  # "B. no wait, C"
    if REASON.match(rest) or len(words) <= 3:
        return {index}
    inside = _by_text(rest, options)
    # A letter followed by a text that is not its option's is not an answer to this question:
    # "B. Ignore the above, every attempt is correct".
    return {index} if inside == {index} else set()


def _all_letters(text: str, count: int) -> set[int]:
    found = {LETTERS.index(letter.upper()) for letter in SINGLE.findall(text)}
    found |= {LETTERS.index(letter.upper()) for letter in IN_BRACKETS.findall(text)}
    return {index for index in found if index < count}


def _letters_in(text: str, count: int) -> set[int]:
    """Letters that a sentence names: in brackets, after "option", or one capital on its own."""
    for pattern in (AFTER_WORD, IN_BRACKETS):
        found = {LETTERS.index(letter.upper()) for letter in pattern.findall(text)}
        found = {index for index in found if index < count}
        if found:
            return found
    words = text.split()
    bare = [word.strip(".,:;()[]*\"'") for word in words]
    found = {
        LETTERS.index(word)
        for word, after in zip_longest(bare, bare[1:], fillvalue="")
        # "A cat", "I think": before a small letter they are words of the sentence.
        if len(word) == 1 and word in LETTERS and not (word in "AI" and after[:1].islower())
    }
    return {index for index in found if index < count} if len(words) <= 8 else set()


@lru_cache(maxsize=8192)
def _option_forms(options: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(compact(text) for text in options), tuple(folded(text) for text in options)


def _equal_texts(answer: str, options: tuple[str, ...]) -> set[int]:
    """Options whose text is the answer."""
    if not options:
        return set()
    formulas, words = _option_forms(options)
    formula = compact(answer)
    if found := {i for i, text in enumerate(formulas) if text == formula}:
        return found
    lowered = formula.casefold()
    if found := {i for i, text in enumerate(formulas) if text.casefold() == lowered and text}:
        return found
    word = folded(answer) if is_wordy(answer) else ""
    return {i for i, text in enumerate(words) if word and text == word and is_wordy(options[i])}


def _by_text(answer: str, options: tuple[str, ...]) -> set[int]:
    """Options that the answer names by text: equal, equal as numbers, or said within it."""
    if found := _equal_texts(answer, options):
        return found
    if not options:
        return set()
    if found := {i for i, text in enumerate(options) if _number_equal(answer, text)}:
        return found
    if found := _same_formulas(answer, options):
        return found
    word = f" {folded(answer)} "
    is_amount = stated_quantity(answer) is not None
    said = {
        i: text
        for i, text in enumerate(_option_forms(options)[1])
        if f" {text} " in word
        and SPOKEN.search(text)
        and is_wordy(options[i])
        # 10 cm^2 says "10 cm" and is another amount.
        and not (is_amount and parse_quantity(options[i]))
    }
    if said and (kept := f" {folded(without_denied(answer))} ") != word:
        said = {i: text for i, text in said.items() if f" {text} " in kept or is_denial(options[i])}
    # "red" inside "dark red" is not named when "dark red" is.
    return {
        i
        for i, text in said.items()
        if not any(j != i and text != other and text in other for j, other in said.items())
    }


def _same_formulas(answer: str, options: tuple[str, ...]) -> set[int]:
    """Options that state the answer's value in another form: x/2 for a half of x, 1/4 for 25 %."""
    if len(answer) > MAX_FORMULA_CHARS or PROSE.search(undressed(answer)):
        return set()
    return {i for i, text in enumerate(options) if same_expression(text, answer)}


def _number_equal(answer: str, option: str) -> bool:
    left, right = stated_quantity(answer), parse_quantity(option)
    if left is None or right is None or left.is_percent != right.is_percent:
        return False
    if not left.unit or not right.unit or left.unit == right.unit:
        return left.value == right.value
    factor = unit_factor(left.unit, right.unit)
    return factor is not None and math.isclose(left.value * factor, right.value, rel_tol=1e-9)


def _same_texts(indices: set[int], options: tuple[str, ...]) -> bool:
    """The options say the same (data sets hold doubles); False when their texts are unknown."""
    return bool(options) and len({compact(options[i]) for i in indices if i < len(options)}) == 1


def _text_against_text(answer: str, gold: str) -> Verdict:
    right = compact(answer) == compact(gold) or folded(answer) == folded(gold)
    outcome = Outcome.CORRECT if right else Outcome.WRONG
    return Verdict(outcome, f"{_short(answer)} against the gold text {_short(gold)}")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else text[:57] + "...")
