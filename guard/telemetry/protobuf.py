"""The part of the Protocol Buffers wire format that a span needs, and attributes as OpenTelemetry's common.proto has them.

The SDK's encoder takes eight times as long, and protobuf's generated messages more than twice: docs/dependencies.md.
"""

from struct import Struct
from typing import Final

KEY: Final = b"\x0a"
VALUE: Final = b"\x12"
STRING: Final = b"\x0a"
BOOL: Final = b"\x10"
INT: Final = b"\x18"
DOUBLE: Final = b"\x21"
"""Tags: KeyValue's key and value, and the kinds of AnyValue."""

_DOUBLE: Final = Struct("<d")


def varint(number: int) -> bytes:
    """Base 128, the least significant seven bits first; a negative number as 64 bits of two's complement."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def member(tag: bytes, content: bytes) -> bytes:
    """A member of a message that is a text, bytes or a message itself."""
    return tag + varint(len(content)) + content


def key_value(key: str, value: object) -> bytes:
    """An attribute. What is neither text nor number is the text that Python makes of it."""
    if isinstance(value, bool):
        encoded = BOOL + varint(value)
    elif isinstance(value, int):
        encoded = INT + varint(value)
    elif isinstance(value, float):
        encoded = DOUBLE + _DOUBLE.pack(value)
    else:
        encoded = member(STRING, str(value).encode("utf-8", "replace"))
    return member(KEY, key.encode()) + member(VALUE, encoded)
