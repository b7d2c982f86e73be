r"""Numbers as people write them: separators, percent, fractions, powers of ten, units, currency, times.

A number is read with its unit kept apart. What is not one plain number (``\sqrt{2}``, ``2x``) is
not read here: `syntax.py` reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from vigos_eval.grading.spelled import SMALL, in_digits
from vigos_eval.grading.surface import undressed
from vigos_eval.grading.units import parse_unit

MAX_EXPONENT = 300
MAX_DIGITS = 60
CURRENCY = {"$": "usd", "usd": "usd", "us$": "usd", "€": "eur", "eur": "eur", "£": "gbp", "gbp": "gbp",
            "¥": "cny", "₹": "inr", "rs": "inr", "rs.": "inr"}  # fmt: skip
DIGITS = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[1-9][0-9]{0,2}(?: [0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
POWER_OF_TEN = r"(?:\s*[eE]\s*([+-]?[0-9]+)|\s*(?:\\times|\\cdot|\*|x|X)\s*10\s*(?:\^|\*\*)\s*(?:\{\s*([+-]?\s*[0-9]+)\s*\}|([+-]?[0-9]+)))?"
BEFORE = r"(?P<about>(?:about|approximately|approx\.?|around|roughly|nearly|almost|exactly|only|\\approx|\\sim|~|≈|=)\s*)?(?P<sign>[+-])?\s*(?P<currency>US\$|USD|\$|€|£|¥|₹|Rs\.?)?\s*(?P<sign2>[+-])?\s*"
PLAIN = re.compile(
    BEFORE + rf"(?P<digits>{DIGITS})(?P<power>{POWER_OF_TEN})\s*(?P<rest>.*)", re.DOTALL
)
FRACTION = re.compile(
    BEFORE
    + r"(?:(?P<whole>[0-9]{1,12})\s*(?:\s|and|(?=\\)))?\s*(?:\\frac\s*(?:\{\s*(?P<n1>-?[0-9.]{1,30})\s*\}|(?P<n2>[0-9]))\s*(?:\{\s*(?P<d1>-?[0-9.]{1,30})\s*\}|(?P<d2>[0-9]))"
    r"|(?P<n3>[0-9]{1,30})\s*/\s*(?P<d3>[0-9]{1,30}))\s*(?P<rest>.*)",
    re.DOTALL,
)
TIME = re.compile(
    r"([01]?[0-9]|2[0-4])\s*:\s*([0-5][0-9])(?:\s*:\s*([0-5][0-9]))?\s*(a\.?m\.?|p\.?m\.?|o'?clock)?",
    re.IGNORECASE,
)
SCALE = {
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "mn": 10**6,
    "bn": 10**9,
}
PERCENT = re.compile(r"\\?%|percent(?:age)?(?:\s+points?)?\b|per\s?cent\b|pct\b\.?", re.IGNORECASE)
DEGREE = re.compile(
    r"\^\s*\{?\s*\\circ\s*\}?\s*([CF]\b)?|\\degree|degrees?\b(?:\s+(celsius|fahrenheit|[CF])\b)?|deg\b",
    re.IGNORECASE,
)
WORD_NUMBERS = {**SMALL, "hundred": 100, "none": 0}
MARKS = {"'": "ft", '"': "in", "''": "in"}
NOUN = re.compile(r"[a-z][a-z'\-]+[.,]?|a|/")
CHANGING = frozenset(
    [
        "or",
        "and",
        "less",
        "more",
        "than",
        "plus",
        "minus",
        "times",
        "to",
        "not",
        "between",
        "least",
        "most",
        "greater",
        "fewer",
        "other",
        "by",
        "from",
    ]
)
STATING = re.compile(
    r"(?:^in\b|\b(?:is|are|was|were|be|equals|by|there are|count|see|get|have|has|find)\b|=|(?<=[A-Za-z)]):)\s*"
)


@dataclass(frozen=True)
class Quantity:
    """One number with its dress taken apart.

    Attributes:
        value: Exact value as written, percent sign and unit not applied.
        decimals: Digits after the point as written, 0 for integers; None for a fraction.
        unit: Unit as written, or "" ("apples" is not a unit and is dropped).
        is_percent: A percent sign or word follows.
    """

    value: Fraction
    decimals: int | None
    unit: str = ""
    is_percent: bool = False

    @property
    def significant(self) -> int:
        """Significant digits as written; large for a fraction, which is exact."""
        if self.decimals is None:
            return 99
        return len(str(abs(int(self.value * 10**self.decimals)))) if self.value else 1


@lru_cache(maxsize=16384)
def parse_quantity(text: str) -> Quantity | None:
    r"""The one number that the text states, or None when it states none, several or a formula.

    >>> parse_quantity("$1,234.50").value, parse_quantity("$1,234.50").unit
    (Fraction(2469, 2), 'usd')
    >>> parse_quantity(r"2\frac{1}{2} cm"), parse_quantity("62.5%").is_percent
    (Quantity(value=Fraction(5, 2), decimals=None, unit='cm', is_percent=False), True)
    >>> parse_quantity(r"3 \times 10^{-2}").value, parse_quantity("2x"), parse_quantity("seven").value
    (Fraction(3, 100), None, Fraction(7, 1))
    """
    if text.isdigit() and text.isascii() and len(text) <= MAX_DIGITS:
        return Quantity(Fraction(int(text)), 0)
    if len(text) > 200:
        return None
    bare = undressed(text)
    if bare.startswith("(") and bare.endswith(")") and bare.count("(") == 1:
        bare = bare[1:-1].strip()
    if bare.lower() in WORD_NUMBERS:
        return Quantity(Fraction(WORD_NUMBERS[bare.lower()]), 0)
    return _time(bare) or _fraction(bare) or _plain(bare)


def _plain(text: str) -> Quantity | None:
    match = PLAIN.fullmatch(text)
    if match is None:
        return None
    digits = match["digits"].replace(",", "").replace(" ", "")
    if len(digits) > MAX_DIGITS:
        return None
    exponent_text = next((g for g in match.group(*_POWER_GROUPS) if g), "0").replace(" ", "")
    if len(exponent_text) > 4 or abs(int(exponent_text)) > MAX_EXPONENT:
        return None
    value = Fraction(digits if not digits.endswith(".") else digits[:-1]) * Fraction(10) ** int(
        exponent_text
    )
    point = digits.find(".")
    decimals = max(0, (len(digits) - point - 1 if point >= 0 else 0) - int(exponent_text))
    return _with_rest(match, value, decimals)


_POWER_GROUPS = tuple(
    index for index in range(1, PLAIN.groups + 1) if index not in PLAIN.groupindex.values()
)


def _fraction(text: str) -> Quantity | None:
    if "/" not in text and "frac" not in text:
        return None
    match = FRACTION.fullmatch(text)
    if match is None:
        return None
    try:
        top = Fraction(match["n1"] or match["n2"] or match["n3"])
        bottom = Fraction(match["d1"] or match["d2"] or match["d3"])
    except ValueError:
        return None
    if bottom == 0:
        return None
    whole = int(match["whole"] or 0)
    if match["whole"] and (top < 0 or bottom < 0):
        return None
    return _with_rest(match, whole + top / bottom, None)


def _time(text: str) -> Quantity | None:
    """12:30 as a time of day in minutes; a ratio is not a number of its own."""
    match = TIME.fullmatch(text)
    if match is None:
        return None
    half = (match[4] or "").lower().replace(".", "")
    hours = int(match[1])
    if half == "pm" and hours < 12:
        hours += 12
    if half == "am" and hours == 12:
        hours = 0
    seconds = hours * 3600 + int(match[2]) * 60 + int(match[3] or 0)
    unit = "clock" if half.endswith("m") else "clock12" if 1 <= hours <= 12 else "clock24"
    return Quantity(Fraction(seconds, 60), 0, unit)


def _with_rest(match: re.Match[str], value: Fraction, decimals: int | None) -> Quantity | None:
    """The number with what stands around it: sign, currency, scale word, percent, unit, nouns."""
    if (match["sign"] == "-") != (match["sign2"] == "-"):
        value = -value
    unit = CURRENCY.get((match["currency"] or "").lower(), "")
    rest = match["rest"].strip()
    word = rest.split(" ", 1)[0].lower().rstrip(".,") if rest else ""
    # 5k is five thousand; 5 K is a temperature.
    if rest[:1] == "k" and word == "k" and not match.string[match.start("rest") - 1].isspace():
        word = "thousand"
        rest = "thousand" + rest[1:]
    if word in SCALE:
        value *= SCALE[word]
        rest = rest[len(word) :].strip()
        decimals = 0 if decimals is not None else None
    if not rest:
        return Quantity(value, decimals, unit)
    if rest in MARKS:
        return Quantity(value, decimals, MARKS[rest])
    if percent := PERCENT.match(rest):
        return Quantity(value, decimals, unit, True) if _only_nouns(rest[percent.end() :]) else None
    if degree := DEGREE.match(rest):
        scale = (degree[1] or degree[2] or "")[:1].lower()
        after = rest[degree.end() :].strip()
        return Quantity(value, decimals, "deg" + scale) if _only_nouns(after) else None
    if parse_unit(rest):
        return Quantity(value, decimals, unit or rest)
    if not _only_nouns(rest):
        return None
    first = rest.split(" ")[0].strip("().,")
    return Quantity(
        value, decimals, unit or (first if len(first) > 1 and parse_unit(first) else "")
    )


def _only_nouns(rest: str) -> bool:
    """Whether what follows a number is words that do not change it ("apples", "of them")."""
    rest = rest.strip().strip("().,").strip()
    if not rest:
        return True
    # One letter is a variable (2x, 3 a) and not a noun; operators make a formula.
    words = re.sub(r"^(?:st|nd|rd|th)\b", "", rest).lower().split()
    if len(words) == 1 and len(words[0]) == 1:
        return False
    return (
        len(words) <= 12
        and all(NOUN.fullmatch(word) for word in words)
        and not CHANGING.intersection(words)
    )


def stated_quantity(text: str) -> Quantity | None:
    """The number that a sentence ends in: "the speed is 60 Mbps"; a plain number is itself.

    >>> stated_quantity("so the number is 10 which is 1,000.99").value, stated_quantity("is it 5 or 6")
    (Fraction(100099, 100), None)
    """
    plain = parse_quantity(text)
    if plain is not None or len(text) > 2000:
        return plain
    bare = undressed(text)
    if (spelled := in_digits(bare)) != bare:
        return parse_quantity(spelled)
    for verb in reversed(list(STATING.finditer(bare))):
        if (found := parse_quantity(in_digits(bare[verb.end() :]))) is not None:
            return found
    return None
