"""One-word answers: our comparison (`same_word`) and ViLP's official one (`vilp_rule`)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from vigos_eval.grading.spelled import SMALL, in_digits
from vigos_eval.grading.surface import folded, undressed

if TYPE_CHECKING:
    import inflect

# ViLP's comparison reads so many number words.
TO_DIGITS = {word: str(value) for word, value in SMALL.items() if value <= 20}

# Words that ViLP's official comparison takes for the same (spec of the benchmark, ViLP/ViLP).
VILP_GROUPS = (
    "refrigerator fridge", "stove fireplace oven", "alligator crocodile", "porpoise dolphin", "automobile car",
    "nyc new_york new_york_city", "la los_angeles", "usa united_states", "co2 carbon_dioxide", "tortoise turtle",
    "motorbike motorcycle", "bike bicycle", "cellphone telephone phone", "pc computer", "tv television", "tap faucet",
    "aeroplane plane airplane", "boat sailboat ship", "sphere circle spherical circular round",
    "cuboid cubic square cube", "man woman men women people person", "rooster chicken", "raven crow",
    "squid octopus", "ocean underwater sea", "steel metal", "kitten cat", "dots spots", "donut torus",
)  # fmt: skip
VILP_SAME = {
    word.replace("_", " "): group.split()[0] for group in VILP_GROUPS for word in group.split()
}

# Ours: spellings and abbreviations of one thing. Things that only look alike in a picture
# (kitten and cat, square and cube) are not equal to us.
SAME_GROUPS = (
    "refrigerator fridge", "automobile car", "nyc new_york new_york_city", "la los_angeles",
    "usa us united_states united_states_of_america america", "uk united_kingdom great_britain britain", "uae united_arab_emirates",
    "co2 carbon_dioxide", "h2o water", "o2 oxygen", "motorbike motorcycle", "bike bicycle", "cellphone cell_phone mobile_phone phone telephone smartphone",
    "pc computer", "tv television", "tap faucet", "aeroplane plane airplane", "donut doughnut", "grey gray", "colour color",
    "sphere spherical", "circle circular", "yes true", "no false", "sofa couch", "hippo hippopotamus", "rhino rhinoceros",
    "math mathematics maths", "aluminium aluminum", "tyre tire", "fall autumn", "centre center", "mom mother", "dad father",
)  # fmt: skip
SAME = {word.replace("_", " "): group.split()[0] for group in SAME_GROUPS for word in group.split()}
ARTICLES = re.compile(r"^(?:an?|the|some|its|it is|it's|they are|this is)\s+")
LEAD = re.compile(r"^(?:the\s+)?(?:correct\s+|final\s+)?answer\s*(?:is|:)\s*")


@lru_cache(maxsize=1)
def _inflections() -> inflect.engine:
    # Imported at the first word that needs it: it costs 0.3 s.
    import inflect

    return inflect.engine()


@lru_cache(maxsize=16384)
def word_form(text: str) -> str:
    """The form under which two words are the same: case, accents, article, number, plural.

    >>> word_form("The Doughnuts."), word_form("twenty-one"), word_form("NYC")
    ('donut', '21', 'nyc')
    """
    word = _base_form(text)
    return SAME.get(_singular(word), _singular(word))


@lru_cache(maxsize=16384)
def _base_form(text: str) -> str:
    """`word_form` but for the plural."""
    word = LEAD.sub("", folded(text))
    while (shorter := ARTICLES.sub("", word)) != word:  # "it is a cat"
        word = shorter
    return _spelled_number(word) or SAME.get(word, word)


def same_word(gold: str, answer: str) -> bool:
    """Whether two short answers are the same word.

    >>> same_word("cats", "a cat"), same_word("kitten", "cat"), same_word("seven", "7")
    (True, False, True)
    """
    left, right = _base_form(gold), _base_form(answer)
    if not right or left == right:
        return bool(right)
    if left.replace(" ", "") == right.replace(" ", ""):
        # ice cream, icecream; but "c a t" spells something else than an answer.
        return any(len(part) > 1 for part in left.split()) and any(
            len(part) > 1 for part in right.split()
        )
    if left in _names_of_plural(right) or right in _names_of_plural(left):
        return True
    return _may_be_plural(left, right) and word_form(gold) == word_form(answer)


def _names_of_plural(word: str) -> set[str]:
    """What a word with an "s" is another name of: "televisions" of "tv"."""
    return {SAME[one] for one in (word[:-1], word[:-2]) if word.endswith("s") and one in SAME}


def _may_be_plural(left: str, right: str) -> bool:
    """Whether two words can be forms of one: a cheap look before inflect is imported and asked."""
    return left[:1] == right[:1] and abs(len(left) - len(right)) <= 4


def vilp_rule(gold: str, answer: str) -> bool:
    """ViLP's official comparison: lower case, no ".", numbers, synonyms, singular, equality.

    Source: ViLP/ViLP's evaluation as the benchmark's description lists it. Its synonyms are looser
    than ours: any person is any person, a square is a cube.

    >>> vilp_rule("Fridge", "refrigerator."), vilp_rule("seven", "7"), vilp_rule("cat", "dog")
    (True, True, False)
    """
    left, right = _vilp_form(gold), _vilp_form(answer)
    if not right or left == right:
        return bool(right)
    return VILP_SAME.get(_singular(left), _singular(left)) == VILP_SAME.get(
        _singular(right), _singular(right)
    )


@lru_cache(maxsize=16384)
def _vilp_form(text: str) -> str:
    word = undressed(text).lower().replace(".", "").strip()
    word = TO_DIGITS.get(word, word)
    return VILP_SAME.get(word, word)


@lru_cache(maxsize=16384)
def _singular(word: str) -> str:
    """The singular of the last word; the word itself when it is none of letters."""
    head, _, last = word.rpartition(" ")
    if (
        len(last) < 3
        or not last.isalpha()
        or not last.isascii()
        or last.endswith(("ss", "us", "is"))
    ):
        return word
    if not last.endswith(("s", "i", "a", "en", "e", "ice", "eet", "eeth")):
        return word
    one = _inflections().singular_noun(last)
    return f"{head} {one}".strip() if isinstance(one, str) else word


def _spelled_number(word: str) -> str | None:
    """Digits for "seven", "twenty-one", "3.0"; None for anything else."""
    if (digits := in_digits(word)).isdigit() and len(digits) <= 15:
        return str(int(digits))
    if re.fullmatch(r"[0-9]{1,15}\.0+", word):
        return str(int(word.split(".")[0]))
    return None
