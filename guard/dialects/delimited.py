"""Comma-separated bodies, as RFC 4180 defines them and as Excel, pandas, R and LibreOffice write them.

A UTF-8 byte order mark is ignored. Lines end with CR LF, LF or CR, and blank lines are skipped. An empty cell is a missing
value; a quoted empty cell is an empty text, and a missing value of any other type. The body that is forwarded is written
anew with the same difference: LF, no byte order mark, quotes where a cell needs them. Texts that readers split differently
are refused: another encoding (`encoding`), another separator, a quote left open or behind blanks
(`format`).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from guard.dialects.layout import BaseMessage, pointer, violation
from guard.proxy.values import CodecSpec, Field

_CHARSETS: Final = frozenset((b"utf-8", b"utf8", b"us-ascii"))
_SEPARATORS: Final = re.compile(r"[;\t|]")
"""Separators other than the comma: locales with a decimal comma and copied tables have them."""
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_CELL: Final = re.compile(
    r'(?P<quote>")(?P<quoted>[^"]*+(?:""[^"]*+)*+)"(?P<end>,|\r\n|\r|\n|\Z)'
    r"|(?P<plain>(?![ \t]*\")[^,\r\n]*+)(?P<until>,|\r\n|\r|\n|\Z)"
)
_QUOTED: Final = re.compile(r'["\r\n,]|\A[ \t]|[ \t]\Z')


class Quoted(str):
    """A cell that stood in quotes; if it is empty, it is an empty text and not a missing value."""

    __slots__ = ()


def is_csv(content_type: bytes | None) -> bool:
    """Whether a content type is text/csv in UTF-8."""
    if content_type is None:
        return False
    essence, *parameters = (part.strip(b" \t").lower() for part in content_type.split(b";"))
    charsets = [parameter.partition(b"=")[2].strip(b'"') for parameter in parameters if parameter.startswith(b"charset=")]
    return essence == b"text/csv" and all(charset in _CHARSETS for charset in charsets)


def cells(body: bytes) -> list[list[str]]:
    """The rows of a body, without blank lines. Raises LayoutError."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise violation((), "encoding") from None
    if "\0" in text:  # UTF-16 without a byte order mark, or binary data
        raise violation((), "encoding")
    rows = list(_quoted_rows(text)) if '"' in text else [line.split(",") for line in _LINE_END.split(text) if line]
    if rows and (hint := rows[0][0]).startswith("sep="):  # Excel's line that names the separator
        if hint != "sep=" or rows[0] != ["sep=", ""]:
            raise violation((), "format")
        del rows[0]
    return rows


def _quoted_rows(text: str) -> Iterator[list[str]]:
    """The rows of a text that has quotes."""
    row: list[str] = []
    at, end = 0, len(text)
    while at < end:
        match = _CELL.match(text, at)
        if match is None:
            raise violation((), "format")
        if match["quote"]:
            row.append(Quoted(match["quoted"].replace('""', '"')))
        else:
            row.append(match["plain"])
        at = match.end()
        if (match["end"] or match["until"]) == ",":
            if at == end:
                row.append("")
            continue
        if len(row) > 1 or row[0] or type(row[0]) is Quoted:
            yield row
        row = []
    if row:
        yield row


def line(values: Sequence[object]) -> str:
    """One line of CSV. A single missing value is quoted: its line would be blank."""
    if len(values) == 1 and values[0] is None:
        return '""\n'
    return ",".join(map(cell, values)) + "\n"


def cell(value: object) -> str:
    """The cell of a line for a value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    return '"' + value.replace('"', '""') + '"' if not value or _QUOTED.search(value) else value


class Lines(BaseMessage):
    """A Message of CSV lines. `header`: the first line names the columns; without it, the route's `columns` do.

    `missing`: cells that the server reads as a missing value in a column of any type, besides an empty cell.
    """

    stream = once = chosen = False
    searched = True
    named = ""
    free_model = False

    def __init__(self, body: bytes, spec: CodecSpec, *, header: bool, missing: frozenset[str] = frozenset()) -> None:
        """Read the lines of a body. Raises LayoutError."""
        self.beside: dict[str, Any] = {}
        rows = cells(body)
        self._header = header
        self._names: Sequence[str] = (_names(rows.pop(0)) if rows else []) if header else (spec.columns or ())
        _separated(self._names if header else rows[0] if rows else (), spec, header=header)
        if not self._names and not spec.inputs and rows:
            self._names = [str(index) for index in range(len(rows[0]))]  # nothing is declared: any columns pass
        if not self._names or len(set(self._names)) != len(self._names):
            raise violation((), "shape" if self._names else "missing")
        for index, row in enumerate(rows):
            if len(row) != len(self._names):
                raise violation((index,), "shape")
        types = {name: (_type(spec.inputs[name]) if name in spec.inputs else "string") for name in self._names}
        self._sent = frozenset(name for name, field in spec.inputs.items() if field.send)
        readers = [_READERS.get(types[name], _text) for name in self._names]
        self.document: object = [
            {
                name: None if cell in missing else read(cell)
                for name, read, cell in zip(self._names, readers, row, strict=True)
            }
            for row in rows
        ]

    def write(self, document: Any) -> bytes:
        """Write the document as CSV; see Message."""
        present = {name for row in document for name in row}
        columns = [name for name in self._names if name in present or name in self._sent]
        columns += sorted(present.difference(columns)) if self._header else []
        lines = [line([row.get(name) for name in columns]) for row in document]
        return "".join((line(columns), *lines) if self._header else lines).encode()

    def locate(self, path: Sequence[str | int]) -> str:
        """The pointer to a cell; rows count from 0, without the header."""
        return pointer(path)


def _type(field: Field) -> str:
    """The type by which a cell is read: a time since the epoch is a number."""
    return "number" if field.type == "timestamp" and field.unit is not None else field.type


def _names(row: Sequence[str]) -> Sequence[str]:
    """The names of columns, without surrounding blanks unless the name stands in quotes."""
    return [str(name) if type(name) is Quoted else name.strip(" \t") for name in row]


def _separated(first: Sequence[str], spec: CodecSpec, *, header: bool) -> None:
    """Refuse a first line that has another separator than commas. Raises LayoutError."""
    if len(first) != 1 or first[0] in spec.inputs or type(first[0]) is Quoted or not _SEPARATORS.search(first[0]):
        return
    several = {name.strip() for name in _SEPARATORS.split(first[0])}.intersection(spec.inputs)
    if several if header else len(spec.columns or ()) > 1:
        raise violation((), "format")


def _text(cell: str) -> object:
    return str(cell) if cell or type(cell) is Quoted else None


_NUMBER: Final = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|nan|inf(?:inity)?)", re.IGNORECASE)
"""A number as CSV writes it. Python's `float` accepts more: digits of every script, underscores between digits."""


def is_number(text: str) -> bool:
    """Whether every reader of CSV reads a text as a number."""
    return text.isascii() and _NUMBER.fullmatch(text) is not None


def _number(cell: str) -> object:
    """The number in a cell; None for NaN or an empty cell; another text unchanged, so that the contract refuses it."""
    text = cell.strip()
    if not is_number(text):
        return str(cell) if text else None
    try:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:  # Python refuses an integer with this many digits
        return str(cell)
    return None if number != number else number  # noqa: PLR0124 — NaN


def _boolean(cell: str) -> object:
    return {"true": True, "false": False, "": None}.get(cell.strip().lower(), str(cell))


def _time(cell: str) -> object:
    return cell.strip() or None


_READERS: Final = {"integer": _number, "number": _number, "boolean": _boolean, "timestamp": _time}
