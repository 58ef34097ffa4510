"""Shapes of the admin API's answers. The operators' commands check an answer before they use a value of it.

A shape is a type, a tuple of types, a mapping of the members that are used to their shapes, a list of the shape of all
elements, or `Each` of the shape of all members. More members than these are fine: a newer guard has them.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

MOST_BYTES: Final = 16 << 20
"""Highest size of an answer, in bytes."""


class Each(NamedTuple):
    """An object whose members all have one shape, whatever their names."""

    shape: Any


TEXT: Final = (str, type(None))
NUMBER: Final = (int, float)
ORDER: Final = {"until": TEXT, "who": TEXT, "reason": TEXT}
SHAPES: Final[Mapping[str, Any]] = {
    "/status": {
        "answers_now": TEXT, "shares": Each(NUMBER), "answers": int, "mode": str, "since": TEXT, **ORDER, "epoch": int,
        "durable": bool, "back": TEXT, "owner": (dict, type(None)), "release": (dict, type(None)), "guard": str,
        "policy": {"service": str, "digest": str, "ok": bool, "errors": [str]},
        "routes": [{"route": str, "mode": str, "why": TEXT, "breakers": Each({"state": str, "forced": str})}],
    },
    "/labels": {"results": [str]},
    "/quality": {"state": str, "outcomes": Each(int), "targets": [dict], "versions": [dict]},
    "/mode": {"epoch": int, "mode": str, "route": TEXT, "durable": bool, "cut": int},
    "/monitor": {
        "on": bool, "waiting": [str],
        "routes": [
            {
                "route": str, "requests": int, "evidence": NUMBER, "threshold": NUMBER, "expected_until": TEXT,
                "alarm": (dict, type(None)),
                "signals": [
                    {"signal": str, "stage": str, "evidence": NUMBER, "effect": NUMBER, "psi": NUMBER,
                     "window_rows": NUMBER, "reference_rows": NUMBER}
                ],
            }
        ],
    },
    "/monitor/order": {"route": str, "order": str, "expected_until": TEXT},
    "/enforcement": {"epoch": int, "durable": bool},
    "/breakers": {"epoch": int, "durable": bool},
    "/audit": {"entries": [{"at": str, "who": str, "what": str, "from": TEXT, "to": TEXT, "why": TEXT}]},
}  # fmt: skip
"""Shapes by path, without its query. Any object fits a path that is not listed."""
PROBLEM: Final = {"code": str}


def fits(value: object, shape: Any) -> bool:
    """Whether a document can be used as this shape says."""
    if isinstance(shape, Each):
        return isinstance(value, dict) and all(fits(member, shape.shape) for member in value.values())
    if isinstance(shape, Mapping):
        return isinstance(value, dict) and all(
            name in value and fits(value[name], wanted) for name, wanted in shape.items()
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(element, shape[0]) for element in value)
    types = shape if isinstance(shape, tuple) else (shape,)
    return isinstance(value, types) and not (isinstance(value, bool) and bool not in types)


def is_answer(path: str, status: int, document: object) -> bool:
    """Whether the admin API answered: to a path, with a status."""
    if status != 200:
        return fits(document, PROBLEM)
    return fits(document, SHAPES.get(path.partition("?")[0], {}))


def printable(text: object) -> str:
    """A text of another service, without what steers a terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in str(text))[:500]
