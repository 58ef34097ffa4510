"""Server-sent events on their way to a client: read as they pass, whole events only, so that an early end is well-formed.

Source: WHATWG HTML §9.2. Lines end in LF, CR or CRLF; an empty one ends an event; `data:` lines join.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from guard.proxy.values import Headers, Said, Usage

MOST: Final = 1 << 20
"""Bytes of one event that are held back; a longer one passes unread."""
_END: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE: Final = re.compile(rb"\r\n|\n|\r")


def is_events(headers: Headers) -> bool:
    """Whether an answer with this head is a stream of events."""
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    coded = any(name == b"content-encoding" and value != b"identity" for name, value in headers)
    return kind.partition(b";")[0].strip().lower() == b"text/event-stream" and not coded


class Heard:
    """What a stream said so far."""

    def __init__(self) -> None:
        self.version, self.finish = "", ""
        self.input_tokens = self.output_tokens = self.pieces = 0
        self.now = self.first_at = self.last_at = 0.0

    def piece(self) -> None:
        """An event carried output."""
        self.pieces += 1
        self.first_at, self.last_at = self.first_at or self.now, self.now

    def said(self, document: object, operation: str) -> Said:
        """As an answer."""
        usage = Usage(
            operation, self.input_tokens, self.output_tokens, self.finish, self.first_at, self.last_at, self.pieces
        )
        return Said(document, self.version, usage)


class Events:
    """Listening: `hear` is told of each event that is a JSON object, and answers whether it is not for the client.

    `problem` makes the object of a closing event.
    """

    def __init__(
        self,
        hear: Callable[[dict[str, Any], Heard], bool],
        problem: Callable[[str], Mapping[str, object]],
        operation: str,
    ) -> None:
        self._hear, self._problem, self._operation = hear, problem, operation
        self._pending = b""
        self._torn = False  # a part of an event went out: nothing well-formed can follow it
        self._heard = Heard()

    def feed(self, chunk: bytes, now: float) -> bytes:
        """See Inspector. What is not a whole event yet waits."""
        pending = self._pending + chunk if self._pending else chunk
        last = kept = 0
        passed = b""
        self._heard.now = now
        for end in _END.finditer(pending, max(0, len(self._pending) - 3)):
            if self._event(pending[last : end.start()]):
                passed, kept = passed + pending[kept:last], end.end()
            last = end.end()
        if last:
            self._torn = False
        self._pending = pending[last:]
        if len(self._pending) > MOST:
            last, self._pending, self._torn = len(pending), b"", True
        return passed + pending[kept:last]

    def end(self) -> bytes:
        """See Inspector. A last event without its empty line is an event too."""
        rest, self._pending = self._pending, b""
        return b"" if rest and self._event(rest) else rest

    def stop(self, code: str) -> bytes:
        """See Inspector. The event that was on its way is dropped."""
        self._heard.finish = "error"
        return b"" if self._torn else b"data: %b\n\n" % orjson.dumps(self._problem(code))

    @property
    def said(self) -> Said:
        """What was heard."""
        return self._heard.said(None, self._operation)

    def _event(self, text: bytes) -> bool:
        lines = [line for line in _LINE.split(text) if line.startswith(b"data")]
        data = b"\n".join(line[5:].removeprefix(b" ") for line in lines if line[4:5] == b":")
        if not data.startswith(b"{"):
            return False  # a comment, a ping, or [DONE]
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            return False
        return self._hear(event, self._heard)
