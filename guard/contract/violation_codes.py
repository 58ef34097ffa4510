"""The codes of violations, a row each: the meaning for the client that sent the value, and the errors with that code.

A new code is a row here and its name in the closed list of `guard/proxy/values/words.py`; docs/runbook.md has a row for
operators.
"""

from typing import Final, NamedTuple

from guard.proxy.values import ViolationCode


class Code(NamedTuple):
    """One violation code: its meaning, and the errors, keywords and keys that map to it."""

    meaning: str
    """One sentence that explains the code to clients."""
    errors: tuple[str, ...] = ()
    """Error types of pydantic-core that become this code."""
    keywords: tuple[str, ...] = ()
    """Keywords of JSON Schema whose breach has this code."""
    keys: tuple[str, ...] = ()
    """Keys of a declared field whose breach has this code."""


CODES: Final[dict[ViolationCode, Code]] = {
    "missing": Code("A required value is not there.", ("missing",), ("required", "dependentRequired")),
    "null": Code("Null, where a value is required."),
    "type": Code(
        "The value has another type; a number in quotes is a string.",
        ("integer_type", "int_type", "epoch_type", "float_type", "string_type", "string_unicode", "bool_type", "list_type",
         "dict_type", "mapping_type", "tuple_type"),
        ("type",),
    ),
    "enum": Code("Not one of the values that are allowed.", ("literal_error",), ("enum", "const"), ("enum",)),
    "min": Code("Below the least value.", ("greater_than_equal",), ("minimum", "exclusiveMinimum"), ("min",)),
    "max": Code("Above the greatest value.", ("less_than_equal",), ("maximum", "exclusiveMaximum"), ("max",)),
    "multiple_of": Code("Not a multiple of the step that numbers have here.", (), ("multipleOf",)),
    "length": Code(
        "Text that is too short or too long.",
        ("string_too_short", "string_too_long"), ("minLength", "maxLength"), ("min_length", "max_length"),
    ),
    "pattern": Code("Text that does not match the pattern.", ("string_pattern_mismatch",), ("pattern",), ("pattern",)),
    "format": Code(
        "Not a date-time of RFC 3339, or not in the format of the content type.", ("timestamp",), ("format",)
    ),
    "offset": Code("A time without its offset from UTC, and no `zone` in the contract: add `Z` or one such as `+02:00`."),
    "encoding": Code("CSV that is not UTF-8."),
    "items": Code(
        "Too few or too many items; an empty list of instances too.",
        ("too_short", "too_long"), ("minItems", "maxItems", "uniqueItems", "contains"), ("min_items", "max_items"),
    ),
    "rows": Code("More instances than the model takes at once: send them in several requests."),
    "shape": Code(
        "An object where a list belongs, or the other way round; a row or tensor of another length.",
        ("shape",), (), ("shape",),
    ),
    "unknown": Code(
        "A member that is not declared.",
        ("extra_forbidden",), ("additionalProperties", "unevaluatedProperties", "propertyNames"),
    ),
    "not_finite": Code("NaN or infinity.", ("finite_number",)),
    "stale": Code("A time that is too long ago."),
    "future": Code("A time that is too far ahead."),
}  # fmt: skip

BY_ERROR: Final[dict[str, ViolationCode]] = {error: name for name, code in CODES.items() for error in code.errors}
BY_KEYWORD: Final[dict[str, ViolationCode]] = {word: name for name, code in CODES.items() for word in code.keywords}
"""The code of each JSON Schema keyword; any other keyword becomes `shape`."""
BY_KEY: Final[dict[str, ViolationCode]] = {key: name for name, code in CODES.items() for key in code.keys}
