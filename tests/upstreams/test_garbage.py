"""No client can take a real model server from the others: garbage in each part of a body, and in fields and the query."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.dialects.blame import wrong_bodies
from tests.servers.model_server import ModelServer
from tests.upstreams.families import FAMILIES, JSON, SETOSA, Family
from tests.upstreams.front import before

SIX = 6
MOST_BODIES = 40
BREAKER = "{minimum_calls: 1000, consecutive_failures: 5, open_for: 1h, max_open_for: 1h}"
FIELDS = (
    ("accept", "text/plain"), ("accept", "'"), ("content-language", "'"), ("if-match", '"x"'), ("range", "bytes=9-"),
    ("if-none-match", "*"), ("content-type", "application/json; charset=nope"), ("x-junk", "j" * 6000),
    ("authorization", "'"), ("x-http-method-override", "DELETE"), ("x-request-timeout", "0.06"), ("expect", "nothing"),
    ("inference-header-content-length", "7"), ("connection", "content-type, accept"), ("cookie", "="),
)  # fmt: skip
MORE = {
    "parameters": ({"content_type": "nope"}, "x", [], {"timeout": -1}, {"binary_data_output": "x"}, {"x": None}),
    "outputs": (
        [{"name": "nope"}],
        "x",
        [{}],
        [{"name": 7}],
        [{"name": "predict", "parameters": {"content_type": "nope"}}],
    ),
    "id": (7, {}, "x" * 5000),
    "params": ("x", {"nope": 1}, [], {"nope": {"a": []}}),
    "signature_name": (7, "nope"),
}
"""Members that protocols know beside the instances, with what no server expects there."""


def garbage(family: Family) -> Iterator[bytes]:
    good = family.write([family.row(SETOSA)])
    yield from (good[:-3], b"", b"{}", b"[]", b"null", b'"x"', b"\xff", good + good)
    if family.headers != JSON:
        return
    tree = json.loads(good)
    wrong = [body for _, body in wrong_bodies(tree)]
    yield from wrong[:: 1 + len(wrong) // MOST_BODIES]
    if isinstance(tree, dict):
        for member, values in MORE.items():
            yield from (json.dumps({**tree, member: value}).encode() for value in values)
        for member in ("inputs", "instances"):
            if isinstance(tree.get(member), list) and isinstance(tree[member][0], dict):
                for value in MORE["parameters"]:
                    first = {**tree[member][0], "parameters": value}
                    yield json.dumps({**tree, member: [first, *tree[member][1:]]}).encode()


@pytest.mark.parametrize("mode", ["enforce", "observe"])
@pytest.mark.parametrize("name", FAMILIES)
def test_no_client_can_take_the_model_from_the_others(name: str, mode: str, servers: Callable[[str], ModelServer]) -> None:
    family = FAMILIES[name]
    with before(family, servers(family.server), breaker=BREAKER, more=f"enforcement: {mode}\n") as scene:
        good = family.write([family.row(SETOSA)])
        results: list[object] = []
        for body in dict.fromkeys(garbage(family)):
            statuses = [scene.post(body).status_code for _ in range(SIX)]
            if scene.post(good).headers.get("x-guard-source") != "model":
                results.append((body[:300], statuses))
                break
        for field, value in FIELDS:
            for _ in range(SIX):
                scene.post(good, **{field: value})
            if scene.post(good).headers.get("x-guard-source") != "model":
                results.append((field, value))
                break
        assert not results
