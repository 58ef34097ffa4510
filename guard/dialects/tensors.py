"""Tensors of the Open Inference Protocol: elements, their binary form, and slices by instance."""

import struct
from collections.abc import Sequence
from itertools import chain
from math import isnan, nan, prod
from typing import Any, Final, NamedTuple

from guard.dialects.layout import violation

FORMATS: Final = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i",
    "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
"""struct's letters; all little-endian on the wire. BYTES has lengths of its own, BF16 is the upper half of an FP32."""
TEXT: Final = frozenset(("BYTES", "STRING"))
FLOATS: Final = frozenset(("FP16", "FP32", "FP64", "BF16"))
DATATYPES: Final = frozenset(FORMATS) | TEXT | {"BF16"}
MOST_RANK: Final = 16


class Tensor(NamedTuple):
    """One tensor: `data` is flat, row-major. `binary`: it came, or goes, as raw bytes."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any]
    binary: bool
    rest: dict[str, Any]  # its other members


def flat(value: object, shape: tuple[int, ...], path: Sequence[str | int]) -> list[Any]:
    """Elements of JSON data, nested or flat. Raises Misspoken where they are not as many as the shape says."""
    if not isinstance(value, list):
        raise violation((*path, "data"), "shape")
    found: list[Any] = value
    while found and isinstance(found[0], list):
        if not all(isinstance(one, list) for one in found):
            raise violation((*path, "data"), "shape")
        found = list(chain.from_iterable(found))
    if len(found) != prod(shape):
        raise violation((*path, "data"), "shape")
    return found


def decoded(raw: bytes, datatype: str, count: int, path: Sequence[str | int]) -> list[Any]:
    """Elements of raw bytes; NaN is a missing value, text is what is UTF-8. Raises Misspoken."""
    if datatype in TEXT:
        return _texts(raw, count, path)
    if datatype == "BF16":
        raw = b"".join(b"\0\0" + raw[at : at + 2] for at in range(0, len(raw), 2))
        datatype = "FP32"
    letters = f"<{count}{FORMATS[datatype]}"
    if len(raw) != struct.calcsize(letters):
        raise violation(path, "shape")
    values = list(struct.unpack(letters, raw))
    return [None if isnan(one) else one for one in values] if datatype in FLOATS else values


def encoded(values: Sequence[Any], datatype: str) -> bytes:
    """The raw bytes of elements that were decoded, amended or not."""
    if datatype in TEXT:
        parts = [(one.encode() if isinstance(one, str) else bytes(one or b"")) for one in values]
        return b"".join(struct.pack("<I", len(part)) + part for part in parts)
    if datatype in FLOATS:
        values = [nan if one is None else one for one in values]
    if datatype == "BF16":
        raw = struct.pack(f"<{len(values)}f", *values)
        return b"".join(raw[at + 2 : at + 4] for at in range(0, len(raw), 4))
    return struct.pack(f"<{len(values)}{FORMATS[datatype]}", *values)


def _texts(raw: bytes, count: int, path: Sequence[str | int]) -> list[Any]:
    found: list[Any] = []
    at = 0
    while at < len(raw) and len(found) <= count:
        if at + 4 > len(raw):
            raise violation(path, "shape")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise violation(path, "shape")
        part = raw[at : at + length]
        try:
            found.append(part.decode())
        except UnicodeDecodeError:
            found.append(part)  # bytes: no type of a contract fits them but by `items` that are not declared
        at += length
    if len(found) != count:
        raise violation(path, "shape")
    return found


def slices(tensor: Tensor, *, scalar: bool, whole: bool) -> list[Any]:
    """The values of a tensor, one for each instance; `whole`: it is one instance. An array's value is flat."""
    if whole:
        return [tensor.data]
    size = prod(tensor.shape[1:])
    if scalar:
        return tensor.data
    return [tensor.data[at : at + size] for at in range(0, len(tensor.data), size)] if size else [[]] * tensor.shape[0]
