"""Canaries in everything that a client or a model server says, and then a search of every byte that left the process."""

import base64
import gzip
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from guard.kit.rehearse.canaries import Cage, leaked_canaries
from tests.leaks.stage import Stage, staged

CRASHES = """
import os
from importlib import import_module
module, owner, method = os.environ["CRASH_AT"].rsplit(".", 2)
crashing = getattr(import_module(module), owner)
getattr(crashing, method)
def crash(self, *arguments, **named):
    records = [record for one in arguments if hasattr(one, "__next__") for record in one]
    told = " ".join(repr(getattr(one, "headers", one)) for one in (*arguments, *map(vars, records)))
    raise ValueError(f"CRASHED {told} {vars(self) if hasattr(self, '__dict__') else ''}")
setattr(crashing, method, crash)
"""


@pytest.fixture(scope="module")
def hunted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cage, dict[str, bytes]]:
    """One guard through every outcome."""
    with staged(tmp_path_factory.mktemp("leaks")) as stage:
        for play in OUTCOMES.values():
            play(stage)
        stage.look()
        stage.collector.wait_for(lambda item: item.spans() and item.metrics() and item.logs())
        return stage.cage, stage.outputs()


def allowed(stage: Stage) -> None:
    stage.mood = "ok"
    assert b"x-guard-source: model" in stage.ask("allowed")
    assert b" 200 " in stage.ask("passthrough", path="/bare")


def denied(stage: Stage) -> None:
    text = stage.cage.text
    good = stage.document("denied")
    for field, value in (
        ("kind", text("enum")),
        ("age", text("type")),
        ("seen_at", text("format")),
        ("nested", [text("kind")]),
    ):
        assert b" 422 " in stage.ask(f"denied {field}", json.dumps({**good, field: value}).encode())
    assert b" 422 " in stage.ask("denied missing", json.dumps({text("lonely key"): text("lonely value")}).encode())
    doubled = f'{{"{text("doubled key")}": 1, "a": {{"{(key := text("twice"))}": 1, "{key}": 2}}}}'
    for body in (
        doubled,
        f'{{"a": {text("syntax")}',
        f'["{text("depth")}", {"[" * 80}',
        f'{{"a": NaN, "b": "{text("nan")}"}}',
    ):
        assert b" 400 " in stage.ask("unreadable", body.encode())
    assert b" 400 " in stage.ask("encoding", text("encoding").encode() + b"\xff\xfe")
    assert b" 415 " in stage.ask("media type", kind=f"text/{text('media type')}")
    assert b" 413 " in stage.ask("too large", text("large").encode() * 6000)
    assert b" 404 " in stage.ask("not found", path=f"/nothing/{text('unknown path')}")
    assert b" 405 " in stage.ask("method", method="PUT")
    assert b" 404 " in stage.ask("unknown method", method="PATCH", path=f"/{text('patched path')}")
    assert b" 400 " in stage.ask("bad path", path=f"/predict/%2e%2e/{text('dotted path')}")
    bad = f"GET /{text('broken target')} HTTP/9.9\r\n{text('broken header')}\r\n\r\n"
    stage.errors += stage.send(bad.encode())
    stage.errors += stage.send(f"GET /{text('long target') * 500} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    stage.errors += stage.send(f"GET / HTTP/1.1\r\nHost: x\r\nX: {text('long header') * 2000}\r\n\r\n".encode())
    stage.errors += stage.send(f"{text('no http at all')}\r\n\r\n".encode())


def model_in_trouble(stage: Stage) -> None:
    for mood in ("fault", "refused", "invalid", "unreadable", "malformed", "busy", "silent"):
        stage.mood = mood
        answer = stage.ask(f"model {mood}")
        assert b"x-guard-source: model" not in answer
        stage.admin("PUT", "/admin/v1/breakers", {"route": ROUTE, "target": "model", "state": "closed", "reason": "hunt"})
    stage.admin("PUT", "/admin/v1/breakers", {"route": ROUTE, "target": "model", "state": "open", "reason": "hunt"})
    stage.mood = "ok"
    assert b"x-guard-reason: forced" in stage.ask("breaker open")
    stage.admin("PUT", "/admin/v1/breakers", {"route": ROUTE, "target": "model", "state": "auto", "reason": "hunt"})


def killed(stage: Stage) -> None:
    stage.mood = "ok"
    body = json.dumps({name: value for name, value in stage.document("kept").items() if name != "deep"}).encode()
    head = f"POST /predict/{stage.cage.text('kept: path')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    whole = f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    assert b"x-guard-source: model" in stage.send(whole)
    stage.admin("PUT", "/admin/v1/mode", {"mode": "cached", "reason": "hunt"})
    assert b"x-guard-source: cached" in stage.send(whole)
    stage.admin("PUT", "/admin/v1/mode", {"mode": "rules", "reason": "hunt"})
    assert b"x-guard-source: rules" in stage.ask("rules")
    stage.admin("PUT", "/admin/v1/mode", {"mode": "disabled", "reason": "hunt"})
    assert b" 503 " in stage.ask("disabled")
    stage.admin("PUT", "/admin/v1/mode", {"mode": "normal", "reason": "hunt"})


def gone(stage: Stage) -> None:
    stage.mood = "silent"
    body = json.dumps(stage.document("gone")).encode()
    head = f"POST /predict/{stage.cage.text('gone: path')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    stage.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, leave=True)
    stage.send(f"{head}Content-Length: {len(body) + 9}\r\n\r\n".encode() + body, leave=True)
    stage.errors += stage.send(f"{head}Content-Length: {len(body) + 9}\r\n\r\n".encode() + body)  # 408


def observed(stage: Stage) -> None:
    stage.mood = "ok"
    order = {"route": ROUTE, "enforcement": "observe", "reason": "hunt", "ttl": 300}
    stage.admin("PUT", "/admin/v1/enforcement", order)
    assert b"x-guard-source: model" in stage.ask("observed")
    stage.ask(
        "observed violation",
        json.dumps({**stage.document("observed violation"), "kind": stage.cage.text("seen enum")}).encode(),
    )
    stage.mood = "invalid"
    stage.ask("observed invalid")
    stage.admin("PUT", "/admin/v1/enforcement", {**order, "enforcement": "enforce"})


def dialects(stage: Stage) -> None:
    text = stage.cage.text

    def chat(outcome: str, **changes: object) -> bytes:
        part = {
            "type": text(f"{outcome}: part"),
            "text": f"{text(f'{outcome}: part text')} {text(f'{outcome}: mail')}@example.org",
        }
        message = {"role": text(f"{outcome}: role"), "content": [part], "name": text(f"{outcome}: name")}
        body = {
            "model": text(f"{outcome}: model"), "messages": [message], "user": text(f"{outcome}: user"),
            text(f"{outcome}: key"): text(f"{outcome}: value"), **changes,
        }  # fmt: skip
        bare = stage.ask(f"bare {outcome}", json.dumps(body).encode(), path="/v1/bare/completions")
        assert b"x-guard-source: model" in bare or stage.mood == "fault"
        return stage.ask(outcome, json.dumps(body).encode(), path="/v1/chat/completions")

    def infer(outcome: str, *more: dict[str, object]) -> bytes:
        def tensor(name: str, datatype: str, value: object) -> dict[str, object]:
            return {"name": name, "datatype": datatype, "shape": [1], "data": [value]}

        inputs = [
            tensor("x", "FP64", stage.cage.number(f"{outcome}: x")),
            tensor("note", "BYTES", text(f"{outcome}: note")),
            tensor(text(f"{outcome}: tensor name"), "BYTES", text(f"{outcome}: tensor value")),
            *more,
        ]
        body = {"id": text(f"{outcome}: id"), "inputs": inputs, "parameters": {text(f"{outcome}: parameter"): 1}}
        path = f"/v2/models/m/versions/{text(f'{outcome}: version')}/infer"
        return stage.ask(outcome, json.dumps(body).encode(), path=path)

    stage.mood = "ok"
    assert b"x-guard-source: model" in chat("chat")
    for turn in range(7):
        assert b"text/event-stream" in chat(f"chat stream {turn}", stream=True)
        assert b"x-guard-source: model" in chat(f"chat {turn}")
        assert b"x-guard-source: model" in infer(f"tensors {turn}")
        assert b"x-guard-source: model" in stage.ask(f"header {turn}")
    assert b" 422 " in chat("chat denied", prompt=text("long prompt") * 20)
    chat("chat odd", messages=text("chat odd: messages"), prompt=[[text("odd prompt")]], input=7)
    assert b"x-guard-source: model" in infer("tensors")
    assert b" 422 " in infer(
        "tensors denied", {"name": text("lonely tensor"), "datatype": text("datatype"), "shape": text("shape")}
    )
    stage.mood = "invalid"
    assert b"text/event-stream" in chat("chat stream broken", stream=True)
    stage.mood = "fault"
    assert b"x-guard-source: disabled" in chat("chat fault")
    assert b"x-guard-source: disabled" in infer("tensors fault")


ROUTE = "POST /predict/{customer}"
OUTCOMES: dict[str, Callable[[Stage], None]] = {
    item.__name__: item for item in (allowed, denied, model_in_trouble, killed, gone, observed, dialects)
}


def test_nothing_that_was_not_declared_left_the_process(hunted: tuple[Cage, dict[str, bytes]]) -> None:
    cage, outputs = hunted
    assert len(cage.texts) > 700
    assert all(outputs.values())
    assert leaked_canaries(cage, outputs) == []


def test_what_was_declared_did(hunted: tuple[Cage, dict[str, bytes]]) -> None:
    """The hunt looks where something is to be found: what is open stands in lines and log records, a hash in their place."""
    _, outputs = hunted
    for place in ("log", "otlp"):
        assert b"declared open" in outputs[place]
        assert outputs[place].count(b"hmac:") > 5
        assert b"[masked]" in outputs[place]
    for place in ("pages", "state", "errors"):
        assert b"declared open" not in outputs[place]
    assert b"guard_redactions_total{" in outputs["pages"]


@pytest.mark.parametrize(
    "place",
    [
        "guard.contract.input.InputContract.judge",
        "guard.contract.output.OutputContract.judge",
        "guard.contract.output.OutputContract.measured",
        "guard.contract.profile.Profile.facts",
        "guard.contract.scrub.Scrubbing.row",
        "guard.ladder.model.Model.ask",
        "guard.ladder.cached.Cached.remember",
        "guard.proxy.tracing.Sampler.begin",
        "guard.proxy.driver.Exchange.answered",
        "guard.proxy.requests.Requests.on_body",
        "guard.privacy.treatment.Hasher.__call__",
        "guard.control.source_window.SourceWindow.take",
        "guard.telemetry.meters.Meters.take",
        "guard.telemetry.cost.Cost.take",
        "guard.telemetry.exchanges.Exchanges.take",
        "guard.telemetry.spans.Spans.take",
        "guard.telemetry.points.Points._data",
        "guard.telemetry.otlp.Logs.record_of",
    ],
)
def test_a_crash_anywhere_says_nothing_of_what_it_held(place: str, tmp_path: Path) -> None:
    module, owner, method = place.rsplit(".", 2)
    assert callable(getattr(getattr(import_module(module), owner), method)), "nothing of that name would crash"
    (tmp_path / "sitecustomize.py").write_text(CRASHES)
    with staged(tmp_path, PYTHONPATH=str(tmp_path), CRASH_AT=place) as stage:
        answer = stage.ask("crash")
        stage.ask("crash denied", b'{"x": 1')
        assert stage.guard.probe("/livez")[0] == 200
        stage.look()
        cage, outputs = stage.cage, stage.outputs()
    assert b"CRASHED" not in b"".join(outputs.values())
    assert leaked_canaries(cage, outputs) == []
    if method == "take":
        assert b'guard_sink_crashes_total{guard_sink="%b"}' % owner.encode() in outputs["pages"]
    if method == "record_of":
        assert b'"logs crashed": ' in outputs["log"]
    if "telemetry" in place or "SourceWindow" in place:
        assert b" 200 OK" in answer  # the client had its answer


def test_the_hunt_finds_every_form_of_a_canary() -> None:
    cage = Cage()
    canary = cage.text("c")
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in canary)
    quoted = "".join(f"%{ord(letter):02X}" for letter in canary)
    coded = [base64.b64encode(b"x" * offset + canary.encode() + b"yz") for offset in range(3)]
    for form in (
        canary.encode(), canary.swapcase().encode(), canary[::-1].encode(), canary.encode().hex().encode(), escaped.encode(),
        quoted.encode(), compressed(canary), *coded,
    ):  # fmt: skip
        assert leaked_canaries(cage, {"place": b"some " + form + b" text"}) == ["c in place"], form
    assert leaked_canaries(cage, {"place": canary[:-1].encode()}) == []


def compressed(text: str) -> bytes:
    """The hunt sees through compression."""
    return b"before" + gzip.compress(text.encode()) + b"after"
