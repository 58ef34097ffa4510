"""The model server never receives a document that reads differently from the one that was judged.

What the contract accepts and forwards is read by five parsers (json, orjson, pydantic, msgspec, node); each must find the
judged document. Same = equal as double or as exact integer.
"""

import json
import math
import shutil
import subprocess
from collections.abc import Iterator

import msgspec
import orjson
import pydantic_core
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard.proxy.values import Amend, Deny
from tests.contract.making import JSON, WALL, input_of

OPEN = "undeclared: pass\ninput: {age: {type: integer, required: false}, x: {type: number, required: false}, o: {type: object, required: false}}"
STRIP = OPEN.replace("pass", "strip")

NODE = """
const lines = require('readline').createInterface({input: process.stdin});
const show = v => v === null || typeof v === 'boolean' || typeof v === 'string' ? v
  : typeof v === 'number' ? {$n: Object.is(v, -0) ? '-0' : String(v)}
  : Array.isArray(v) ? v.map(show) : {$o: Object.keys(v).map(k => [k, show(v[k])])};
lines.on('line', line => {
  let out; try { out = {ok: show(JSON.parse(Buffer.from(line, 'base64').toString('utf8')))} } catch (e) { out = {no: 1} }
  process.stdout.write(JSON.stringify(out) + '\\n');
});
"""


class Node:
    """One long-lived JavaScript engine that reads documents."""

    def __init__(self) -> None:
        binary = shutil.which("node") or shutil.which("nodejs")
        assert binary, "these tests read JSON with node: apt-get install nodejs"
        self.process = subprocess.Popen([binary, "-e", NODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, body: bytes) -> object:
        import base64

        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(base64.b64encode(body) + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "ok" in answer, f"node refuses {body!r}"
        return self._plain(answer["ok"])

    def _plain(self, value: object) -> object:
        if isinstance(value, dict):
            if "$n" in value:
                return float(value["$n"])
            return {key: self._plain(item) for key, item in value["$o"]}
        return [self._plain(item) for item in value] if isinstance(value, list) else value

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.close()


def same(one: object, other: object) -> bool:
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        if isinstance(one, int) and isinstance(other, int):
            return one == other
        try:
            return float(one) == float(other)
        except OverflowError:
            return False
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def finite(value: object) -> bool:
    """A document whose integers are doubles too; beyond, parsers that only know doubles cannot agree."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**1023
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    return all(map(finite, value)) if isinstance(value, list) else not isinstance(value, float) or math.isfinite(value)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**53 + 1, 2**64, -0.0, 1e308]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
documents = st.dictionaries(st.one_of(st.sampled_from(["age", "x", "o"]), texts), values, max_size=5)


def holds(text: str, body: bytes, node: Node) -> None:
    verdict = input_of_cached(text).judge(JSON, body, WALL)
    if isinstance(verdict, Deny):
        return
    assert isinstance(verdict, Amend)
    judged = verdict.document
    if not finite(judged):
        return
    assert same(json.loads(verdict.body), judged)
    assert same(pydantic_core.from_json(verdict.body), judged)
    assert same(node.read(verdict.body), judged)
    assert same(msgspec.json.decode(verdict.body), judged)
    assert same(orjson.loads(verdict.body), judged)


_CONTRACTS: dict[str, object] = {}


def input_of_cached(text: str):
    if text not in _CONTRACTS:
        _CONTRACTS[text] = input_of(text)
    return _CONTRACTS[text]


@given(documents)
@example({"age": 2**64 + 1, "x": 2**53 + 1, "o": {"deep": [2**65]}})
def test_what_is_forwarded_reads_as_it_was_judged(node: Node, document: dict[str, object]) -> None:
    body = json.dumps(document).encode()
    for text in (OPEN, STRIP):
        holds(text, body, node)


@given(documents, st.data())
def test_mutated_text_is_refused_or_reads_as_it_was_judged(
    node: Node, document: dict[str, object], data: st.DataObject
) -> None:
    body = bytearray(json.dumps(document, ensure_ascii=data.draw(st.booleans())).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        kind = data.draw(st.sampled_from(["insert", "delete", "swap", "double"]))
        piece = data.draw(st.sampled_from([b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"0", b"e9", b"NaN", b"\x00", b"\xff",
                                           b"\\ud800", b'"age":1,', b'"a":1,"a":2,', b"1e400", b" ", b"\xef\xbb\xbf", b"//"]))  # fmt: skip
        if kind == "insert":
            body[at:at] = piece
        elif kind == "delete":
            del body[at : at + len(piece)]
        elif kind == "swap":
            body[at : at + len(piece)] = piece
        else:
            body[at:at] = body[max(0, at - 6) : at]
    for text in (OPEN, STRIP):
        holds(text, bytes(body), node)


@given(documents)
def test_no_violation_names_what_a_client_chose(document: dict[str, object]) -> None:
    canary = "canary4711"
    document = {**{f"{key}{canary}": value for key, value in document.items()}, "age": canary, "x": canary, "o": canary}
    for undeclared in ("reject", "strip"):
        verdict = input_of_cached(OPEN.replace("pass", undeclared)).judge(JSON, json.dumps(document).encode(), WALL)
        assert isinstance(verdict, Deny)
        assert verdict.violations
        assert canary not in repr(verdict.violations)
