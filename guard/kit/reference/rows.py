"""Reads a validation set row by row: CSV with a header, or JSON lines. Memory does not depend on the file's size.

A cell of a CSV is read as its declared field's type; one that cannot be stays a text, so that the contract denies it as it
would in a request. An empty cell is an absent value.
"""

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from guard.kit.files import open_regular
from guard.policy.fields import InputField

JSON_LINES: Final = frozenset((".jsonl", ".ndjson", ".json"))
LONGEST: Final = 16 << 20
"""Characters of one line of JSON."""


class RowsInvalid(ValueError):  # noqa: N818 — named as the contract's is
    """The file cannot be read as rows. The message names the line and what was expected; it quotes no value."""


class Row(NamedTuple):
    """One row. `line` is where it begins; `share` is the part of the file that was read so far."""

    line: int
    values: dict[str, Any]
    share: float


def read_rows(path: Path, inputs: Mapping[str, InputField]) -> Iterator[Row]:
    """The rows of a file, as JSON lines if its name ends so, else as CSV. Raises OSError and RowsInvalid."""
    with os.fdopen(open_regular(path), "rb") as file:
        size = max(1, os.fstat(file.fileno()).st_size)
        yield from (_json_lines if path.suffix.lower() in JSON_LINES else _csv)(file, size, inputs)


def _json_lines(file: BinaryIO, size: int, inputs: Mapping[str, InputField]) -> Iterator[Row]:
    del inputs
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            raise RowsInvalid(f"line {number}: not JSON; expected one object a line") from None
        if not isinstance(values, dict):
            raise RowsInvalid(f"line {number}: expected an object with a member for each field")
        yield Row(number, values, file.tell() / size)


def _csv(file: BinaryIO, size: int, inputs: Mapping[str, InputField]) -> Iterator[Row]:
    with TextIOWrapper(file, "utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        try:
            names = _header(next(reader, []))
            reads = [_reader(inputs[name]) if name in inputs else str for name in names]
            line = reader.line_num + 1
            for cells in reader:
                if len(cells) != len(names) and cells:
                    raise RowsInvalid(f"line {line}: {len(cells)} cells; the header has {len(names)}")
                if cells:
                    values = {name: read(cell) for name, read, cell in zip(names, reads, cells, strict=True) if cell}
                    yield Row(line, values, file.tell() / size)
                line = reader.line_num + 1
        except UnicodeDecodeError:
            raise RowsInvalid(f"after line {reader.line_num}: not UTF-8") from None
        except csv.Error as error:
            raise RowsInvalid(f"line {reader.line_num}: {error}") from None


def _header(names: list[str]) -> list[str]:
    if not any(names):
        raise RowsInvalid("line 1: no header; expected the names of the fields")
    if len(set(names)) < len(names):
        raise RowsInvalid("line 1: two columns have the same name")
    return names


def _reader(field: InputField) -> Callable[[str], Any]:
    """A function from a cell's text to a value of the field's type."""
    kind = field.type
    if kind == "timestamp":
        kind = "number" if field.unit is not None else "string"
    if kind == "string":
        return str
    if kind == "boolean":
        return lambda cell: {"true": True, "false": False, "1": True, "0": False}.get(cell.strip().lower(), cell)
    if kind == "integer":
        return lambda cell: _converted(int, cell)
    if kind == "number":
        return lambda cell: _converted(float, cell)
    return lambda cell: _converted(json.loads, cell)


def _converted(convert: Callable[[str], Any], cell: str) -> Any:
    try:
        return convert(cell)
    except (ValueError, RecursionError):
        return cell
