"""JSON that reads the same everywhere, under any bytes.

Laws:
- `loads` and `audit` raise Unreadable and nothing else;
- what they accept, the standard library reads as the same value: finite numbers, no duplicate key at any depth, at most
  64 levels, UTF-8 without a byte order mark;
- what `dumps` writes of it, json and orjson read as the same value; it is never refused.

The standard library's reader written in Python runs where fuzz/run.py can see its coverage; it leads the fuzzer through
the grammar, which jiter, being native, cannot.
"""

import json
from json import decoder, scanner
from math import isfinite

import orjson

from guard.contract.strict import MAX_DEPTH, Unreadable, audit, dumps, loads

WORDS = [
    b"null", b"true", b"false", b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-0", b"-0.0", b"0.1e-7", b"1E+2", b"\\u0000",
    b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b'"a":', b'{"a":1,"a":2}', b"\xef\xbb\xbf", b"\xed\xa0\x80", b"[[[[[[[[",
    b"]]]]]]]]", b"18446744073709551616", b"9223372036854775808", b"\\/", b"\xc0\x80", b"\xf4\x90\x80\x80", b"5e-324",
    b"1.7976931348623157e308", b"1.7976931348623159e308",
]  # fmt: skip
ORJSON_INTEGERS = range(-(2**63), 2**64)


class _Reader(json.JSONDecoder):
    """The standard library's reader in Python; no oracle, for it reads line feeds as hex digits in an escape."""

    def __init__(self) -> None:
        super().__init__()
        self.parse_string = decoder.py_scanstring
        self.scan_once = scanner.py_make_scanner(self)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate")
    return made


def _no_constant(word: str) -> object:
    raise ValueError(word)


def same(one: object, other: object) -> bool:
    """Equal in value and in kind: 1, 1.0 and True are three values, 0.0 and -0.0 two."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else one == other


def lawful(tree: object, depth: int = 0) -> bool:
    """Finite, not too deep, and text that UTF-8 can say."""
    if isinstance(tree, dict):
        return depth < MAX_DEPTH and all(lawful(key) and lawful(value, depth + 1) for key, value in tree.items())
    if isinstance(tree, list):
        return depth < MAX_DEPTH and all(lawful(value, depth + 1) for value in tree)
    if isinstance(tree, str):
        return not any("\ud800" <= character <= "\udfff" for character in tree)
    return not isinstance(tree, float) or isfinite(tree)


def lead(data: bytes) -> None:
    """Read where the fuzzer can see how far the reader came; what it says does not count."""
    try:
        _Reader().decode(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return


def reference(data: bytes) -> object:
    """The value by the standard library; raises ValueError or RecursionError where it has none that we accept."""
    text = data.decode("utf-8")
    tree = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    if not lawful(tree):
        raise ValueError("not ours")
    return tree


def _wide(tree: object) -> bool:
    """Whether an integer is in it that orjson reads as a float."""
    if isinstance(tree, dict):
        return any(map(_wide, tree.values()))
    return any(map(_wide, tree)) if isinstance(tree, list) else type(tree) is int and tree not in ORJSON_INTEGERS


def check(data: bytes) -> None:
    """Hold one input against every law."""
    try:
        lead(data)
        expected: object = reference(data)
        readable = True
    except (ValueError, RecursionError):
        readable = False
    try:
        tree = loads(data)
        audit(tree, data)
    except Unreadable as refusal:
        assert refusal.__cause__ is None
        assert not readable, f"refused as {refusal.code} what json reads"
        return
    assert readable, "accepted what the law refuses"
    assert same(tree, expected), f"read as {tree!r}, by json as {expected!r}"
    written = dumps(tree)
    assert same(loads(written), tree), "reads otherwise after it was written"
    assert same(json.loads(written), tree), "json reads otherwise what was written"
    if not _wide(tree):
        assert same(orjson.loads(written), tree), "orjson reads otherwise what was written"


def seeds() -> list[bytes]:
    """A zoo: every kind of value, and every way known to be read differently by two readers."""
    results = [
        b'{"a":[1,-2.5e3,true,null,"x"],"b":{"c":{}}}', b" [ ] ", b'"\\u00e9\\ud83d\\ude00\\n"', '"é😀"'.encode(), b"0",
        b"-0", b"-0.0", b"1e5", b"1E-7", b"123456789012345678901234567890", b"18446744073709551616",
        b"-9223372036854775809",
        b"0.1", b"5e-324", b"1.7976931348623157e308", b"9007199254740993", b"1.0", b"[1,1.0,true]", b"[" * 64 + b"]" * 64,
        b'{"a":' * 64 + b"1" + b"}" * 64, b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', b'{"":1," ":2}', b'"\x7f\xc2\x80"',
    ]  # fmt: skip
    refused = [
        b"", b" ", b"{", b"[1,]", b'{"a":1,}', b"{'a':1}", b"01", b"+1", b".5", b"1.", b"1e", b"-", b"NaN", b"[Infinity]",
        b"-Infinity", b"1e400", b"[-1e999]", b'{"a":1,"a":2}', b'[{"a":{"b":1,"b":1}}]', b'{"a":1,"\\u0061":2}',
        b"[" * 65 + b"]" * 65,
        b"\xef\xbb\xbf{}", b"{}\x00", b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"', b'"\xff"', b'"\t"', b"1 2",
        b"\x0b1",
        b"// c\n1", b'"\\x41"', b"tru", b"\xff\xfe1\x00", b"\xc2\xa01",
    ]  # fmt: skip
    return results + refused
