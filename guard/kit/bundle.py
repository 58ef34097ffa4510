"""Redaction for bug reports: documents of a running guard and of its policy, without secrets and without values.

Here: pure functions that redact. Whoever gathers the documents is `guard.cli.debug`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from guard.privacy.detectors import DETECTORS, compile_detectors

LEFT_OUT: Final = "[left out]"
WORDS_OF_PEOPLE: Final = frozenset(
    {"who", "reason", "why", "actor", "owner", "owners", "team", "page", "contact", "approved_by", "back", "cells"}
)
"""Members that hold names and free text of operators, or counts by value, whatever document they stand in."""
VALUES: Final = frozenset(
    {"default", "example", "enum", "answer", "when", "pattern", "min", "max", "expect", "webhooks", "configuration"}
)
"""Keys of a policy that hold values of fields, expressions over them, or addresses that are secrets themselves."""
BELOW: Final[Mapping[str, frozenset[str]]] = {"fallback": frozenset({"body"})}
"""Further members that are hidden below a key; elsewhere `body` is a time limit."""
CONTEXT: Final = frozenset({"time", "level", "event", "code", "route", "place", "task", "version", "policy", "source"})
"""Members of a logged event that are words of guard's own or of the policy."""
REQUESTS: Final = frozenset({"request", "exchange"})
"""Events that tell of one request; they may hold fields with `log: true`."""
_DIGEST: Final = re.compile(r"(sha256:)?[0-9a-f]{12,64}\Z|urn:guard:[\w:]+\Z|guard/[\w/-]+\Z", re.ASCII)
_BY_VALUE: Final = re.compile(r"(# (HELP|TYPE) )?guard_(prediction|quality|expected|feature|segment)")
_STALLS: Final = ("guard_loop_", "guard_task_", "guard_subscriber_")
_scrub: Final = compile_detectors(tuple(DETECTORS))


def document(value: Any, hidden: frozenset[str] = WORDS_OF_PEOPLE) -> Any:
    """A document without the members that are hidden, and with every other text searched for private data."""
    if isinstance(value, Mapping):
        return {
            str(name): LEFT_OUT
            if name in hidden and item not in (None, {}, [], "")
            else document(item, hidden | BELOW.get(name, frozenset()))
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [document(item, hidden) for item in value]
    return text(value) if isinstance(value, str) else value


def policy(tree: Any) -> Any:
    """A resolved policy: names, types, limits and places of secrets. No value of a field, no person, no webhook."""
    return document(tree, VALUES | WORDS_OF_PEOPLE)


def text(value: str) -> str:
    """A text without private data. A URL keeps its scheme, host, port and path."""
    if _DIGEST.match(value):
        return value
    if value.startswith(("http://", "https://")):
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    try:
        return _scrub(value)[0]
    except Exception:  # noqa: BLE001 — a text that cannot be searched is left out
        return LEFT_OUT


def metrics(page: str) -> str:
    """A page of metrics without the series that count answers by value, or measure them."""
    return "".join(f"{line}\n" for line in page.splitlines() if not _BY_VALUE.match(line))


def stalls(page: str) -> str:
    """The lines of a page of metrics about stalls, tasks that ended and errors of the loop."""
    return "".join(f"{line}\n" for line in page.splitlines() if line.startswith(_STALLS) and "_bucket{" not in line)


def events(lines: Iterable[str], read: Callable[[str], Any], most: int) -> list[dict[str, Any]]:
    """The last events of a log, with only those members that are words of guard's own."""
    kept: list[dict[str, Any]] = []
    for line in lines:
        try:
            event = read(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str) and event["event"] not in REQUESTS:
            kept.append(document({name: item for name, item in event.items() if name in CONTEXT}))
    return kept[-most:]
