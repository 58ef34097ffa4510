"""Reads server-sent events on their way to a client and passes whole events only, so that an early end is well-formed.

Source: WHATWG HTML §9.2. Lines end in LF, CR or CRLF; an empty one ends an event; `data:` lines join. A comment (`: ping`)
is not part of an event: each is passed on with the chunk that completes its line, even inside an event, because proxies
take silence for a dead stream.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from guard.dialects.error_words import object_of
from guard.proxy.values import Headers, ParsedAnswer, Usage

MOST: Final = 1 << 20
"""Most bytes of one event that are held back; a longer event passes unread."""
_END: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE: Final = re.compile(rb"\r\n|\n|\r")
_HEARTBEATS: Final = frozenset((b"ping", b"heartbeat", b"keepalive", b"keep-alive"))
"""Names of events without content."""


def is_events(headers: Headers) -> bool:
    """Whether an answer with this head is a stream of events."""
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    coded = any(name == b"content-encoding" and value != b"identity" for name, value in headers)
    return kind.partition(b";")[0].strip().lower() == b"text/event-stream" and not coded


class StreamFacts:
    """Facts about a stream so far: model version, finish, tokens, pieces, and times in seconds."""

    def __init__(self) -> None:
        self.version, self.finish = "", ""
        self.done = False  # the stream signalled its end
        self.input_tokens = self.output_tokens = self.pieces = 0
        self.now = self.first_at = self.last_at = 0.0

    def piece(self) -> None:
        """Count an event that carried output."""
        self.pieces += 1
        self.first_at, self.last_at = self.first_at or self.now, self.now

    def answer(self, document: object, operation: str) -> ParsedAnswer:
        """The facts as a parsed answer."""
        usage = Usage(
            operation, self.input_tokens, self.output_tokens, self.finish, self.first_at, self.last_at, self.pieces
        )
        return ParsedAnswer(document, self.version, usage)


class Events:
    """A StreamParser. `hear` receives each event that is a JSON object, and returns whether to withhold it.

    `problem` makes the object of a closing event. `ends`: streams of this kind signal their end, by a finish or by [DONE].
    """

    def __init__(
        self,
        hear: Callable[[dict[str, Any], StreamFacts], bool],
        problem: Callable[[str], Mapping[str, object]],
        operation: str,
        *,
        ends: bool = False,
        at_length: Callable[[dict[str, Any]], bytes] = lambda _event: b"",
    ) -> None:
        """`at_length`: the events after an event like this one with which a model ends a stream at its length limit."""
        self._read_event, self._problem, self._operation, self._ends = hear, problem, operation, ends
        self._at_length = at_length
        self._last: dict[str, Any] = {}  # the newest event that is an object
        self._pending = b""
        self._torn = False  # a part of an event was sent: nothing well-formed can follow it
        self._half = False  # the last chunk ended with CR and was passed on: a following LF belongs to it
        self._facts = StreamFacts()
        self.begun = False
        self.unfinished = False
        self.error = b""
        self.refused = False

    def feed(self, chunk: bytes, now: float) -> bytes:
        """The bytes to pass on for a chunk; incomplete events wait, comments do not."""
        passed = b""
        if self._half and chunk:
            self._half = False
            if chunk.startswith(b"\n"):
                passed, chunk = b"\n", chunk[1:]
        pending = self._pending + chunk if self._pending else chunk
        last = copied = 0
        self._facts.now = now
        for end in _END.finditer(pending, max(0, len(self._pending) - 3)):
            if self._event(pending[last : end.start()]):
                passed, copied = passed + pending[copied:last], end.end()
            last = end.end()
        if last:
            self._torn = False
        passed += pending[copied:last]
        rest, passes = pending[last:], last == len(pending)
        if rest and (rest[:1] in (b":", b"\n", b"\r") or b"\n:" in rest or b"\r:" in rest):
            comments, rest, passes = _comments(rest)
            passed += comments
        if len(rest) > MOST:
            passed, rest, self._torn, self.begun = passed + rest, b"", True, True
        self._pending = rest
        self._half = passes and chunk.endswith(b"\r")
        return passed

    @property
    def between(self) -> bool:
        """Whether the stream stands between two events; see Inspector."""
        return not (self._torn or self._half)

    def end(self) -> bytes:
        """The bytes to pass on at the end of the stream; a last event without its empty line counts; see Inspector."""
        rest, self._pending = self._pending, b""
        if rest and self._event(rest):
            rest = b""
        if self._ends and not (self._facts.done or self._facts.finish):
            self.unfinished = True
            closing = self.stop("reset")
            return rest + (b"\n\n" if rest and closing else b"") + closing
        return rest

    def stop(self, code: str) -> bytes:
        """The closing event for a stream that ends early; an incomplete event is dropped; see Inspector."""
        self._facts.finish = "error"
        return b"" if self._torn else b"data: %b\n\n" % orjson.dumps(self._problem(code))

    def end_at_length(self) -> bytes:
        """End the stream as a model does at its length limit; an incomplete event is dropped; see StreamParser."""
        if self._facts.finish or self._facts.done:
            return b"" if self._facts.done or self._torn else b"data: [DONE]\n\n" if self._ends else b""
        closing = b"" if self._torn else self._at_length(self._last)
        self._facts.finish = "length" if closing else "error"
        return closing

    @property
    def parsed(self) -> ParsedAnswer:
        """The facts of the stream as a parsed answer without a document."""
        return self._facts.answer(None, self._operation)

    def _event(self, text: bytes) -> bool:
        name, data = _fields(text)
        event = object_of(data) if data.startswith(b"{") else None
        if not data or name in _HEARTBEATS or (event is not None and event.get("type") == "ping"):
            return False
        facts, first = self._facts, not self.begun
        self.begun = True
        if event is not None:
            self._last = event
        withheld = event is not None and self._read_event(event, facts)
        if data.startswith(b"[DONE]"):
            facts.done = True
        if name == b"error":
            facts.finish = "error"
        if facts.finish == "error" and not self.error:
            self.error, self.refused = data, first
        return withheld


def _fields(text: bytes) -> tuple[bytes, bytes]:
    """The name and the data of an event."""
    name, data = b"", b""
    for line in _LINE.split(text.removeprefix(BOM_UTF8)):
        if line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            data = data + b"\n" + value if data else value
        elif line.startswith(b"event:"):
            name = line[6:].strip()
    return name, data.lstrip(b" \t\r\n")


def _comments(rest: bytes) -> tuple[bytes, bytes, bool]:
    """The complete comment lines of an unfinished event, the rest without them, and whether the last byte was passed on.

    Empty lines before the event's first line count as comments.
    """
    passed: list[bytes] = []
    comments: list[bytes] = []
    at, passes = 0, False
    for end in _LINE.finditer(rest):
        line = rest[at : end.end()]
        passes = line.startswith(b":") or (not comments and end.start() == at)
        (passed if passes else comments).append(line)
        at = end.end()
    if passes and comments and comments[-1].endswith(b"\r"):
        comments[-1] = comments[-1][:-1] + b"\n"  # another byte follows it now
    return b"".join(passed), b"".join(comments) + rest[at:], passes and at == len(rest)
