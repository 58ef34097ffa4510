"""A Message whose body is JSON and one instance as a whole."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from guard.dialects.layout import pointer
from guard.proxy.values import Asks, Field


class Whole:
    """The document is the body."""

    once = chosen = False
    named = ""
    free_model = False

    def __init__(self, tree: object, dumps: Callable[[object], bytes], *, stream: bool) -> None:
        self.document, self._dumps, self.stream = tree, dumps, stream

    def write(self, document: Any) -> bytes:
        """See Message."""
        return self._dumps(document)

    def headers(self, body: bytes) -> Mapping[bytes, bytes | None]:
        """None of its own."""
        del body
        return {}

    def asks(self, outputs: Mapping[str, Field]) -> Asks | None:
        """All of them."""
        del outputs
        return None

    def locate(self, path: Sequence[str | int]) -> str:
        """Where it is."""
        return pointer(path)
