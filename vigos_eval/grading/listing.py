"""Lists written as strings: ``[2014, 2016]``, ``['1.06', '1.1']``. Taken apart as text, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable

from vigos_eval.grading.surface import undressed

QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


def members(text: str) -> tuple[str, ...]:
    """The members of a list as a string writes it; a text without brackets is split at commas and "and".

    >>> members("['1.06', '1.1']"), members("[2014, 2016]"), members("2014 and 2016")
    (('1.06', '1.1'), ('2014', '2016'), ('2014', '2016'))
    >>> members("[]")
    ()
    """
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]"):
        inner = bare[1:-1]
        quoted = [a or b for a, b in QUOTED.findall(inner)]
        if quoted and not QUOTED.sub("", inner).strip(" ,\n\t"):
            return tuple(quoted)
    inner = undressed(bare)
    if inner[:1] in "[({" and inner[-1:] in "])}":
        inner = inner[1:-1]
    parts = re.split(r"\s*[,;]\s*(?:and\b)?\s*|\s+(?:and|\\?&)\s+", inner)
    return tuple(part.strip("'\" ") for part in parts if part.strip("'\" "))


def same_list(gold: str, answer: str, equal: Callable[[str, str], bool]) -> bool:
    """Whether two lists have equal members in the same order.

    >>> same_list("[2014, 2016]", "2014, 2016", str.__eq__), same_list("[1, 2]", "[2, 1]", str.__eq__)
    (True, False)
    """
    golds, answers = members(gold), members(answer)
    if len(golds) != len(answers) and (spaced := re.sub(r"(?<=[0-9]),(?=[0-9]{3}\b)", "", answer)):
        answers = members(spaced)  # 1,000 and 2,000 are two numbers
    return len(golds) == len(answers) and all(map(equal, golds, answers))
