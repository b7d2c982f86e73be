r"""Answer options: written under a question, and found again in a text that holds them already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

# "A. text", "(A) text", "A: text", "A) text"; at a line's start or inside a line.
LABEL = re.compile(r"(?:(?<=\s)|^)(?:\(([A-Z])\)|([A-Z])[.:)])(?=\s|\S)")
TAIL = re.compile(
    r"\n\s*(?:please|answer with|hint|your answer|select|respond)\b.*", re.IGNORECASE | re.DOTALL
)


def with_options(question: str, options: Sequence[str]) -> str:
    r"""The question with one option per line under it.

    >>> with_options("Which?", ["a cat", "a dog"])
    'Which?\nA. a cat\nB. a dog'
    """
    lines = [f"{letter}. {text}" for letter, text in zip(ascii_uppercase, options, strict=False)]
    return "\n".join([question, *lines])


def options_in(text: str) -> tuple[str, ...]:
    r"""The option texts that a question's own text lists, or () when it lists none.

    Options are labelled A, B, C, ... without a gap; the last such run counts, because a
    question may speak of "point A." before it.

    >>> options_in("Which one?\nA. a cat\nB. a dog\nPlease answer with the letter.")
    ('a cat', 'a dog')
    >>> options_in("Which? (A) left (B) right"), options_in("From A. to what?")
    (('left', 'right'), ())
    """
    found = [
        (match.group(1) or match.group(2), match.start(), match.end())
        for match in LABEL.finditer(text)
    ]
    start = next((i for i in range(len(found) - 1, -1, -1) if found[i][0] == "A"), None)
    if start is None:
        return ()
    run = [found[start]]
    for label in found[start + 1 :]:
        if label[0] == ascii_uppercase[len(run)]:
            run.append(label)
        if len(run) == len(ascii_uppercase):
            break
    if len(run) < 2:
        return ()
    ends = [begin for _, begin, _ in run[1:]]
    texts = [text[after:end] for (_, _, after), end in zip(run, [*ends, len(text)], strict=True)]
    texts[-1] = TAIL.sub("", texts[-1])
    return tuple(piece.strip().rstrip(",;").strip() for piece in texts)


def letter_index(gold: str) -> int | None:
    """Which option a gold letter names, from 0; None when it is no letter.

    >>> letter_index("C"), letter_index("(B)"), letter_index("B."), letter_index("Cat")
    (2, 1, 1, None)
    """
    match = re.fullmatch(r"\(?([A-Z])[.):]?", gold.strip())
    return ascii_uppercase.index(match[1]) if match else None
