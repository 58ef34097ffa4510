"""The contract of a running guard: from the admin API, and held against what the running guard answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.cli.test_cli import valid
from tests.sidecar import WITHIN, Sidecar, sidecar
from tests.test_operators import model  # noqa: F401 — a fixture
from tests.test_serve import Model

POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 0s
listen: {limits: {target: 1KiB, header_bytes: 4KiB}}
admin: {tokens: {file: tokens}}
routes:
  POST /predict:
    max_body: 1KiB
    timeout: {connect: 200ms, attempt: 300ms, request: 2s}
    input: {age: {type: integer, min: 18}, at: {type: timestamp, freshness: {stale: 1h}, required: false}}
    output: {label: {enum: [a, b]}}
    fallback: [{rules: [{when: age < 100, answer: {label: a}}]}]
    breaker: {consecutive_failures: 1000, minimum_calls: 1000}
  POST /alone:
    input: {age: {type: integer}}
    output: {label: {enum: [a, b]}}
    fallback: [{disabled: {status: 418}}]
    breaker: {consecutive_failures: 1, open_for: 1m}
  POST /bare: passthrough
"""
VIEWER = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def guard(model: Model, tmp_path: Path) -> Iterator[Sidecar]:  # noqa: F811
    from guard.control.tokens import line

    (tmp_path / "tokens").write_text(line("vera", "viewer", VIEWER))
    (tmp_path / "policy.yaml").write_text(POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}"))
    model.answer = (200, b'{"label":"b"}')
    with sidecar("policy.yaml", folder=tmp_path) as running:
        running.wait_for("admin")
        yield running


@pytest.fixture
def api(guard: Sidecar) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {VIEWER}"}
    with httpx2.Client(base_url=f"http://{guard.wait_for('admin')['listen']}/admin/v1", headers=headers, trust_env=False, timeout=WITHIN) as client:  # fmt: skip
        yield client


def test_a_viewer_reads_it_in_the_form_that_is_asked_for(api: httpx2.Client) -> None:
    page = api.get("/contract")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/markdown; charset=utf-8"
    assert page.text.startswith("# Contract: `t`")
    assert api.get("/contract", headers={"accept": "text/html;q=0.1, text/*;q=0.5"}).text == page.text
    valid("contract.schema.json", api.get("/contract", params={"format": "json"}).json())
    assert (
        valid("contract.schema.json", api.get("/contract", headers={"accept": "application/json"}).json())["service"] == "t"
    )
    named = api.get("/contract", params={"format": "openapi"}, headers={"accept": "text/markdown"})
    assert named.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.1"
    OpenAPIV31SpecValidator(named.json()).validate()
    accepted = api.get("/contract", headers={"accept": "application/vnd.oai.openapi+json;version=3.1"})
    assert accepted.json() == named.json()
    text = api.get("/contract", headers={"accept": "application/vnd.oai.openapi;q=0.9, text/markdown;q=0.1"})
    assert text.headers["content-type"] == "application/vnd.oai.openapi;version=3.1"
    assert text.text.startswith("openapi: 3.1.0\n")


def test_what_it_has_not_is_refused(api: httpx2.Client) -> None:
    for params, headers, status in (
        ({"format": "pdf"}, {}, 422),
        ({}, {"accept": "image/png"}, 406),
        ({}, {"accept": "text/markdown;q=0"}, 406),
        ({}, {"authorization": "Bearer x"}, 401),
    ):
        refused = api.get("/contract", params=params, headers=headers)
        assert refused.status_code == status
        assert "pdf" not in refused.text
        assert "png" not in refused.text
    assert api.post("/contract").status_code == 405


def test_a_reload_is_seen_in_it(guard: Sidecar, api: httpx2.Client, tmp_path: Path) -> None:
    text = (tmp_path / "policy.yaml").read_text()
    (tmp_path / "policy.yaml").write_text(text.replace("min: 18", "min: 21"))
    guard.wait_for("policy")
    fields = api.get("/contract", params={"format": "json"}).json()["routes"][0]["fields"]
    assert fields[0]["bounds"] == {"min": 21}


def answers(guard: Sidecar, model: Model) -> Iterator[tuple[str, httpx2.Response]]:  # noqa: F811
    """Everything that can be made to happen from outside, by route."""
    good, alone = {"age": 20}, {"x-guard-no-fallback": "1"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{guard.port}", trust_env=False, timeout=WITHIN) as client:

        def ask(route: str, content: Any = good, **headers: str) -> tuple[str, httpx2.Response]:
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            sent = {
                "content-type": "application/json",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            }
            return f"POST {route.partition('?')[0]}", client.post(route, content=raw, headers=sent)

        yield ask("/predict")
        yield ask("/predict", {"age": 1})
        yield ask("/predict", {"age": 20, "at": "1999-01-01T00:00:00Z"})
        yield ask("/predict", {"age": 20, "at": "1999-01-01T00:00:00Z"}, **alone)
        for bad in (
            b"{",
            b'{"age":20,"age":21}',
            b"[" * 100 + b"]" * 100,
            b'{"age":1e999}',
            b'{"age":"\xff"}',
            b'\xef\xbb\xbf{"age":20}',
            b'{"age":"\\ud800"}',
        ):
            yield ask("/predict", bad)
        yield ask("/predict", content_type="text/plain")
        yield ask("/predict", b" " * 2000)
        yield ask(f"/predict?{'x' * 2000}")
        yield ask("/predict", x=("x" * 5000))
        yield ask("/alone", {"age": "1"})
        yield ask("/bare", b"anything", content_type="x/y")
        for status in (400, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504):
            model.answer = (status, b"{}")
            yield ask("/predict")
            yield ask("/predict", **alone)
            yield ask("/bare")
        model.answer = (200, b'{"label":"z"}')
        yield ask("/predict", **alone)
        yield ask("/predict", {"age": 200})  # no rule applies
        model.answer = (500, b"{}")
        yield ask("/alone")
        yield ask("/alone")
        yield ask("/alone", **alone)
        model.hold.clear()
        yield ask("/predict", **alone)
        model.hold.set()
        model.shutdown()
        model.server_close()
        yield ask("/predict", **alone)
        yield ask("/predict")
        yield ask("/bare")


def test_every_answer_that_can_be_had_is_in_it(guard: Sidecar, api: httpx2.Client, model: Model) -> None:  # noqa: F811
    document = api.get("/contract", params={"format": "json"}).json()
    known: dict[str, set[tuple[int, str]]] = {}
    for route in document["routes"]:
        statuses = [*route["statuses"], *document["everywhere"]]
        known[route["route"]] = {(status["status"], code["code"]) for status in statuses for code in status["codes"]}
    seen: dict[str, set[tuple[int, str]]] = {route: set() for route in known}
    sources = {route["route"]: {source["source"] for source in route["sources"]} for route in document["routes"]}
    for route, answer in answers(guard, model):
        source = answer.headers.get("x-guard-source")
        assert source is None or source in sources[route]
        if answer.headers.get("content-type") != "application/problem+json":
            assert source in {"model", "rules"}
            continue
        found = (answer.status_code, answer.json()["code"])
        assert found in known[route], (route, found)
        seen[route].add(found)
    assert {code for _, code in seen["POST /predict"]} >= {
        "contract", "json_syntax", "json_duplicate", "json_depth", "json_number", "json_encoding", "json_bom", "json_surrogate", "unsupported_media_type",
        "body_too_large", "target_too_long", "headers_too_large", "upstream_refused", "backoff", "status", "invalid",
        "no_rule", "stale", "timeout", "connect",
    }  # fmt: skip
    assert (418, "breaker_open") in seen["POST /alone"]
    assert (503, "breaker_open") in seen["POST /alone"]
    assert (502, "connect") in seen["POST /bare"]
