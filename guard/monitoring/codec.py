"""The bytes of a monitor's state: a JSON header, named blobs, a length and a CRC-32, so that half a file is no state.

"GMS1" | length of the header: 4 | header | blobs, in the header's order | CRC-32 of all before: 4
"""

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

MAGIC: Final = b"GMS1"


class StateInvalid(ValueError):  # noqa: N818 — named as the contract's is
    """The bytes are no state, or a state of something else. Monitoring starts afresh and logs it."""


def pack(header: Mapping[str, Any], blobs: Mapping[str, bytes]) -> bytes:
    """One state. `header` must be JSON without `blobs`."""
    sizes = [[name, len(blob)] for name, blob in blobs.items()]
    head = json.dumps({**header, "blobs": sizes}, separators=(",", ":"), allow_nan=False).encode()
    body = b"".join((MAGIC, struct.pack("<I", len(head)), head, *blobs.values()))
    return body + struct.pack("<I", zlib.crc32(body))


def unpack(state: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The arguments of `pack`, from its bytes. Raises StateInvalid for any other bytes."""
    if len(state) < 12 or state[:4] != MAGIC:
        raise StateInvalid("these bytes are no monitoring state")
    if struct.unpack("<I", state[-4:])[0] != zlib.crc32(state[:-4]):
        raise StateInvalid("the monitoring state is damaged")
    start = 8 + struct.unpack("<I", state[4:8])[0]
    try:
        header: dict[str, Any] = json.loads(state[8:start])
        blobs: dict[str, bytes] = {}
        for name, size in header.pop("blobs"):
            blobs[name] = state[start : start + size]
            start += size
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StateInvalid("the monitoring state is not laid out as this guard's") from None
    if start != len(state) - 4:
        raise StateInvalid("the monitoring state is cut short")
    return header, blobs
