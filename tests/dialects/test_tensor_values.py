"""A datatype is held: each value of a tensor is one of its datatype's, in JSON and in bytes, asked and answered."""

import json
import struct
from typing import Any

import pytest

from guard.policy.errors import PolicyInvalid
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import Allow, Deny, Head
from tests.dialects.speaking import JSON, ask, compiled, dumps, forwarded, refused

OCTETS = [(b"content-type", b"application/octet-stream")]
LETTERS = {
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
}  # fmt: skip
HELD: dict[str, list[Any]] = {
    "BOOL": [True, False],
    **{f"UINT{bits}": [0, 2**bits - 1, 1.0, -0.0] for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, -1.0] for bits in (8, 16, 32, 64)},
    "FP32": [3.4028234663852886e38, 3.4028235e38, -3.4028235677973362e38, 0.1, 1, 2**127, 1e-60],
    "FP64": [1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 10**308],
    "BYTES": ["", "ä"],
}
NOT_HELD: dict[str, list[tuple[Any, str]]] = {
    "BOOL": [(2, "max"), (-1, "min"), (0.5, "type"), ("true", "type")],
    **{
        f"UINT{bits}": [(2**bits, "max"), (-1, "min"), (0.5, "type"), (True, "type"), ("1", "type")]
        for bits in (8, 16, 32, 64)
    },
    **{
        f"INT{bits}": [(2 ** (bits - 1), "max"), (-(2 ** (bits - 1)) - 1, "min"), (1.5, "type"), (False, "type")]
        for bits in (8, 16, 32, 64)
    },
    "FP32": [(1e39, "max"), (-1e39, "min"), (3.4028235677973366e38, "max"), (2**128, "max"), (True, "type"), ("1", "type")],
    "FP64": [(True, "type"), ("1", "type")],
    "BYTES": [(1, "type"), (True, "type")],
}
UINT64_WITH_FRACTION = [("UINT64", 18446744073709551615.0, "max"), ("INT64", -9223372036854775808.0, "min")]
"""Written as doubles, which have lost the last digits."""
TYPES = {"BOOL": "boolean", "BYTES": "string", "FP32": "number", "FP64": "number"}


def route_of(datatype: str, items: str = "") -> Any:
    kind = TYPES.get(datatype, "integer")
    return compiled(
        f"dialect: oip\ninput: {{x: {{type: array, datatype: {datatype}, items: {{type: {kind}{items}}}}}}}\n"
        f"output: {{y: {{type: array, datatype: {datatype}, items: {{type: {kind}}}}}}}"
    )


def tensor(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [1, len(data)], "data": data}


def binary(name: str, datatype: str, count: int, raw: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    entry = {"name": name, "datatype": datatype, "shape": [1, count], "parameters": {"binary_data_size": len(raw)}}
    text = dumps({"inputs" if name == "x" else "outputs": [entry]})
    return [*OCTETS, (b"inference-header-content-length", b"%d" % len(text))], text + raw


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(datatype, value, id=f"{datatype}-{value}") for datatype, values in table.items() for value in values
    ]


@pytest.mark.parametrize(("datatype", "value"), cases(HELD))
def test_a_value_of_the_datatype_passes_asked_and_answered(datatype: str, value: Any) -> None:
    route = route_of(datatype)
    _, sent = forwarded(ask(route, JSON, dumps({"inputs": [tensor("x", datatype, [value])]})))
    [written] = json.loads(sent)["inputs"][0]["data"]
    assert written == (float(value) if datatype in ("FP32", "FP64") else value)
    assert type(route.output.judge(dumps({"outputs": [tensor("y", datatype, [value])]}), None, JSON)) is Allow


@pytest.mark.parametrize(
    ("datatype", "value", "code"),
    [(datatype, value, code) for datatype, wrong in NOT_HELD.items() for value, code in wrong] + UINT64_WITH_FRACTION,
)
def test_a_value_that_is_none_of_the_datatype_is_refused_asked_and_answered(datatype: str, value: Any, code: str) -> None:
    route = route_of(datatype)
    good = HELD[datatype][0]
    flat = dumps({"inputs": [tensor("x", datatype, [good, value])]})
    assert refused(route, JSON, flat) == [f"/inputs/0/data/1 {code}"]
    nested = dumps({"inputs": [tensor("x", datatype, [[good, value]])]}).replace(b"[1, 1]", b"[1, 2]")
    assert refused(route, JSON, nested) == [f"/inputs/0/data/0/1 {code}"]
    verdict = route.output.judge(dumps({"outputs": [tensor("y", datatype, [good, value])]}), None, JSON)
    assert isinstance(verdict, Deny)
    assert [violation.code for violation in verdict.violations] == [code]


@pytest.mark.parametrize("datatype", sorted(LETTERS))
def test_every_pattern_of_bytes_is_an_integer_of_its_datatype(datatype: str) -> None:
    route = route_of(datatype)
    least, largest = HELD[datatype][0], HELD[datatype][1]
    raw = struct.pack(f"<2{LETTERS[datatype]}", least, largest)
    headers, body = binary("x", datatype, 2, raw)
    permit = ask(route, headers, body)
    assert permit.document == [{"x": [least, largest]}]
    assert forwarded(permit)[1].endswith(raw)


def test_a_byte_of_a_boolean_tensor_is_0_or_1() -> None:
    route = route_of("BOOL")
    headers, body = binary("x", "BOOL", 2, b"\0\1")
    assert ask(route, headers, body).document == [{"x": [False, True]}]
    headers, body = binary("x", "BOOL", 2, b"\0\2")
    assert refused(route, headers, body) == ["/inputs/0 max"]
    headers, body = binary("y", "BOOL", 2, b"\0\2")
    assert isinstance(route.output.judge(body, None, headers), Deny)


@pytest.mark.parametrize(
    ("datatype", "raw"), [("FP32", b"\0\0\x80\x7f"), ("FP64", b"\0\0\0\0\0\0\xf0\xff"), ("FP16", b"\0\x7c")]
)
def test_infinity_is_no_value_of_a_binary_tensor(datatype: str, raw: bytes) -> None:
    route = compiled(
        f"dialect: oip\ninput: {{x: {{type: array, datatype: {datatype}, items: {{type: number}}}}}}\n"
        f"output: {{y: {{type: array, datatype: {datatype}, items: {{type: number}}}}}}"
    )
    headers, body = binary("x", datatype, 1, raw)
    assert refused(route, headers, body) == ["/inputs/0 not_finite"]
    headers, body = binary("y", datatype, 1, raw)
    assert isinstance(route.output.judge(body, None, headers), Deny)


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "BF16"])
def test_any_finite_bytes_are_forwarded_as_they_came(datatype: str) -> None:
    size = {"FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8}[datatype]
    route = compiled(f"dialect: oip\ninput: {{x: {{type: array, datatype: {datatype}, items: {{type: number}}}}}}")
    values = [bytes([at] * (size - 1) + [at * 7 % (0x7C if datatype == "FP16" else 0x7F)]) for at in range(64)]
    headers, body = binary("x", datatype, len(values), b"".join(values))
    assert forwarded(ask(route, headers, body))[1].endswith(b"".join(values))


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_what_has_no_form_in_json_is_refused_there(datatype: str) -> None:
    route = compiled(f"dialect: oip\ninput: {{x: {{type: array, datatype: {datatype}, items: {{type: number}}}}}}")
    body = dumps({"inputs": [tensor("x", datatype, [65520])]})
    assert refused(route, JSON, body) == ["/inputs/0/datatype type"]


def test_a_tensor_that_nobody_declared_keeps_its_datatype_too() -> None:
    route = compiled("dialect: oip\ninput: {n: {type: integer}}\nundeclared: pass")
    both = [tensor("n", "INT64", [1]), tensor("x", "UINT8", [300])]
    assert refused(route, JSON, dumps({"inputs": both})) == ["/inputs/1/data/0 max"]
    other = compiled("dialect: oip\noutput: {y: {type: integer}}")
    answers = [tensor("y", "INT64", [1]), tensor("z", "UINT8", [300])]  # the client's affair, as all undeclared outputs
    assert type(other.output.judge(dumps({"outputs": answers}), None, JSON)) is Allow


def test_an_integer_tensor_whose_contract_is_of_numbers_stays_one_of_integers() -> None:
    route = compiled("dialect: oip\ninput: {x: {type: number, datatype: INT32}}")
    _, sent = forwarded(ask(route, JSON, dumps({"inputs": [{**tensor("x", "INT32", [5]), "shape": [1]}]})))
    assert b'"data":[5]' in sent
    headers, body = binary("x", "INT32", 1, b"\5\0\0\0")
    assert forwarded(ask(route, headers, body))[1].endswith(b"\5\0\0\0")


@pytest.mark.parametrize(
    "field",
    ["{type: integer, datatype: UINT8, default: 300}", "{type: number, datatype: FP32, default: 1e39}",
     "{type: array, datatype: INT8, items: {type: integer}, default: [1, 200]}", "{enum: [1, 300], type: integer, datatype: UINT8}"],
)  # fmt: skip
def test_a_policy_says_only_values_that_the_datatype_has(field: str) -> None:
    with pytest.raises(PolicyInvalid, match="not a value of"):
        compiled(f"dialect: oip\ninput: {{x: {field}}}")


def test_what_observation_lets_through_is_told() -> None:
    route = compiled("dialect: oip\nenforcement: observe\ninput: {x: {type: integer, datatype: UINT8}}")
    context = Context(Head(b"POST", b"/p", JSON), "r", 0.0)
    judge(context, route, dumps({"inputs": [{**tensor("x", "UINT8", [300]), "shape": [1]}]}), 0.0, 1_800_000_000.0)
    assert [(violation.pointer, violation.code) for violation in context.record.violations] == [("/inputs/0/data/0", "max")]


INTEGER_BOUNDS = [
    (datatype, value) for datatype in sorted(LETTERS) for value in HELD[datatype][:2]
] + [("INT64", 2**53 + 1), ("INT64", -(2**53) - 1), ("UINT64", 2**63 + 1)]  # fmt: skip


@pytest.mark.parametrize(("datatype", "value"), INTEGER_BOUNDS)
@pytest.mark.parametrize("kind", ["number", "integer"])
def test_an_integer_tensor_keeps_all_digits_whatever_the_contract_calls_them(datatype: str, value: int, kind: str) -> None:
    fields = f"a: {{type: {kind}}}\n  b: {{type: {kind}}}\n  c: {{type: {kind}, send: false}}"
    raw = struct.pack(f"<3{LETTERS[datatype]}", value, 1, 2)
    rows = compiled(f"dialect: oip\nrows: /m\ncolumns: [a, c, b]\ninput:\n  {fields}")
    entry = {"name": "m", "shape": [1, 3], "datatype": datatype}
    _, sent = forwarded(ask(rows, JSON, dumps({"inputs": [{**entry, "data": [value, 2, 1]}]})))
    assert json.loads(sent)["inputs"][0]["data"] == [value, 1]
    single = compiled(f"dialect: oip\ninput: {{x: {{type: {kind}, datatype: {datatype}}}}}")
    _, sent = forwarded(ask(single, JSON, dumps({"inputs": [{**tensor("x", datatype, [value, 1, 2]), "shape": [3]}]})))
    assert json.loads(sent)["inputs"][0]["data"] == [value, 1, 2]
    many = compiled(f"dialect: oip\ninput: {{x: {{type: array, datatype: {datatype}, items: {{type: {kind}}}}}}}")
    for route in (many, compiled("dialect: oip\nundeclared: pass\ninput: {n: {type: integer, required: false}}")):
        headers, body = binary("x", datatype, 3, raw)
        assert forwarded(ask(route, headers, body))[1].endswith(raw)


@pytest.mark.parametrize(
    ("kind", "default"), [("number", "7.5"), ("number", "1e39"), ("integer", "300"), ("integer", "-1")]
)
def test_a_default_that_the_tensor_of_rows_cannot_hold_is_refused(kind: str, default: str) -> None:
    fields = f"a: {{type: {kind}, default: {default}}}\n  b: {{type: {kind}}}"
    route = compiled(f"dialect: oip\nrows: /m\ncolumns: [a, b]\ninput:\n  {fields}")
    body = dumps({"inputs": [{"name": "m", "shape": [1, 2], "datatype": "UINT8", "data": [None, 5]}]})
    assert refused(route, JSON, body) == ["/inputs/0/datatype type"]
