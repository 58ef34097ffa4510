"""Canaries: values that stand nowhere else in the world, and every form in which one could fly away."""

import base64
import re
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import count
from secrets import token_hex
from typing import Final

_numbers = count(1)
ESCAPE: Final = re.compile(rb"\\u([0-9a-fA-F]{4})")
PERCENT: Final = re.compile(rb"%([0-9a-fA-F]{2})")


class Cage:
    """The canaries of one hunt, by the channel they were set free in."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def text(self, channel: str) -> str:
        """A word; letters and digits only, so that it may stand anywhere."""
        self.texts[channel] = canary = f"Kanarie{next(_numbers):04d}{token_hex(6)}"
        return canary

    def near(self, channel: str, value: float) -> float:
        """A number that nothing else has, next to a value that has room around it."""
        self.texts[channel] = repr(canary := value * (1 + (next(_numbers) * 7919 % 100_000 + 1) * 1e-10))
        return canary

    def number(self, channel: str) -> float:
        """A number that nothing else has."""
        canary = 7_000_000.0 + next(_numbers) * 1013 + 0.0625
        self.texts[channel] = repr(canary)
        return canary


@lru_cache(maxsize=1 << 16)
def forms(canary: str) -> tuple[bytes, ...]:
    """The bytes by which it is recognised; whoever searches folds case, and undoes escapes, before."""
    return tuple(_forms(canary))


def _forms(canary: str) -> Iterator[bytes]:
    plain = canary.encode()
    for character in (plain, plain.lower()):
        yield character.lower()
        yield character[::-1].lower()
        yield character.hex().encode()
        for offset in range(3):  # where it may stand in what was encoded
            coded = base64.b64encode(b"\0" * offset + character)
            yield coded[4 if offset else 0 : -4].lower()
    yield canary.encode("utf-16-le").lower()


def unfolded(haystack: bytes) -> Iterator[bytes]:
    """The haystack as it is, without escapes, and whatever is compressed in it."""
    yield haystack.lower()
    yield PERCENT.sub(lambda match: bytes((int(match[1], 16),)), haystack).lower()
    yield ESCAPE.sub(lambda match: chr(int(match[1], 16)).encode("utf-8", "replace"), haystack).lower()
    for start in (match.start() for match in re.finditer(rb"\x1f\x8b\x08|x[\x01\x5e\x9c\xda]", haystack)):
        for opened in (gzip_or_zlib(haystack[start:]),):
            if opened:
                yield opened.lower()


def gzip_or_zlib(data: bytes) -> bytes:
    """The decompressed beginning of the data; empty if it is not compressed."""
    reader = zlib.decompressobj(31 if data[:2] == b"\x1f\x8b" else 15)
    try:
        return reader.decompress(data, 1 << 24)
    except zlib.error:
        return b""


def leaked_canaries(cage: Cage, haystacks: Mapping[str, bytes]) -> list[str]:
    """`channel in place`, for every canary that got out."""
    escaped = []
    for place, haystack in haystacks.items():
        for text in set(unfolded(haystack)):
            for channel, canary in cage.texts.items():
                if any(form in text for form in forms(canary)):
                    escaped.append(f"{channel} in {place}")
    return sorted(set(escaped))
