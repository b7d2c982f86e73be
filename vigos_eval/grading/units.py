"""Units of measure: spelled forms, dimension and size, so that 5 cm is not 5 m. No parsing of numbers."""

from __future__ import annotations

import re
from functools import lru_cache

# dimension -> {canonical: (size in the dimension's base unit, other spellings)}
_TABLE: dict[str, dict[str, tuple[float, str]]] = {
    "length": {
        "m": (1.0, "meter metre meters metres"), "cm": (0.01, "centimeter centimetre centimeters centimetres cms"),
        "mm": (0.001, "millimeter millimetre millimeters millimetres"), "dm": (0.1, "decimeter decimetre decimeters decimetres"),
        "km": (1000.0, "kilometer kilometre kilometers kilometres kms"), "um": (1e-6, "micrometer micrometers micron microns"),
        "nm": (1e-9, "nanometer nanometers"), "in": (0.0254, "inch inches"), "ft": (0.3048, "foot feet"),
        "yd": (0.9144, "yard yards yds"), "mi": (1609.344, "mile miles"),
    },
    "mass": {
        "kg": (1.0, "kilogram kilograms kgs kilo kilos"), "g": (0.001, "gram grams gm gms"), "mg": (1e-6, "milligram milligrams"),
        "t": (1000.0, "ton tons tonne tonnes"), "lb": (0.45359237, "pound pounds lbs"), "oz": (0.028349523125, "ounce ounces"),
    },
    "time": {
        "s": (1.0, "sec secs second seconds"), "ms": (0.001, "millisecond milliseconds"), "min": (60.0, "minute minutes mins"),
        "h": (3600.0, "hour hours hr hrs"), "day": (86400.0, "days"), "week": (604800.0, "weeks"),
        "month": (2629800.0, "months"), "year": (31557600.0, "years yr yrs"),
    },
    "volume": {"l": (0.001, "liter litre liters litres"), "ml": (1e-6, "milliliter millilitre milliliters millilitres"),
               "gallon": (0.003785411784, "gallons gal")},
    "angle": {"deg": (1.0, "degree degrees"), "rad": (57.29577951308232, "radian radians")},
    "temperature_c": {"degc": (1.0, "celsius °c")},
    "temperature_f": {"degf": (1.0, "fahrenheit °f")},
    "temperature_k": {"k": (1.0, "kelvin kelvins")},
    "force": {"n": (1.0, "newton newtons"), "kn": (1000.0, "kilonewton kilonewtons"), "kip": (4448.2216, "kips")},
    "energy": {"j": (1.0, "joule joules"), "kj": (1000.0, "kilojoule kilojoules"), "cal": (4.184, "calorie calories"),
               "kcal": (4184.0, ""), "ev": (1.602176634e-19, ""), "kwh": (3.6e6, "")},
    "power": {"w": (1.0, "watt watts"), "kw": (1000.0, "kilowatt kilowatts"), "mw": (1e6, "megawatt megawatts"), "hp": (745.7, "horsepower")},
    "pressure": {"pa": (1.0, "pascal pascals"), "kpa": (1000.0, "kilopascal kilopascals"), "mpa": (1e6, "megapascal megapascals"),
                 "bar": (1e5, "bars"), "atm": (101325.0, ""), "psi": (6894.757, "")},
    "voltage": {"v": (1.0, "volt volts"), "mv": (0.001, "millivolt millivolts"), "kv": (1000.0, "kilovolt kilovolts")},
    "current": {"a": (1.0, "amp amps ampere amperes"), "ma": (0.001, "milliamp milliamps milliampere")},
    "resistance": {"ohm": (1.0, "ohms omega"), "kohm": (1000.0, "kiloohm kiloohms")},
    "frequency": {"hz": (1.0, "hertz"), "khz": (1000.0, ""), "mhz": (1e6, ""), "ghz": (1e9, "")},
    "money": {"usd": (1.0, "$ dollar dollars"), "cent": (0.01, "cents ¢")},
    "euro": {"eur": (1.0, "€ euro euros")},
    "sterling": {"gbp": (1.0, "£ sterling")},
    "yuan": {"cny": (1.0, "¥ yuan rmb")},
    "rupee": {"inr": (1.0, "₹ rupee rupees rs")},
}  # fmt: skip
_POWER_WORDS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cubed": 3}
_SPELLED: dict[str, tuple[str, float]] = {}
for _dimension, _units in _TABLE.items():
    for _name, (_size, _others) in _units.items():
        for _spelling in (_name, *_others.split()):
            _SPELLED[_spelling] = (_dimension, _size)

# Symbols whose case tells two units apart; looked up before the case-folded table.
_CASED = {"mW": ("power", 1e-3), "MW": ("power", 1e6), "mPa": ("pressure", 1e-3), "MPa": ("pressure", 1e6),
          "MV": ("voltage", 1e6), "Mg": ("mass", 1e3), "M": ("molarity", 1.0)}  # fmt: skip
_FACTOR = re.compile(r"([A-Za-z°€£¥₹¢$]+)(?:\s*\^?\s*\{?(-?[0-9])\}?)?")
_PER = {"mph": "mi/h", "kph": "km/h", "kmh": "km/h", "kmph": "km/h", "fps": "ft/s"}
_SHORT = re.compile(rf"\b(?:{'|'.join(_PER)})\b", re.IGNORECASE)
TOKEN = re.compile(r"/|\bper\b|[A-Za-z°€£¥₹¢$]+(?:\s*\^\s*-?[0-9]|[0-9])?")
PUNCTUATION = re.compile(r"[\s*·().\-]*")

Unit = tuple[tuple[tuple[str, int], ...], float]
"""Dimensions with their powers, sorted, and the size in base units."""


@lru_cache(maxsize=4096)
def parse_unit(text: str) -> Unit | None:
    """The unit that the text spells, or None when it is not a known unit ("apples", "").

    >>> parse_unit("cm"), parse_unit("square feet")[0], parse_unit("apples")
    (((('length', 1),), 0.01), (('length', 2),), None)
    >>> parse_unit("m/s")[0]
    (('length', 1), ('time', -1))
    """
    text = text.strip().strip(".").replace("\\", " ").replace("{", "").replace("}", "")
    if not text or len(text) > 60:
        return None
    powers: dict[str, int] = {}
    size = 1.0
    sign = 1
    pending = 1
    text = _SHORT.sub(lambda match: _PER[match[0].lower()], text.replace("cdot", " "))
    if PUNCTUATION.fullmatch(TOKEN.sub("", text)) is None:
        return None
    for token in TOKEN.findall(text):
        if token in ("/", "per"):
            sign = -1
            continue
        match = _FACTOR.fullmatch(token)
        if match is None:
            return None
        word = match[1]
        if word.lower() in _POWER_WORDS:
            power = _POWER_WORDS[word.lower()]
            if word.lower() in ("squared", "cubed") and powers:
                last = next(reversed(powers))
                size *= (size ** (power - 1)) if len(powers) == 1 else 1.0
                powers[last] *= power
            else:
                pending = power
            continue
        known = _CASED.get(word) or _SPELLED.get(word.lower())
        if known is None:
            return None
        power = int(match[2] or 1) * pending * sign
        pending = 1
        powers[known[0]] = powers.get(known[0], 0) + power
        size *= known[1] ** power
    if not powers:
        return None
    if powers == {"volume": 1}:
        powers = {"length": 3}  # a litre is a cubic decimetre, size already in cubic metres
    return tuple(sorted(powers.items())), size


def unit_factor(from_unit: str, to_unit: str) -> float | None:
    """What a value in one unit is multiplied by to be in the other; None when they do not compare.

    >>> unit_factor("m", "cm"), unit_factor("kg", "cm")
    (100.0, None)
    """
    left, right = parse_unit(from_unit), parse_unit(to_unit)
    if left is None or right is None or left[0] != right[0]:
        return None
    return left[1] / right[1]


_ASKED = re.compile(
    r"\b(?:in|how many|number of|to the nearest)\s+(?:an?\s+|the\s+)?((?:square|cubic|sq)?\s*[A-Za-z]+(?:\s*(?:\^\s*[23]|/\s*[A-Za-z]+))?)"
)


@lru_cache(maxsize=4096)
def asked_unit(question: str) -> str:
    """The unit a question fixes ("how many metres", "in cm"), or "" when it names none or several.

    >>> asked_unit("How long is the rope in cm?"), asked_unit("How many apples are in the box?")
    ('cm', '')
    """
    found = []
    for match in _ASKED.findall(question[:4000]):
        words = match.split()
        for candidate in (match.strip(), words[0]):
            # "in a", "in s": one letter is as often a name of something in the figure.
            if len(candidate) > 1 and candidate.lower() != "in" and parse_unit(candidate):
                found.append(candidate)
                break
    units = {parse_unit(unit) for unit in found}
    return found[0] if len(units) == 1 else ""
