"""A Message whose whole JSON body is one instance."""

from collections.abc import Callable, Sequence
from typing import Any

from guard.dialects.layout import BaseMessage, pointer


class SingleInstance(BaseMessage):
    """A Message whose document is its body."""

    once = chosen = False
    searched = True
    named = ""
    free_model = False

    def __init__(self, tree: object, dumps: Callable[[object], bytes], *, stream: bool) -> None:
        self.document, self._dumps, self.stream = tree, dumps, stream
        self.beside: dict[str, Any] = {}

    def write(self, document: Any) -> bytes:
        """Write the document in the layout of the request; see Message."""
        return self._dumps(document)

    def locate(self, path: Sequence[str | int]) -> str:
        """The pointer of a path, unchanged: the document is the body."""
        return pointer(path)
