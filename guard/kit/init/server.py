"""Answers of a model server, and the requests that a source may send."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

from guard.contract.fields import split
from guard.contract.strict import Unreadable, loads
from guard.kit.init.words import line

MOST_ANSWER: Final = 4 << 20
"""Bytes of one answer; an OpenAPI document of a thousand routes has a quarter of them."""


@dataclass(frozen=True)
class ServerAnswer:
    """An answer. `status` 0: none, and `why` says what happened instead."""

    status: int
    body: bytes = b""
    why: str = ""

    @property
    def fine(self) -> bool:
        """Whether it answered, and with success."""
        return 200 <= self.status < 300

    @cached_property
    def document(self) -> Any:
        """The JSON it is; None where it is none that every reader reads alike, or where it is no success."""
        return self.json if self.fine else None

    @cached_property
    def json(self) -> Any:
        """The JSON it is, of whatever status."""
        try:
            return loads(self.body, nan=True, elements=len(self.body))
        except (Unreadable, RecursionError):
            return None

    @property
    def text(self) -> str:
        """The beginning of the text, on one line."""
        return line(self.body[:400].decode("utf-8", "replace"))


class Server(Protocol):
    """A model server that can be asked. Answers are kept: asking again costs nothing."""

    def get(self, path: str) -> ServerAnswer:
        """GET a path."""

    def post(self, path: str, body: bytes) -> ServerAnswer:
        """POST JSON to a path that only reads."""


def mapping(value: Any) -> dict[str, Any]:
    """The value, where it is a mapping; else an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """The value, where it is a list; else an empty one."""
    return value if isinstance(value, list) else []


def answering(server: Server, *paths: str) -> dict[str, str]:
    """The paths that answer with success, as passthrough routes."""
    answers = {path: server.get(path) for path in paths}
    return {f"GET {path}": f"answered {answer.status}" for path, answer in answers.items() if answer.fine}


def pointed(document: Any, reference: str) -> Any:
    """The target of a reference such as `#/components/…` in its document; None if there is none."""
    for part in split(reference.removeprefix("#")):
        document = mapping(document).get(part)
    return document
