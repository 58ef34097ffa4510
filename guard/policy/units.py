"""Words of units: a misspelled one is found by the known one beside it.

A unit is documentation, and a service may count in what it likes (`grey levels`). So a word that resembles no known unit is
taken as it stands; one that nearly is a known unit is a slip. Sources: the SI Brochure (BIPM), and units used beside it.
"""

import re
from difflib import get_close_matches
from functools import cache
from typing import Final

PREFIXES: Final = (
    "", "quetta", "ronna", "yotta", "zetta", "exa", "peta", "tera", "giga", "mega", "kilo", "hecto", "deca", "deci",
    "centi", "milli", "micro", "nano", "pico", "femto", "atto", "kibi", "mebi", "gibi", "tebi",
)  # fmt: skip
PREFIXED: Final = (
    "gram", "meter", "metre", "liter", "litre", "second", "ampere", "kelvin", "mole", "candela", "hertz", "newton",
    "pascal", "joule", "watt", "coulomb", "volt", "farad", "ohm", "siemens", "weber", "tesla", "henry", "lumen",
    "lux", "becquerel", "gray", "sievert", "katal", "bit", "byte", "radian", "calorie", "electronvolt", "molar",
)  # fmt: skip
ALONE: Final = (
    "minute", "hour", "day", "week", "fortnight", "month", "quarter", "year", "decade", "century", "inch", "inches",
    "foot", "feet", "yard", "mile", "hectare", "acre", "tonne", "ton", "ounce", "pound", "stone", "gallon", "pint",
    "barrel", "fahrenheit", "celsius", "degree", "percent", "percentage", "permille", "ratio", "fraction",
    "probability", "dimensionless", "count", "item", "piece", "point", "pixel", "token", "character", "word",
    "request", "person", "people", "bar", "millibar", "atmosphere", "decibel", "knot", "revolution", "turn", "dozen",
    "score", "index", "euro", "dollar", "cent", "yen", "franc", "centuries", "henries", "mil", "grad",
)  # fmt: skip
SYMBOLS: Final = (
    "kg", "mg", "Mg", "µg", "km", "kWh", "MWh", "GWh", "kW", "Hz", "kHz", "MHz", "GHz", "dB", "mL", "ml", "dL", "dl",
    "kPa", "hPa", "KiB", "MiB", "GiB", "mmol", "mmHg",
)  # fmt: skip
"""Symbols that are no other unit in other case, as mM and mm are."""
SHORTEST: Final = 4
"""Letters of a word that may be a slip; shorter ones are symbols and currencies."""
NEAR: Final = 0.85
"""Likeness (difflib) from which a word is taken for a slip: one letter of seven."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_SQUARES: Final = str.maketrans("²³μ", "  µ")


@cache
def _known() -> dict[str, str]:
    words = {f"{prefix}{unit}" for prefix in PREFIXES for unit in PREFIXED} | set(ALONE)
    words |= {f"{word}s" for word in words} | {"per", "square", "cubic"}
    return {word.casefold(): word for word in words}


def misspelled(unit: str) -> str:
    """The unit with each misspelled word replaced by the known one; empty if no word seems to be misspelled."""

    def corrected(match: re.Match[str]) -> str:
        word = match[0]
        known = _known()
        if word in SYMBOLS or word.casefold() in known:
            return word
        if symbol := next((symbol for symbol in SYMBOLS if symbol.casefold() == word.casefold()), ""):
            return symbol
        near = get_close_matches(word.casefold(), known, n=1, cutoff=NEAR) if len(word) >= SHORTEST else []
        return known[near[0]] if near else word

    plain = unit.translate(_SQUARES)
    written = _WORD.sub(corrected, plain)
    return "" if written == plain else written
