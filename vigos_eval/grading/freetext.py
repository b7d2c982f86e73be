"""Free text: does the answer say one of the gold's names? Only CORRECT or nothing is decided here.

Golds may hold alternatives: EVOUNA's "/", MM-Vet's ``<OR>``, and parts that must all be said,
MM-Vet's ``<AND>``.
"""

from __future__ import annotations

import re
from functools import lru_cache

from vigos_eval.grading.surface import folded, undressed
from vigos_eval.grading.word import same_word

NEGATION = re.compile(
    r"\b(?:not|no|never|neither|nor|isnt|wasnt|arent|werent|dont|doesnt|didnt|cannot|cant|unlike|rather than"
    r"|instead of|except|unclear|unknown|unsure|false|incorrect|wrong)\b"
)
# What makes another statement of the number or name behind it.
BOUND = re.compile(r"\b(?:before|after|until|since|than|least|most|under|over|near)\s*$")
EITHER = re.compile(r"\bor\s+(?:\w+\s+){0,2}$")
OR_ELSE = re.compile(r"\s+or\b")
LEADING = re.compile(r"^(?:the|an?)\s+")


@lru_cache(maxsize=4096)
def alternatives(gold: str) -> tuple[tuple[str, ...], ...]:
    """The gold as alternatives, each a tuple of parts that must all be said.

    >>> alternatives("insulin/INS (gene)")
    (('insulin',), ('INS (gene)',))
    >>> alternatives("a cat<AND>two dogs<OR>pets")
    (('a cat', 'two dogs'), ('pets',))
    """
    choices = re.split(r"<\s*OR\s*>", gold)
    if "<" not in gold:
        choices = re.split(r"\s*/\s*(?![0-9])|(?<![0-9])/\s*", gold)
    parts = (tuple(p.strip() for p in re.split(r"<\s*AND\s*>", c) if p.strip()) for c in choices)
    return tuple(part for part in parts if part)


MAX_STATEMENT_CHARS = 300
"""A longer answer says many things beside its point; it is left to the judge."""


def says_gold(gold: str, answer: str, question: str = "") -> bool:
    """Whether the answer states an alternative of the gold, without negation before it.

    >>> says_gold("Hagen/Walter Hagen", "It was Walter Hagen."), says_gold("1990", "not 1990")
    (True, False)
    """
    return any(all(_says(part, answer, question) for part in parts) for parts in alternatives(gold))


def _members(text: str) -> list[str]:
    """The things that an enumeration lists, "a line segment and a circle"."""
    return [
        LEADING.sub("", part)
        for raw in re.split(r",|;|\band\b", undressed(text))
        if (part := folded(raw))
    ]


def _says(part: str, answer: str, question: str) -> bool:
    if same_word(part, answer):
        return True
    wanted = LEADING.sub("", folded(part))
    text = folded(answer)
    if not wanted or (len(wanted) < 2 and wanted != text):
        return False
    if set(_members(part)) == set(_members(answer)):
        return True
    match = re.search(rf"(?<!\w)(?<!\w[.%/-]){re.escape(wanted)}(?!\w|[.%/-]\w)", text)
    if match is None or len(answer) > MAX_STATEMENT_CHARS:
        return False
    # An answer that repeats the question's words has not answered with them.
    if f" {wanted} " in f" {folded(question)} ":
        return False
    before, after = text[: match.start()], text[match.end() :]
    if NEGATION.search(before) or NEGATION.search(after) or BOUND.search(before):
        return False
    # "1989 or 1990" names both; "or" that the gold itself says is the gold's.
    return not EITHER.search(before) and not OR_ELSE.match(after)
