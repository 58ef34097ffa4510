"""Strict JSON: what is refused, with its code; what is read, exactly."""

import json

import pytest

from guard.contract.strict import MAX_DEPTH, Unreadable, audit, dumps, loads


def code(body: bytes) -> str:
    with pytest.raises(Unreadable) as refused:
        audit(loads(body), body)
    return refused.value.code


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "json_syntax"),
        (b"   ", "json_syntax"),
        (b"{} {}", "json_syntax"),
        (b'{"a":1}\x00', "json_syntax"),
        (b'{"a":1,}', "json_syntax"),
        (b"{'a':1}", "json_syntax"),
        (b"[01]", "json_syntax"),
        (b"[1.]", "json_syntax"),
        (b"[+1]", "json_syntax"),
        (b"[.5]", "json_syntax"),
        (b"[0x1]", "json_syntax"),
        (b'["\x01"]', "json_syntax"),
        (b"// c\n{}", "json_syntax"),
        (b'{"a":1,"a":2}', "json_duplicate"),
        (b'{"a":1,"\\u0061":2}', "json_duplicate"),
        (b'{"x":{"y":[{"a":1,"a":1}]}}', "json_duplicate"),
        (b'{"recursion limit":1,"recursion limit":2}', "json_duplicate"),
        (b'{"number out of range":1,}', "json_syntax"),
        (b"[NaN]", "json_number"),
        (b'{"a": Infinity}', "json_number"),
        (b'{"a":\n -Infinity}', "json_number"),
        (b"[1e400]", "json_number"),
        (b"[1E+0400]", "json_number"),
        (b'[[{"a": [1, ' + b"9" * 250 + b"e99]}]]", "json_number"),
        (b"[" + b"9" * 310 + b".5]", "json_number"),
        (b"[-1E+999]", "json_number"),
        (b"[" + b"9" * 5000 + b"]", "json_number"),
        (b"\xef\xbb\xbf{}", "json_bom"),
        ('{"a":1}'.encode("utf-16"), "json_encoding"),
        ('{"a":1}'.encode("utf-16-le"), "json_encoding"),
        (b'["\xff"]', "json_encoding"),
        (b'["\xc0\xaf"]', "json_encoding"),
        (b'["\\ud800"]', "json_surrogate"),
        (b'["\\ud800x"]', "json_surrogate"),
        (b'{"\\ud83d\\ud83d": 1}', "json_surrogate"),
        (b'["\\udc00\\ud800"]', "json_surrogate"),
        (b'{"\xff":1}', "json_encoding"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "json_depth"),
        (b'{"a":' * 150 + b"1" + b"}" * 150, "json_depth"),
        (b"[" * 30_000, "json_depth"),
        (b'{"a":' * 16_000, "json_depth"),
    ],
)
def test_refused(body: bytes, expected: str) -> None:
    assert code(body) == expected


def test_the_deepest_that_is_allowed() -> None:
    body = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert dumps(loads(body)) == body


def test_many_brackets_side_by_side_are_no_depth() -> None:
    assert len(loads(b"[" + b",".join([b"[[]]"] * 1000) + b"]")) == 1000  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "number", ["0", "-0", "-0.0", "1e-400", "1E5", str(2**53 + 1), str(2**63), str(2**64 + 1), "9" * 400]
)
def test_numbers_keep_their_value(number: str) -> None:
    assert json.loads(dumps(loads(number.encode()))) == json.loads(number)


def test_a_huge_number_is_refused_in_bounded_time() -> None:
    assert code(b"9" * 10_000_000) == "json_number"


@pytest.mark.parametrize(
    "body", [b"[1e308]", b"[1e-400]", b"[" + b"9" * 250 + b"e50]", b"[" + b"9" * 308 + b"]", b'["1e400"]']
)
def test_large_is_not_infinite(body):
    tree = loads(body)
    audit(tree, body)
    assert json.loads(dumps(tree)) == json.loads(body)
