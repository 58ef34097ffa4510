"""What is compiled of a policy besides its contracts and routes, which have tests of their own."""

from pathlib import Path
from typing import Any

import pytest

from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load
from guard.proxy.values import CallOutcome, Head, Refused

POLICY = """version: guard/v1
service: s
upstream: {url: http://model:1, limits: {concurrency: 7, queue: 8}}
release: {version: "7"}
routes:
  POST /p:
    timeout: {connect: 200ms, attempt: 2s, idle: 9s, request: 5s}
    limits: {queue: 9}
    breaker: {consecutive_failures: 3}
    input: {age: {type: integer}}
    output: {label: {enum: [a]}}
    fallback:
      - previous: {url: http://previous:2, version: "6", limits: {concurrency: 1}, timeout: {attempt: 1s}}
      - cached: {max_age: 1h, entries: 10, bytes: 1MiB}
      - rules: [{answer: {label: a}}]
  GET /*: passthrough
"""


def compiled(tmp_path: Path, text: str = POLICY) -> Any:
    (path := tmp_path / "p.yaml").write_text(text)
    return compile_plan(load(path, environ={}), CompileContext(pool=lambda origin, *_: str(origin)))


def test_the_whole_ladder_in_its_order(tmp_path: Path) -> None:
    route = compiled(tmp_path).routes[0]
    assert [rung.source for rung in route.ladder] == ["model", "previous", "cached", "rules", "disabled"]
    model, previous = route.ladder[:2]
    assert (model.version, previous.version) == ("7", "6")
    assert (model.target.pool, previous.target.pool) == ("http://model:1", "http://previous:2")
    assert (model.target.host, previous.target.host) == (b"model:1", b"previous:2")
    assert (model.target.attempt, previous.target.attempt) == (2.0, 1.0)
    assert (model.target.idle, previous.target.idle, previous.target.connect) == (9.0, 9.0, 0.2)
    assert (model.target.limiter.concurrency, previous.target.limiter.concurrency) == (7, 1)
    assert (model.target.limiter.queue_limit, previous.target.limiter.queue_limit) == (9, 9)
    assert model.target.limiter is not previous.target.limiter
    assert model.breaker is not previous.breaker
    assert model.target.rung_limit is previous.target.rung_limit is route.rung_limit
    assert route.remember is not None


def test_an_observed_or_streamed_route_remembers_nothing(tmp_path: Path) -> None:
    for key in ("enforcement: observe", "stream: true"):
        text = POLICY.replace("    input:", f"    {key}\n    input:", 1)
        assert compiled(tmp_path, text).routes[0].remember is None


def test_a_breaker_opens_as_its_route_says_and_never_by_itself_on_a_passthrough(tmp_path: Path) -> None:
    judged, passed = compiled(tmp_path).routes
    for route, calls, state in ((judged, 3, "open"), (passed, 1000, "closed")):
        breaker = route.ladder[0].breaker
        for _ in range(calls):
            breaker.admit(1.0).settle(CallOutcome.FAILURE, 1.0)
        assert breaker.state == state


def test_what_only_operators_of_the_model_server_use_is_denied_unless_listed(tmp_path):
    def answered(*routes, method=b"POST", target=b"/v2/repository/index"):
        path = tmp_path / "policy.yaml"
        lines = "".join(f"  '{key}': {value}\n" for key, value in routes)
        path.write_text(f"version: guard/v1\nservice: s\nupstream: http://h\nroutes:\n{lines}")
        try:
            return compile_plan(load(path, environ={}), CompileContext()).match(Head(method, target, [])).template
        except Refused as refused:
            return refused.code

    infer = ("POST /v2/models/m/infer", "{dialect: oip}")
    everything = ("POST /*", "passthrough")
    assert answered(everything) == "/*", "no dialect is spoken that has any"
    assert answered(infer, everything) == "not_found"
    assert answered(infer, everything, target=b"/v2/health/live") == "/*"
    assert answered(infer, everything, ("POST /v2/repository/index", "passthrough")) == "/v2/repository/index"
    assert answered(infer, ("POST /v2/repository/*", "passthrough")) == "/v2/repository/*"
    with pytest.raises(PolicyInvalid, match="only operators of the model server use"):
        answered(infer, ("POST /{a}/repository/index/*", "passthrough"))
