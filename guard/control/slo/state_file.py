"""`slo.bin`: what a restart restores of objectives and descents. A line of JSON, then the buckets, compressed.

The timeline of buckets goes on by the wall clock over a restart, so that a gap counts as nothing. A clock that went back
meanwhile makes the gap zero. What was counted since the last save is lost by `kill -9`, at most half a minute of it.
"""

import json
import zlib
from typing import Any, Final, NamedTuple

from guard.targets.descent import Descent
from guard.targets.rings import Series

NAME: Final = "slo.bin"
FORMAT: Final = "guard/slo/v1"
MOST_HEADER: Final = 1 << 20


class Damaged(Exception):  # noqa: N818
    """The file is not one that guard wrote."""


class Saved(NamedTuple):
    """A snapshot. `time`: seconds of the timeline at `wall`. `series`: (scope, objective) → buckets."""

    time: float
    wall: float
    began: dict[str, int]
    series: dict[tuple[str, str], bytes]
    descents: dict[str, dict[str, Any]]


def encode(saved: Saved, most: int) -> bytes:
    """The file, of at most so many bytes: routes at the end of the policy are left out where they do not fit."""
    named: list[tuple[str, str, int]] = []
    body = bytearray()
    for (scope, objective), raw in saved.series.items():
        packed = zlib.compress(raw, 1)
        if len(body) + len(packed) + MOST_HEADER > most:
            break
        named.append((scope, objective, len(packed)))
        body += packed
    header = {
        "format": FORMAT,
        "time": saved.time,
        "wall": saved.wall,
        "began": saved.began,
        "series": named,
        "descents": saved.descents,
        "check": zlib.crc32(body),
    }
    return json.dumps(header).encode() + b"\n" + bytes(body)


def decode(raw: bytes) -> Saved:
    """Raises Damaged for anything that `encode` did not write."""
    try:
        return _decoded(raw)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, zlib.error) as error:
        raise Damaged(type(error).__name__) from None


def _decoded(raw: bytes) -> Saved:
    line, _, body = raw.partition(b"\n")
    header = json.loads(line)
    if header["format"] != FORMAT or header["check"] != zlib.crc32(body):
        raise ValueError(FORMAT)
    series: dict[tuple[str, str], bytes] = {}
    at = 0
    for scope, objective, length in header["series"]:
        raw = zlib.decompress(body[at : at + length])
        Series(0).load(0, raw)
        series[str(scope), str(objective)] = raw
        at += length
    began = {str(scope): int(number) for scope, number in header["began"].items()}
    for state in header["descents"].values():
        Descent().recall(state)
    return Saved(float(header["time"]), float(header["wall"]), began, series, dict(header["descents"]))
