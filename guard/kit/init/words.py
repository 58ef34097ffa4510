"""Text of strangers, made fit for a comment, a YAML scalar, a path, a name."""

import re
import unicodedata
from typing import Any, Final
from urllib.parse import quote

from guard.policy import typed
from guard.policy.document import Text
from guard.policy.errors import Place
from guard.policy.routes import RouteInvalid, template

MOST_NAME: Final = 200
"""Characters of a field's name; YAML ends a key at 1,024."""

MOST_KEY: Final = 400
"""Characters of a route's key, encoded."""

_PLAIN: Final = re.compile(
    r"(?:[A-Za-z_/][A-Za-z0-9_./*-]*(?: [A-Za-z0-9_./(-][A-Za-z0-9_./()*-]*)*|[0-9]{1,6}(?:s|m|MiB)|https?://[a-z0-9.-]+(?::[0-9]+)?)\Z",
    re.ASCII,
)
_TRUTHY: Final = frozenset(("y", "n", "yes", "no", "on", "off"))
"""Text to YAML 1.2 and to guard, a boolean to readers of YAML 1.1."""
_UNRESERVED: Final = "-._~!$&'()+,=:@"
_NOTHING: Final = Place("")


def line(text: object, most: int = 100) -> str:
    """A text on one printable line of limited length, with `?` for unprintable characters, so that no escape gets out."""
    flat = " ".join(str(text)[: most * 8].split())
    clean = "".join(character if character.isprintable() else "?" for character in flat)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def nameable(name: object) -> bool:
    """Whether it can be the name of a field: text, not empty, not endless, and UTF-8 has it."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= MOST_NAME
        and not any(unicodedata.category(character) == "Cs" for character in name)
    )


def scalar(value: Any) -> str:
    """A value in YAML 1.2 core, as the policy reads it: text that could be taken for anything else is quoted."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case int() | float():
            return repr(value)
    text = str(value)
    if _PLAIN.match(text) and text.lower() not in _TRUTHY and isinstance(typed.plain(Text.at(text, _NOTHING)), str):
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """A text in quotes, with unprintable characters escaped."""
    if text.isprintable() and "'" not in text:
        return f"'{text}'"
    escaped = "".join(
        character if character.isprintable() and character not in '"\\' else f"\\U{ord(character):08x}"
        for character in text
    )
    return f'"{escaped}"'


def flow(value: Any) -> str:
    """A mapping or list on one line."""
    match value:
        case dict():
            return "{" + ", ".join(f"{scalar(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def route(method: str, prefix: str, name: str, suffix: str = "") -> str | None:
    """The key of a route whose path holds a server's own name; None where no route can be called so.

    What clients leave as it is in a path (RFC 3986 §3.3) stays, the rest is percent-encoded in UTF-8.
    """
    if not nameable(name):
        return None
    key = f"{method} {prefix}{quote(name, safe=_UNRESERVED)}{suffix}"
    if len(key) > MOST_KEY:
        return None
    try:
        template(key)
    except RouteInvalid:
        return None
    return key


def slug(text: object) -> str:
    """A name of a service; empty where nothing of the text can be one."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", str(text)[:200], flags=re.ASCII).strip("-._")
    return cleaned[:64].rstrip("-._")


def counted(count: int, noun: str) -> str:
    """`1 input`, `3 inputs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
