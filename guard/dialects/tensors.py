"""Tensors of the Open Inference Protocol: elements, the values of a datatype, their binary form, slices by instance."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from math import isinf, isnan, nan, prod
from operator import ne
from typing import Any, Final, NamedTuple

from guard.dialects.layout import pointer, violation
from guard.proxy.values import LayoutError, Violation, ViolationCode

FORMATS: Final = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i",
    "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
"""Letters of `struct` by datatype, little-endian on the wire. BYTES has length prefixes; BF16 is half of an FP32."""
TEXT: Final = frozenset(("BYTES", "STRING"))
FLOATS: Final = frozenset(("FP16", "FP32", "FP64", "BF16"))
DATATYPES: Final = frozenset(FORMATS) | TEXT | {"BF16"}
INTEGERS: Final[Mapping[str, tuple[int, int]]] = {
    **{f"UINT{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
}
"""The least and the largest integer of each datatype."""
ROUNDS_TO_INFINITY: Final[Mapping[str, float]] = {
    "FP16": 65520.0,
    "BF16": float.fromhex("0x1.ffp+127"),
    "FP32": float.fromhex("0x1.ffffffp+127"),
    "FP64": (1 << 1024) - (1 << 970),
}
"""The least number that each datatype rounds to infinity (IEEE 754-2019 §4.3.1): half a unit past the largest.

A number below it is accepted and rounded, like every number with more digits than the datatype holds."""
LARGEST_EXACT: Final = 1 << 53
"""Largest double that still has all digits of the integer that was written."""
MOST_RANK: Final = 16
MOST_WRONG: Final = 64
"""Most violations that are reported for one tensor."""


class Tensor(NamedTuple):
    """One tensor: `data` is flat, row-major. `binary`: it is received, or sent, as raw bytes."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any]
    binary: bool
    rest: dict[str, Any]  # its other members


def flat(value: object, shape: tuple[int, ...], path: Sequence[str | int]) -> list[Any]:
    """Elements of JSON data, nested or flat; NaN is a missing value. Raises LayoutError if they do not fit the shape."""
    if not isinstance(value, list):
        raise violation((*path, "data"), "shape")
    level: list[Any] = value
    while level and isinstance(level[0], list):
        if not all(isinstance(item, list) for item in level):
            raise violation((*path, "data"), "shape")
        level = list(chain.from_iterable(level))
    if len(level) != prod(shape):
        raise violation((*path, "data"), "shape")
    if any(map(ne, level, level)):  # only NaN differs from itself
        return [None if item != item else item for item in level]  # noqa: PLR0124
    return level


def hold(tensor: Tensor, path: Sequence[str | int], nested: bool = False) -> None:  # noqa: FBT001, FBT002 — as it lies
    """Prove that the tensor's datatype can hold each of its values; None is a missing value. Raises LayoutError.

    `nested`: the data is in lists of lists, and a violation points into them.
    """
    if _fits(tensor.data, tensor.datatype):
        return
    wrong = (
        Violation(pointer(path if tensor.binary else (*path, "data", *position(index, tensor.shape, nested))), code)
        for index, code in _wrong(tensor.data, tensor.datatype)
    )
    faults = list(islice(wrong, MOST_WRONG))
    if faults:
        raise LayoutError(*faults[:1] if tensor.binary else faults)


def settled(sent: Sequence[Any], values: list[Any], datatype: str) -> list[Any]:
    """The values of a tensor to write: integers that a contract of numbers made doubles get all their digits back.

    `sent`: the values that the client sent in the same places.
    """
    if datatype not in INTEGERS or float not in set(map(type, values)):
        return values
    if len(sent) != len(values):
        return [_whole(value) if type(value) is float else value for value in values]
    return [
        new if type(new) is not float else old if type(old) is int and float(old) == new else _whole(new)
        for old, new in zip(sent, values, strict=True)
    ]


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def holds(values: Sequence[Any], datatype: str) -> bool:
    """Whether the datatype can hold each of these values."""
    return _fits(values, datatype) or not any(True for _ in _wrong(values, datatype))


def _fits(values: Sequence[Any], datatype: str) -> bool:
    """Whether all values have the usual type and are within bounds; it runs in C, so that a valid tensor costs little."""
    kinds = set(map(type, values))
    if None in values:
        values = [value for value in values if value is not None]
        kinds.discard(type(None))
    if datatype in TEXT:
        return kinds <= {str, bytes}
    if datatype == "BOOL":
        return kinds <= {bool}
    if not values:
        return True
    if datatype in INTEGERS:
        least, largest = INTEGERS[datatype]
        return kinds == {int} and least <= min(values) and max(values) <= largest
    if not kinds <= {int, float}:
        return False
    limit = ROUNDS_TO_INFINITY[datatype]
    return bool(-limit < min(values) and max(values) < limit)  # comparisons with NaN are unreliable, but there is none here


def _wrong(values: Sequence[Any], datatype: str) -> Iterator[tuple[int, ViolationCode]]:
    """The index and violation code of each value that the datatype cannot hold."""
    for index, value in enumerate(values):
        code = _fault(value, datatype)
        if code is not None:
            yield index, code


def _fault(value: object, datatype: str) -> ViolationCode | None:
    """The code of a value's violation, or None. Integers may be written 1.0 (JSON Schema 2020-12 §6.1.1), BOOL 0 or 1."""
    if value is None:
        return None
    if datatype in TEXT:
        return None if isinstance(value, str | bytes) else "type"
    if datatype == "BOOL":
        if isinstance(value, bool):
            return None
        return "type" if not isinstance(value, int) else _outside(value, 0, 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "type"
    if isinstance(value, float) and isinf(value):
        return "not_finite"
    if datatype in INTEGERS:
        if isinstance(value, float) and (not value.is_integer() or abs(value) > LARGEST_EXACT):
            return "type" if not value.is_integer() else _outside(value, -LARGEST_EXACT, LARGEST_EXACT)
        return _outside(value, *INTEGERS[datatype])
    limit = ROUNDS_TO_INFINITY[datatype]
    return None if -limit < value < limit else "max" if value > 0 else "min"


def _outside(value: float, least: float, largest: float) -> ViolationCode | None:
    return "min" if value < least else "max" if value > largest else None


def position(index: int, shape: tuple[int, ...], nested: bool) -> Sequence[int]:  # noqa: FBT001 — as it lies
    """The position of an element in the client's data, flat or nested, from its row-major index."""
    if not nested:
        return (index,)
    steps: list[int] = []
    for size in reversed(shape):
        index, place = divmod(index, size or 1)
        steps.append(place)
    return steps[::-1]


def is_nested(data: object) -> bool:
    """Whether the data of a tensor is in lists of lists."""
    return isinstance(data, list) and bool(data) and isinstance(data[0], list)


def decoded(raw: bytes, datatype: str, count: int, path: Sequence[str | int]) -> list[Any]:
    """Elements of raw bytes; NaN is a missing value, and bytes in UTF-8 are text. Raises LayoutError."""
    if datatype in TEXT:
        return _texts(raw, count, path)
    if datatype == "BF16":
        raw = b"".join(b"\0\0" + raw[at : at + 2] for at in range(0, len(raw), 2))
        datatype = "FP32"
    letters = f"<{count}{FORMATS[datatype]}"
    if len(raw) != struct.calcsize(letters):
        raise violation(path, "shape")
    if datatype == "BOOL":
        return [{0: False, 1: True}.get(byte, byte) for byte in raw]  # struct reads any byte but 0 as true
    values = list(struct.unpack(letters, raw))
    return [None if isnan(value) else value for value in values] if datatype in FLOATS else values


def encoded(values: Sequence[Any], datatype: str) -> bytes:
    """The raw bytes of elements that were decoded, amended or not."""
    if datatype in TEXT:
        parts = [(value.encode() if isinstance(value, str) else bytes(value or b"")) for value in values]
        return b"".join(struct.pack("<I", len(part)) + part for part in parts)
    if datatype in FLOATS:
        values = [nan if value is None else value for value in values]
    if datatype == "BF16":
        return b"".join(map(_rounded, values))
    if datatype in INTEGERS:
        values = [*map(int, values)]  # a contract of numbers made them doubles
    return struct.pack(f"<{len(values)}{FORMATS[datatype]}", *values)


def _rounded(value: float) -> bytes:
    """The bytes of a BF16: the upper half of the FP32, rounded to the nearest, ties to even."""
    if isnan(value):
        return b"\xc0\x7f"
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return struct.pack("<H", (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)


def _texts(raw: bytes, count: int, path: Sequence[str | int]) -> list[Any]:
    texts: list[Any] = []
    at = 0
    while at < len(raw) and len(texts) <= count:
        if at + 4 > len(raw):
            raise violation(path, "shape")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise violation(path, "shape")
        part = raw[at : at + length]
        try:
            texts.append(part.decode())
        except UnicodeDecodeError:
            texts.append(part)  # bytes pass a contract only in an array without declared `items`
        at += length
    if len(texts) != count:
        raise violation(path, "shape")
    return texts


def slices(tensor: Tensor, *, scalar: bool, shared: bool) -> list[Any]:
    """The values of a tensor, one for each instance; `shared`: the tensor is one value. An array's value is flat."""
    if shared:
        return [tensor.data]
    size = prod(tensor.shape[1:])
    if scalar:
        return tensor.data
    return [tensor.data[at : at + size] for at in range(0, len(tensor.data), size)] if size else [[]] * tensor.shape[0]
