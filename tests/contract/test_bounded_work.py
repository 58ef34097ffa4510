"""Judging one document costs no more than its bytes allow: memory and calls, for any contract and any document.

What is measured is the same on every machine: the peak of Python's memory, and the number of Python and C functions that are
called. `benchmarks/stall.py` measures the time of the same kinds of documents.
"""

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.contract.schema_file import compile_schema_input, compile_schema_output
from guard.privacy.detectors import DETECTORS, compile_detectors
from tests.contract.making import JSON, WALL, input_of, output_of

MEMORY = 160
"""Bytes of Python's memory at the peak for each byte of a document: an empty object is 72 bytes for three of text, there are
two of each at once, and orjson reserves 256 bytes for each item of a list, most of which it never touches."""
CALLS = 4
"""Functions called for each byte of a document. Luhn's checksum makes about 30 for a card of 16 digits."""
MEMORY_ALWAYS = 8 << 20
"""Bytes that a document may cost however short it is: validators made for its mistakes, and 262,144 absent members, which is
what `max_elements` allows at most."""
CALLS_ALWAYS = 100_000
"""The same for calls: 1,000 finds and 64 violations."""

FIELDS = {
    "n": "{type: number, min: 0}",
    "o": "{type: number, required: false}",
    "i": "{type: integer, enum: [1, 2], required: false}",
    "d": "{type: integer, default: 7}",
    "s": "{type: string, max_length: 9, required: false}",
    "t": "{type: timestamp, required: false, freshness: {warn: 1h, stale: 9999h, skew: 5m}}",
    "k": "{type: string, missing: fall}",
    "p": "{type: string, required: false, pattern: '([ab]+c){20}', max_length: 900}",
    "a": "{type: array, items: {type: number}, required: false}",
    "b": "{type: array, required: false, items: {type: array, items: {type: string, nullable: true}}}",
    "m": "{type: object, required: false, fields: {x: {type: number}, y: {type: array, items: {type: integer}}}}",
    "r": "{type: array, required: false, items: {type: object, fields: {x: {type: number}, y: {type: number, default: 1}}}}",
    "u": "{type: object, required: false}",
    "w": f"{{type: string, required: false, detect: [{', '.join(DETECTORS)}]}}",
    "v": f"{{type: array, required: false, items: {{type: string, detect: [{', '.join(DETECTORS)}]}}}}",
}
ANSWERED = ("n", "o", "i", "s", "p", "a", "b", "m", "u")
"""What outputs may be, too."""
WIDE = {f"w{number}": "{type: number, required: false}" for number in range(60)}

ITEMS = st.sampled_from([
    "{}", "[]", '""', "1", "0.5", "null", '{"n":1}', '{"n":-1}', '{"n":1,"k":"a"}', '{"x":1}', '{"x":""}', "[1]", '[""]', "[[]]", "1e9",
    '{"zz":{}}', "[" * 9 + "]" * 9, '"2026-01-01T00:00:00Z"', '"2026-13-01"', '"abc"', '"DE89370400440532013000"', '"a@b.de"', '"aacbbc"',
    '{"n":1,"k":"a","w":"+49 30 901820 or 4111111111111111"}', '{"n":1,"k":"a","p":"abababababab"}', '{"n":1,"r":[{},{},{}]}', '"\\u00e9:{["',
    '{"n":1,"k":"a","t":"2026-01-01T00:00:00Z"}', "true", "12345678901234567890123",
])  # fmt: skip
PLACES = st.sampled_from([
    "[%s]", '{"rows":[%s]}', '{"predictions":[%s]}', '{"n":1,"k":"a","a":[%s]}', '{"n":1,"k":"a","b":[[%s]]}', '{"n":1,"k":"a","r":[%s]}',
    '{"n":1,"k":"a","v":[%s]}', '{"n":1,"k":"a","m":{"x":1,"y":[%s]}}', '{"n":1,"k":"a","z":[%s]}', '{"rows":[{"n":1,"k":"a","a":[%s]}]}',
])  # fmt: skip
SIZES = st.sampled_from([1 << 12, 1 << 15, 1 << 17])


TEXTS = st.sampled_from([
    "DE89370400440532013000 ", "+49 30 901820 ", "192.168.1.1 ", "4111 1111 1111 1111 ", "4111111111111112 ", "a@b.de ", "://a:", "1234 ",
])  # fmt: skip
NAMES, DEPTH, SEARCHED = "names", "depth", "searched"
Body: TypeAlias = tuple[str, str, int]
BODIES: st.SearchStrategy[Body] = st.one_of(
    st.tuples(PLACES, ITEMS, SIZES),
    st.tuples(st.just(SEARCHED), TEXTS, SIZES),
    st.tuples(st.sampled_from([NAMES, DEPTH]), st.just(""), SIZES),
)


def written(body: Body) -> bytes:
    """The document that is described: an item at a place, so often that the size is reached."""
    place, item, size = body
    if place == NAMES:
        text = "{" + ",".join(f'"{number:x}":1' for number in range(size // 9)) + "}"
    elif place == DEPTH:
        text = "[" * size
    elif place == SEARCHED:
        text = json.dumps({"n": 1, "k": "a", "w": item * (size // len(item))})
    else:
        text = place % ",".join([item] * (size // (len(item) + 1) + 1))
    return text.encode()


CONTRACTS = st.builds(
    lambda layout, undeclared, enforcement, names, wide: (
        f"undeclared: {undeclared}\nenforcement: {enforcement}\n{layout}input:\n"
        + "".join(f"  {name}: {text}\n" for name, text in {**{name: FIELDS[name] for name in names}, **wide}.items())
    ),
    st.sampled_from(["", "rows: /rows\n", "rows: ''\n"]),
    st.sampled_from(["strip", "pass", "reject"]),
    st.sampled_from(["enforce", "observe"]),
    st.sets(st.sampled_from([*FIELDS]), min_size=1, max_size=6),
    st.sampled_from([{}, {}, WIDE]),
)
OUTPUTS = st.builds(
    lambda layout, names: f"{layout}input: {{q: {{type: number}}}}\noutput:\n" + "".join(f"  {name}: {FIELDS[name]}\n" for name in names),
    st.sampled_from(["", "rows: /rows\n"]),
    st.sets(st.sampled_from(ANSWERED), min_size=1, max_size=6),
)  # fmt: skip
SCHEMA = {
    "properties": {"n": {"type": "number", "minimum": 0}, "rows": {"items": {"$ref": "#"}}, "a": {"items": {"type": "number"}}},
    "anyOf": [{"required": ["n"]}, {"type": "array", "items": {"type": "object", "required": ["n", "k"]}}, {"required": ["rows"]}],
}  # fmt: skip


def cost(judged: Callable[[], object]) -> tuple[int, int]:
    """Peak of memory in bytes, and functions called."""
    judged()  # whatever is made once
    gc.collect()
    tracemalloc.start()
    try:
        judged()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        judged()
    finally:
        sys.setprofile(before)
    return peak, calls


def bounded(judged: Callable[[], object], body: bytes) -> None:
    peak, calls = cost(judged)
    assert peak <= MEMORY * len(body) + MEMORY_ALWAYS, (peak, len(body))
    assert calls <= CALLS * len(body) + CALLS_ALWAYS, (calls, len(body))


@settings(max_examples=40)
@given(contract=CONTRACTS, described=BODIES)
def test_a_request_costs_no_more_than_its_bytes(contract: str, described: Body) -> None:
    judge, body = input_of(contract, detect=compile_detectors), written(described)
    bounded(lambda: judge.judge(JSON, body, WALL), body)


@settings(max_examples=30)
@given(contract=OUTPUTS, described=BODIES)
def test_an_answer_costs_no_more_than_its_bytes(contract: str, described: Body) -> None:
    judge, body = output_of(contract), written(described)
    bounded(lambda: judge.judge(body), body)


@settings(max_examples=20)
@given(described=BODIES)
def test_a_document_of_a_schema_file_costs_no_more_than_its_bytes(described: Body) -> None:
    requests, answers, body = compile_schema_input(SCHEMA, enforce=True), compile_schema_output(SCHEMA), written(described)
    bounded(lambda: requests.judge(JSON, body, WALL), body)
    bounded(lambda: answers.judge(body), body)
