"""Receipts: what a prediction was, signed by guard, so that its label can be counted without a stored prediction.

    base64url( version:1 | key:1 | issued:4 | layout:4 | model version:2 | process:4 | slot:4 | rows:2 | row… | MAC:16 )

`issued`: seconds since the epoch. `layout` and `model version` are the first bytes of digests. (process, slot) is unique:
a row with the place i in a receipt has the slot `slot + i` in the files of what was labelled. A row is one to five bytes
(`Layout.packer`). The MAC is the first 16 bytes of HMAC-SHA256 of all before it, by the key whose number is in `key`: the
issuer is the verifier, so no other signature is needed.
"""

import hashlib
import hmac
import struct
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from guard.labels.layout import Layout, Row

FORMAT: Final = 1
HEADER: Final = struct.Struct("!BBI4s2sIIH")
MAC: Final = 16
MOST_CHARACTERS: Final = 1024
MOST_ROWS: Final = 256
"""Rows in one receipt; of a larger batch as many are drawn."""
MOST_BATCH: Final = 65535
_BYTES: Final = MOST_CHARACTERS * 3 // 4
_MASK: Final = (1 << 64) - 1
SHORTEST_KEY: Final = 16
"""Bytes of a key."""

Rejected: TypeAlias = Literal["bad_mac", "unknown_key"]


class Receipt(NamedTuple):
    """A receipt that guard has signed."""

    issued: int
    layout: bytes
    version: bytes
    process: int
    slot: int
    rows: int
    """Rows of the batch, of which some may have been drawn."""
    packed: bytes


def version_key(version: str) -> bytes:
    """The two bytes that stand for a model version."""
    return hashlib.sha256(version.encode()).digest()[:2]


def room(layout: Layout) -> int:
    """The number of rows that a receipt of this layout holds at most."""
    return min(MOST_ROWS, (_BYTES - HEADER.size - MAC) // layout.packer.size)


class Keyring:
    """The keys of receipts: the first signs, each verifies. Raises ValueError for a key that is too short."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.replace(keys)

    def replace(self, keys: Sequence[bytes]) -> None:
        """Use these keys from now on. Raises ValueError, and then goes on with those before."""
        if not keys or min(map(len, keys)) < SHORTEST_KEY:
            raise ValueError(f"a key of receipts has at least {SHORTEST_KEY} bytes")
        by_number: dict[int, list[bytes]] = {}
        for key in keys:
            by_number.setdefault(number_of(key), []).append(key)
        self._by_number = by_number
        self.number = number_of(keys[0])
        self._first = hmac.new(keys[0], digestmod="sha256")

    def sign(self, body: bytes) -> bytes:
        """The receipt of a header and its rows, as a header field has it."""
        mac = self._first.copy()
        mac.update(body)
        return urlsafe_b64encode(body + mac.digest()[:MAC]).rstrip(b"=")

    def verify(self, text: object) -> "Receipt | Rejected":
        """The receipt in a text, or the reason to reject it. Nothing of a text without a valid MAC is believed."""
        if not isinstance(text, str) or not text.isascii() or len(text) > MOST_CHARACTERS:
            return "bad_mac"
        try:
            raw = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (Error, ValueError):
            return "bad_mac"
        if len(raw) < HEADER.size + MAC or raw[0] != FORMAT:
            return "bad_mac"
        keys = self._by_number.get(raw[1])
        if keys is None:
            return "unknown_key"
        body, mac = raw[:-MAC], raw[-MAC:]
        if not any(hmac.compare_digest(hmac.digest(key, body, "sha256")[:MAC], mac) for key in keys):
            return "bad_mac"
        _, _, issued, layout, version, process, slot, rows = HEADER.unpack_from(body)
        return Receipt(issued, layout, version, process, slot, rows, body[HEADER.size :])


def number_of(key: bytes) -> int:
    """The number by which receipts name a key."""
    return hashlib.sha256(key).digest()[0]


def split_keys(secret: bytes) -> list[bytes]:
    """The keys in a secret: one a line, the first signs."""
    return [line.strip() for line in secret.splitlines() if line.strip()]


def unpack(receipt: Receipt, layout: Layout) -> list[Row]:
    """The rows of a receipt. Raises ValueError for rows of another layout."""
    packer = layout.packer
    if len(receipt.packed) % packer.size:
        raise ValueError("not rows of this layout")
    rows: list[Row] = []
    for values in packer.iter_unpack(receipt.packed):
        combination, own = (values[0], values[1:]) if layout.segments else (0, values)
        rows.append((combination, 0, own[0]) if layout.numeric else (combination, own[0], own[1]))
    return rows


def drawn(slot: int, rows: int, most: int) -> Sequence[int]:
    """The rows of a batch that its receipt holds: all, or `most` that follow from its slot (Floyd's algorithm)."""
    if rows <= most:
        return range(rows)
    state, chosen = slot, set[int]()
    for last in range(rows - most, rows):
        state, random = _next(state)
        at = random % (last + 1)
        chosen.add(last if at in chosen else at)
    return sorted(chosen)


def _next(state: int) -> tuple[int, int]:
    """The next state and number of SplitMix64."""
    state = (state + 0x9E3779B97F4A7C15) & _MASK
    mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return state, mixed ^ (mixed >> 31)
