"""Comma-separated bodies (RFC 4180): cells read by the types of their fields, and written back the same way."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from guard.dialects.layout import pointer, violation
from guard.proxy.values import Field, Spec


def is_csv(content_type: bytes | None) -> bool:
    """text/csv in UTF-8."""
    if content_type is None:
        return False
    essence, *parameters = (part.strip(b" \t").lower() for part in content_type.split(b";"))
    charsets = [one.partition(b"=")[2].strip(b'"') for one in parameters if one.startswith(b"charset=")]
    return essence == b"text/csv" and all(charset == b"utf-8" for charset in charsets)


def cells(body: bytes) -> list[list[str]]:
    """The rows; blank lines are none. Raises Misspoken."""
    try:
        text = body.decode("utf-8")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise violation((), "format") from None
    return [row for row in rows if row]


class Lines:
    """A Message. `header`: the first line names the columns; without it, `columns` of the route do.

    `missing`: what the server's own reader takes for no value in a column of any type, beside an empty cell.
    """

    stream = once = chosen = False
    named = ""

    def __init__(self, body: bytes, spec: Spec, *, header: bool, missing: frozenset[str] = frozenset()) -> None:
        """Raises Misspoken."""
        rows = cells(body)
        self._header = header
        self._names: Sequence[str] = (rows.pop(0) if rows else []) if header else (spec.columns or ())
        if not self._names and not spec.inputs and rows:
            self._names = [str(index) for index in range(len(rows[0]))]  # nothing is declared: any columns will do
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
        """See Message."""
        present = {name for row in document for name in row}
        kept = [name for name in self._names if name in present or name in self._sent]
        kept += sorted(present.difference(kept)) if self._header else []
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        if self._header:
            writer.writerow(kept)
        writer.writerows([[cell(row.get(name)) for name in kept] for row in document])
        return out.getvalue().encode()

    def headers(self, body: bytes) -> Mapping[bytes, bytes | None]:
        """None of its own."""
        del body
        return {}

    def locate(self, path: Sequence[str | int]) -> str:
        """Rows are counted from 0, without the line of names."""
        return pointer(path)


def _type(field: Field) -> str:
    """How a cell reads: a time since the epoch is a number."""
    return "number" if field.type == "timestamp" and field.unit is not None else field.type


def _text(cell: str) -> object:
    return cell or None


_NUMBER: Final = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|nan|inf(?:inity)?)", re.IGNORECASE)
"""As CSV writes numbers. Python reads more: digits of every script, underscores between them."""


def is_number(text: str) -> bool:
    """Whether a text is a number for every reader of it."""
    return text.isascii() and _NUMBER.fullmatch(text) is not None


def _number(cell: str) -> object:
    """As JSON would have it, and NaN is a missing value; what is no number stays what it is, for the contract to refuse."""
    text = cell.strip()
    if not is_number(text):
        return cell or None
    try:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:  # more digits than Python reads
        return cell
    return None if number != number else number  # noqa: PLR0124 — NaN


def _boolean(cell: str) -> object:
    return {"true": True, "false": False, "": None}.get(cell.lower(), cell)


_READERS = {"integer": _number, "number": _number, "boolean": _boolean}


def cell(value: object) -> object:
    """A value as it stands in a line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value
