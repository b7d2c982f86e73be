"""What a sentence refuses ("not B", "A is wrong"), so that naming it is not choosing it. Grades nothing."""

from __future__ import annotations

import re

CLAUSE = re.compile(r"([,;!?\n]|\.(?![0-9]))")
REFUSED = re.compile(
    r"\b(?:is|are|was|were)\s+(?:wrong|incorrect|false|impossible|untrue|ruled out)\b"
    r"|(?:\b(?:is|are|was|were)\s+not|\b(?:is|are|was|were)n['’]?t|\bcannot be|\bcan['’]t be)\s+"
    r"(?:an?\s+|the\s+)?(?:correct|right|true|possible|valid|answer|solution|one)\b",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"\b(?:not|never|neither|nor|cannot|excluding|except|rather than|instead of|unlike|eliminate|rule out"
    r"|(?:any|every)thing but|all but)\b|n['’]t\b|\\(?:neg|lnot)(?![a-z])|¬",
    re.IGNORECASE,
)
TURN = re.compile(r"\b(?:but|because|since|so)\b", re.IGNORECASE)
DENIAL = re.compile(
    r"\b(?:not|never|neither|nor|cannot|except|without|unlike)\b|n['’]t\b", re.IGNORECASE
)


def without_denied(text: str) -> str:
    """The text without the parts that it refuses.

    >>> without_denied("It is B, not C"), without_denied("not a pear but two apples")
    ('It is B, ', 'but two apples')
    >>> without_denied("A is wrong, so B"), without_denied("I don't think it is B")
    (', so B', 'I do')
    """
    if DENIED.search(text) is None and REFUSED.search(text) is None:
        return text
    return "".join(_accepted(clause) for clause in CLAUSE.split(text))


def _accepted(clause: str) -> str:
    """What is left of one clause, up to its refusal and from the word that turns it on."""
    if REFUSED.search(clause):
        return ""
    if (denied := DENIED.search(clause)) is None:
        return clause
    turn = TURN.search(clause, denied.end())
    return clause[: denied.start()] + (_accepted(clause[turn.start() :]) if turn else "")


def is_denial(text: str) -> bool:
    """Whether the text itself says "not", as some options do.

    >>> is_denial("does not change"), is_denial("No"), is_denial("grows")
    (True, False, False)
    """
    return DENIAL.search(text) is not None
