"""Numbers written in words, as digits: "minus twenty-five", "one and a half". Grades nothing."""

from __future__ import annotations

import re

ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]  # fmt: skip
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SMALL = {word: value for value, word in enumerate(ONES)}
SMALL |= {word: 10 * (place + 2) for place, word in enumerate(TENS)}
POWERS = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
         "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10}  # fmt: skip
SIGN = re.compile(r"(?:minus|negative)\s+")
WORD = re.compile(r"[a-z]+")


def in_digits(text: str) -> str:
    """The text with the number words that it starts with as digits; the text itself without any.

    >>> in_digits("twenty-five dollars"), in_digits("minus one and a half"), in_digits("negative 3")
    ('25 dollars', '-1 1/2', '-3')
    >>> in_digits("one thousand two hundred and six"), in_digits("two thirds"), in_digits("a cat")
    ('1206', '2/3', 'a cat')
    """
    text = text.strip()
    lowered = text.lower()
    sign = "-" if (signed := SIGN.match(lowered)) else ""
    start = signed.end() if signed else 0
    whole, end = _whole(lowered, start)
    parts, after = _parts(lowered, start, whole, end)
    if not parts and whole is None:
        return sign + text[start:] if signed and lowered[start : start + 1].isdigit() else text
    digits, end = (parts, after) if parts else (str(whole), end)
    # "one two" and "half past two" are more than one number.
    if any(word in SMALL for word in WORD.findall(lowered[end:])):
        return text
    return f"{sign}{digits}{text[end:]}"


def _next(text: str, at: int) -> tuple[str, int]:
    """The next word and where it ends; hyphens and spaces before it are passed."""
    match = WORD.match(text, at + len(text[at:]) - len(text[at:].lstrip(" -")))
    return (match[0], match.end()) if match else ("", at)


def _whole(text: str, start: int) -> tuple[int | None, int]:
    """The whole number spelled from `start` on and where it ends; None when there is none."""
    total, group, end, last = 0, None, start, 10**12
    word, after = _next(text, start)
    if word == "a" and _next(text, after)[0] in POWERS:
        group, word, after = 1, *_next(text, after)
    while True:
        value = SMALL.get(word)
        if value is not None and (
            group is None
            or group % 100 == 0
            or (group % 10 == 0 and group % 100 > 10 and value < 10)
        ):
            group = (group or 0) + value
        elif word == "hundred" and group is not None and 0 < group < 100:
            group *= 100
        elif word in POWERS and word != "hundred" and group and POWERS[word] < last:
            last = POWERS[word]
            total, group = total + group * last, 0
        else:
            return (None if group is None else total + group), end
        end = after
        word, after = _next(text, end)
        # "two hundred and six", but "six and seven" are two numbers.
        if word == "and" and (group == 0 or group % 100 == 0) and _next(text, after)[0] in SMALL:
            word, after = _next(text, after)


def _parts(text: str, start: int, whole: int | None, end: int) -> tuple[str, int]:
    """A fraction in words ("half", "two thirds", "one and a half"), and where it ends; "" for none."""
    word, after = _next(text, end)
    if word in PARTS and whole is not None and whole < 100:
        return f"{whole}/{PARTS[word]}", after
    if whole is not None:
        if word != "and":
            return "", end
        word, after = _next(text, after)
    if word in ("a", "one"):
        word, after = _next(text, after)
    elif word != "half":
        return "", end
    if word not in PARTS:
        return "", end
    return f"{'' if whole is None else f'{whole} '}1/{PARTS[word]}", after
