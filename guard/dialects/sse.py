"""Server-sent events on their way to a client: read as they pass, whole events only, so that an early end is well-formed.

Source: WHATWG HTML §9.2. Lines end in LF, CR or CRLF; an empty one ends an event; `data:` lines join. A comment (`: ping`)
is no part of an event: each is passed on with the chunk that completes its line, whatever stands around it, for proxies in
front take silence for a dead stream.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from guard.dialects.error_words import object_of
from guard.proxy.values import Headers, ParsedAnswer, Usage

MOST: Final = 1 << 20
"""Bytes of one event that are held back; a longer one passes unread."""
_END: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE: Final = re.compile(rb"\r\n|\n|\r")
_HEARTBEATS: Final = frozenset((b"ping", b"heartbeat", b"keepalive", b"keep-alive"))
"""Names of events that carry nothing."""


def is_events(headers: Headers) -> bool:
    """Whether an answer with this head is a stream of events."""
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    coded = any(name == b"content-encoding" and value != b"identity" for name, value in headers)
    return kind.partition(b";")[0].strip().lower() == b"text/event-stream" and not coded


class StreamFacts:
    """What a stream said so far."""

    def __init__(self) -> None:
        self.version, self.finish = "", ""
        self.done = False  # the stream said that it is whole
        self.input_tokens = self.output_tokens = self.pieces = 0
        self.now = self.first_at = self.last_at = 0.0

    def piece(self) -> None:
        """An event carried output."""
        self.pieces += 1
        self.first_at, self.last_at = self.first_at or self.now, self.now

    def answer(self, document: object, operation: str) -> ParsedAnswer:
        """As an answer."""
        usage = Usage(
            operation, self.input_tokens, self.output_tokens, self.finish, self.first_at, self.last_at, self.pieces
        )
        return ParsedAnswer(document, self.version, usage)


class Events:
    """StreamParser: `hear` takes each event that is a JSON object, and answers whether it is not for the client.

    `problem` makes the object of a closing event. `ends`: streams of this kind say so themselves when they are whole, by a
    finish or by [DONE].
    """

    def __init__(
        self,
        hear: Callable[[dict[str, Any], StreamFacts], bool],
        problem: Callable[[str], Mapping[str, object]],
        operation: str,
        *,
        ends: bool = False,
    ) -> None:
        self._read_event, self._problem, self._operation, self._ends = hear, problem, operation, ends
        self._pending = b""
        self._torn = False  # a part of an event went out: nothing well-formed can follow it
        self._half = False  # a CR was passed on that ended its chunk: a LF that follows belongs to it
        self._facts = StreamFacts()
        self.begun = False
        self.unfinished = False
        self.error = b""
        self.refused = False

    def feed(self, chunk: bytes, now: float) -> bytes:
        """See Inspector. What is not a whole event yet waits; comments do not."""
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
        """See Inspector."""
        return not (self._torn or self._half)

    def end(self) -> bytes:
        """See Inspector. A last event without its empty line is an event too."""
        rest, self._pending = self._pending, b""
        if rest and self._event(rest):
            rest = b""
        if self._ends and not (self._facts.done or self._facts.finish):
            self.unfinished = True
            closing = self.stop("reset")
            return rest + (b"\n\n" if rest and closing else b"") + closing
        return rest

    def stop(self, code: str) -> bytes:
        """See Inspector. The event that was on its way is dropped."""
        self._facts.finish = "error"
        return b"" if self._torn else b"data: %b\n\n" % orjson.dumps(self._problem(code))

    @property
    def parsed(self) -> ParsedAnswer:
        """What was heard."""
        return self._facts.answer(None, self._operation)

    def _event(self, text: bytes) -> bool:
        name, data = _fields(text)
        event = object_of(data) if data.startswith(b"{") else None
        if not data or name in _HEARTBEATS or (event is not None and event.get("type") == "ping"):
            return False
        facts, first = self._facts, not self.begun
        self.begun = True
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
    """The whole lines before an event's end that are comments, or empty before it began; and what is left without them.

    The third: whether the last byte was passed.
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
        comments[-1] = comments[-1][:-1] + b"\n"  # what follows it now is not what followed it
    return b"".join(passed), b"".join(comments) + rest[at:], passes and at == len(rest)
