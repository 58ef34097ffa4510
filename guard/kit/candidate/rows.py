"""Labelled rows of a file: each an instance of a route's contract, and its true label.

A column is a field of the contract or the label; other columns are left out and named once. Texts of a CSV file become
numbers and booleans where the contract declares them, and an empty cell is an absent value.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from guard.kit.files import open_regular
from guard.policy.fields import InputField

MOST_LINE: Final = 16 << 20
"""Bytes of a row at most."""
BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}
FORMATS: Final = ".csv, .jsonl, .ndjson or .parquet"


class LabelledRow(NamedTuple):
    """One row. `place`: its file and line, for messages."""

    place: str
    instance: dict[str, Any]
    truth: str


def read(file: Path, inputs: Mapping[str, InputField], truth: str) -> Iterator[LabelledRow]:
    """Each labelled row. Raises click.ClickException with the place of a row that cannot be read."""
    rows = {".csv": _csv, ".jsonl": _lines, ".ndjson": _lines, ".parquet": _parquet}.get(file.suffix.lower())
    if rows is None:
        raise click.UsageError(f"{file}: unknown format {file.suffix or 'without a suffix'}; expected {FORMATS}")
    text = file.suffix.lower() == ".csv"
    try:
        for place, row in rows(file):
            yield _labelled(place, row, inputs, truth, text=text)
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{file}: not UTF-8; save it as UTF-8") from None
    except csv.Error as error:
        raise click.ClickException(f"{file}: {error}") from None


def as_label(value: Any) -> str:
    """A label as text: 1, 1.0 and "1" are the same label, and so are true and "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _labelled(
    place: str, row: Mapping[str, Any], inputs: Mapping[str, InputField], truth: str, *, text: bool
) -> LabelledRow:
    if row.get(truth) in (None, ""):
        known = ", ".join(list(row)[:8])
        raise click.ClickException(f"{place}: no label in {truth!r}; expected one in every row, columns are {known}")
    instance = {
        name: _value(place, name, row[name], field) if text else row[name]
        for name, field in inputs.items()
        if name in row and not (text and row[name] == "") and (name != truth or not text)
    }
    label = row[truth]
    try:
        label = float(label) if text else label
    except ValueError:
        pass
    return LabelledRow(place, instance, as_label(label))


def _value(place: str, name: str, text: str, field: InputField) -> Any:
    try:
        match field.type:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return BOOLEANS[text.lower()]
            case "array" | "object":
                return json.loads(text)
            case _:
                return text
    except (ValueError, KeyError, RecursionError):
        raise click.ClickException(f"{place}: {name} is not of type {field.type}") from None


def _csv(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with open(open_regular(file), encoding="utf-8-sig", newline="") as stream:  # noqa: PTH123 — a descriptor
        reader = csv.DictReader(stream, strict=True)
        for row in reader:
            if None in row or None in row.values():
                raise click.ClickException(f"{file}:{reader.line_num}: not as many cells as the header has columns")
            yield f"{file}:{reader.line_num}", row


def _lines(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with open(open_regular(file), "rb") as stream:  # noqa: PTH123 — a descriptor
        number = 0
        while line := stream.readline(MOST_LINE + 1):
            number += 1
            if len(line) > MOST_LINE:
                raise click.ClickException(f"{file}:{number}: a line of more than {MOST_LINE >> 20} MiB")
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise click.ClickException(f"{file}:{number}: not JSON; expected one object a line") from None
            if not isinstance(row, dict):
                raise click.ClickException(f"{file}:{number}: not an object; expected one with the fields and the label")
            yield f"{file}:{number}", row


def _parquet(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 — an extra
    except ImportError:
        raise click.UsageError(f"{file}: Parquet needs an extra: pip install 'guard-sidecar[parquet]'") from None
    try:
        number = 0
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                number += 1
                yield f"{file}: row {number}", {name: value for name, value in row.items() if value is not None}
    except ArrowException:
        raise click.ClickException(f"{file}: not a Parquet file that can be read") from None
