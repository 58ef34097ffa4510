"""Reads a body of JSON Lines as the JSON document with the same rows, which is then judged and forwarded like any other.

Each line is one row (jsonlines.org, NDJSON 1.0). Lines end with LF or CR LF; blank lines are skipped; the last line needs
no end. Each line is strict JSON by itself, and errors name the line, counted from 0 with the blank ones. The model server
never sees lines: it is sent the document that it knows, and its answer is passed on in the layout that it has.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

from guard.contract.fields import join, split
from guard.contract.strict import Unreadable, limit, parse, proven
from guard.proxy.values import UNREADABLE, Head, RefusalCode, Refused, Violation

TYPES: Final = (
    "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines",
    "application/x-jsonlines", "application/json-lines",
)  # fmt: skip
"""Media types in use; none is registered. The first is the one that `Accept` of a 415 names."""
_TYPES: Final = frozenset(name.encode() for name in TYPES)
_BLANK: Final = b" \t\r"


class JsonLines:
    """A LineReader. `rows` is the JSON pointer to the list of rows in a document of the route."""

    types: Final = TYPES

    def __init__(self, rows: str, elements: int) -> None:
        self._steps = tuple(split(rows))
        names = "".join('{"%s":' % name.replace("\\", "\\\\").replace('"', '\\"') for name in self._steps)
        self._before, self._after = names.encode() + b"[", b"]" + b"}" * len(self._steps)
        self._elements = elements

    def read(self, head: Head, body: bytes) -> "LineDocument | None":
        """The document of a body; None if its media type is another. Raises Refused."""
        kind = head.get(b"content-type")
        if kind is None or not _is_lines(kind) or (head.get(b"content-encoding") or b"identity") != b"identity":
            return None
        if body.count(b"\n") > self._elements:  # to read a line, a blank one too, costs what an element does
            raise Refused("json_elements")
        lines = [(number, line) for number, line in enumerate(body.split(b"\n")) if line.strip(_BLANK)]
        joined = self._before + b",".join([line for _, line in lines]) + self._after
        try:
            limit(joined, self._elements - len(lines))
        except Unreadable as error:
            raise Refused(error.code) from None
        for number, line in lines:
            try:
                parse(line, nan=True)  # some dialects have it; the document's own judge says so of others
            except Unreadable as error:
                raise Refused(error.code, [_at(number)]) from None
        return LineDocument(joined, lines, self._steps)


class LineDocument:
    """The rows of a body of JSON Lines as one document, and the way back to its lines."""

    def __init__(self, body: bytes, lines: Sequence[tuple[int, bytes]], steps: tuple[str, ...]) -> None:
        self.body = body
        self._lines, self._steps = lines, steps

    def located(
        self, code: RefusalCode | None, violations: Sequence[Violation], field_of: Callable[[str, bool], str]
    ) -> Sequence[Violation]:
        """The violations, each at its line. If `code` means unreadable, the first line with that fault."""
        if code in UNREADABLE:
            return list(islice((_at(number) for number, line in self._lines if _fault(line) == code), 1))
        return [
            Violation(self._pointer(pointer), broken, name or field_of(pointer, False))
            for pointer, broken, name in violations
        ]

    def _pointer(self, pointer: str) -> str:
        path = split(pointer)[len(self._steps) :]
        if path and path[0].isascii() and path[0].isdigit() and int(path[0]) < len(self._lines):
            return join((self._lines[int(path[0])][0], *path[1:]))
        return join(tuple(path))


def _at(line: int) -> Violation:
    return Violation(f"/{line}", "format")


def _fault(line: bytes) -> RefusalCode | None:
    try:
        proven(parse(line), line)
    except Unreadable as error:
        return error.code
    return None


@lru_cache(64)  # clients of one service write it in few ways
def _is_lines(kind: bytes) -> bool:
    essence, *parameters = (part.strip(b" \t").lower() for part in kind.split(b";"))
    charsets = [
        value.strip(b' \t"') for name, _, value in (part.partition(b"=") for part in parameters) if name == b"charset"
    ]
    return essence in _TYPES and all(charset == b"utf-8" for charset in charsets)
