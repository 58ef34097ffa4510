"""How a target's bytes say where the stream is cut: a count, that many positions of two bytes, and the stream."""

from collections.abc import Sequence
from itertools import pairwise

MOST_CUTS = 7


def packed(raw: bytes, cuts: Sequence[int] = ()) -> bytes:
    """A stream and its cuts as one input."""
    return bytes([len(cuts)]) + b"".join(cut.to_bytes(2, "big") for cut in cuts) + raw


def segments(data: bytes) -> tuple[bytes, list[bytes]]:
    """The stream, and the same stream in parts; without cuts every byte is a part of its own, the hardest case."""
    count = data[0] % (MOST_CUTS + 1) if data else 0
    raw = data[1 + 2 * count :]
    if count == 0:
        return raw, [raw[at : at + 1] for at in range(len(raw))]
    places = [int.from_bytes(data[1 + 2 * at : 3 + 2 * at], "big") % (len(raw) + 1) for at in range(count)]
    places = sorted({0, len(raw), *places})
    return raw, [raw[start:end] for start, end in pairwise(places)]
