"""A Message whose body is JSON and one instance as a whole."""

from collections.abc import Callable, Sequence
from typing import Any

from guard.dialects.layout import BaseMessage, pointer


class SingleInstance(BaseMessage):
    """The document is the body."""

    once = chosen = False
    searched = True
    named = ""
    free_model = False

    def __init__(self, tree: object, dumps: Callable[[object], bytes], *, stream: bool) -> None:
        self.document, self._dumps, self.stream = tree, dumps, stream
        self.beside: dict[str, Any] = {}

    def write(self, document: Any) -> bytes:
        """See Message."""
        return self._dumps(document)

    def locate(self, path: Sequence[str | int]) -> str:
        """Where it is."""
        return pointer(path)
