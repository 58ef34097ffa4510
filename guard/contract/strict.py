"""JSON that reads the same everywhere (RFC 8259, narrowed): no duplicate keys, no NaN, no 1e400, no depth, no BOM.

jiter does most of it in one pass. Its messages quote keys, so none is passed on. What it does not do: depth beyond ours and
finiteness (1e400 reads as inf). A walk of every document would cost more than its parse, so both are proven by the schema
where a document holds nothing but what it declares (`single_pass.py`), else by `bound` and `audit`, from the text if it
suffices.
How many elements a document has is proven first, from its bytes: each costs more than the text that it is written with.
"""

import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from itertools import chain
from math import isinf
from typing import Any, Final

import jiter
import orjson

from guard.proxy.values import UnreadableCode

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 32_768
"""Most elements of one document, unless the policy sets another number: 1 MiB of them never takes 25 ms."""
PLAIN: Final = 10
"""Plain values that together cost as much as one object, list or name."""
_BOMS: Final = (BOM_UTF16_BE, BOM_UTF16_LE)
_TOKENS: Final = (b"NaN", b"Infinity", b"nan", b"inf")
_SHAPE: Final = bytes.maketrans(b"123456789E", b"000000000e")
_NO_STRUCTURE: Final = bytes(set(range(256)) - set(b'"{[:,'))
SAFE: Final = (1 << 53) - 1
"""The largest integer up to which doubles are exact (RFC 7493 §2.2): every reader has all its digits."""
LEAST_EXACT: Final = -(1 << 63)
LARGEST_EXACT: Final = (1 << 64) - 1
"""Bounds of signed and unsigned 64-bit integers, which are exact for readers that do not convert them to doubles."""
BEYOND: Final = (1 << 1024) - (1 << 970)
"""The least integer that a double rounds to infinity."""
_SIXTEEN: Final = b"0" * 16
_LONG: Final = b"0" * 64
"""Digits that a literal too large for a double has in a row if its exponent has at most two digits.

Such a literal needs at least 210 digits to pass 1.8e308, but searching for 210 costs twice as much as searching for 64.
"""


class Unreadable(ValueError):  # noqa: N818 — a word of the domain
    """The error for a text that is not JSON, or that two readers may read differently."""

    def __init__(self, code: UnreadableCode) -> None:
        super().__init__(code)
        self.code: UnreadableCode = code


def loads(body: bytes, nan: bool = False, elements: int = MAX_ELEMENTS) -> object:  # noqa: FBT001, FBT002 — as dialects ask
    """The document of a text. Raises Unreadable. A number too large for a double is still inf in it, see `audit`.

    `nan`: the tokens NaN, Infinity and -Infinity are numbers. `elements`: most elements, see `limit`.
    """
    limit(body, elements)
    tree = parse(body, nan)
    bound(tree, body)
    return tree


def limit(body: bytes, elements: int) -> None:
    """Prove that a text has at most `elements` elements, before any is built. Raises Unreadable("json_elements").

    An element is an object, a list, the name of a member, or 10 plain values. All bytes are counted first; only if
    they are too many are those in strings left out.
    """
    if len(body) > elements and _elements(body) > elements and _elements(_structure(body)) > elements:
        raise Unreadable("json_elements")


def parse(body: bytes, nan: bool = False) -> object:  # noqa: FBT001, FBT002 — see `loads`
    """The document of a text; the caller proves its depth and elements. Raises Unreadable. `nan`: see `loads`."""
    try:
        return jiter.from_json(body, allow_inf_nan=nan, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        raise Unreadable(_code(body, str(error))) from None


def parse_file(raw: bytes) -> object:
    """The document of an operator's file: no name comes twice, and no number is infinite. Raises Unreadable.

    A UTF-8 byte order mark is ignored, because editors write one (RFC 8259 §8.1 permits this).
    """
    raw = raw.removeprefix(BOM_UTF8)
    tree = parse(raw)
    audit(tree, raw)
    return tree


def proven(tree: object, body: bytes) -> object:
    """The document, proven to be finite and not too deep. Raises Unreadable."""
    bound(tree, body)
    audit(tree, body)
    return tree


def dumps(tree: object) -> bytes:
    """The document as bytes. Integers keep their digits: one that orjson refuses (over 64 bits) takes a slower path."""
    try:
        return orjson.dumps(tree)
    except TypeError:
        return json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def audit(tree: object, body: bytes, nan: bool = False) -> None:  # noqa: FBT001, FBT002 — see `loads`
    """Prove that the parts without a schema are finite. Raises Unreadable("json_number"). `nan`: see `loads`.

    A literal beyond a double has an exponent of three digits, or hundreds of digits: text without either needs no walk.
    """
    shape = body.translate(_SHAPE).find  # `in` first tries bytes as a number, which raises each time
    if shape(b"e000") < 0 and shape(b"e+000") < 0 and shape(_LONG) < 0 and not (nan and b"Infinity" in body):
        return
    level: list[Any] = [tree]
    while level:
        if any(
            isinf(value) if type(value) is float else type(value) is int and not -BEYOND < value < BEYOND for value in level
        ):
            raise Unreadable("json_number")
        level = _below(level)


def exact(tree: object, body: bytes, least: int, largest: int) -> None:
    """Prove that every integer is within bounds beyond which readers differ. Raises Unreadable("json_number").

    Such an integer has 16 digits in a row that do not follow a point, so most texts need no walk.
    """
    shape = body.translate(_SHAPE)
    if shape.find(_SIXTEEN) < 0 or shape.replace(b"." + _SIXTEEN, b".").find(_SIXTEEN) < 0:
        return
    level: list[Any] = [tree]
    while level:
        if any(type(value) is int and not least <= value <= largest for value in level):
            raise Unreadable("json_number")
        level = _below(level)


def bound(tree: object, body: bytes) -> None:
    """Prove that nothing lies too deep. Raises Unreadable("json_depth"). Many brackets side by side are not deep."""
    if len(body) <= MAX_DEPTH or body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return
    level: list[Any] = [tree]
    for _ in range(MAX_DEPTH + 1):
        level = [value for value in level if type(value) is dict or type(value) is list]
        if not level:
            return
        level = _below(level)
    raise Unreadable("json_depth")


def _elements(body: bytes) -> int:
    return body.count(b"{") + body.count(b"[") + body.count(b":") + body.count(b",") // PLAIN


def _structure(body: bytes) -> bytes:
    """The structural bytes outside of strings.

    Two adjacent quotes can be removed: every other byte stays inside or outside of strings as before. So only strings that
    hold a structural byte need to be cut out.
    """
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    quoted = body.translate(None, _NO_STRUCTURE).replace(b'""', b"")
    return b"".join(quoted.split(b'"')[::2])


def _below(level: list[Any]) -> list[Any]:
    """The items and members of the lists and objects of one level."""
    lists = chain.from_iterable([value for value in level if type(value) is list or type(value) is tuple])
    return [*lists, *chain.from_iterable([value.values() for value in level if type(value) is dict])]


def _code(body: bytes, message: str) -> UnreadableCode:
    """The code of jiter's error. A key in the message cannot forge another code: only fixed beginnings are compared."""
    if message.startswith("Detected duplicate key"):
        return "json_duplicate"
    if message.startswith("recursion limit"):
        return "json_depth"
    if message.startswith("number out of range"):
        return "json_number"
    if body.startswith(BOM_UTF8):
        return "json_bom"
    if body.startswith(_BOMS) or b"\x00" in body[:4]:
        return "json_encoding"
    if "surrogate" in message or "hex escape" in message:
        return "json_surrogate"
    try:
        body.decode()
    except UnicodeDecodeError:
        return "json_encoding"
    return "json_number" if _at_token(body, message) else "json_syntax"


def _at_token(body: bytes, message: str) -> bool:
    """Whether the parser stopped at NaN or Infinity, which JSON does not have."""
    _, _, place = message.rpartition(" at line ")
    line, _, column = place.partition(" column ")
    if not (line.isascii() and line.isdigit() and column.isascii() and column.isdigit()):
        return False
    start = 0
    for _ in range(int(line) - 1):
        start = body.find(b"\n", start) + 1
    offset = start + int(column) - 1
    return any(body.startswith(token, at) for token in _TOKENS for at in (offset, offset - 1, offset - 2) if at >= 0)
