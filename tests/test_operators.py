"""Operators and a real process: the admin API, the commands, the kill switch, and what survives kill -9."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from guard.cli import operate, peers
from tests.cli.test_cli import valid
from tests.sidecar import WITHIN, Sidecar, sidecar
from tests.test_lifecycle import ask
from tests.test_serve import Handler, Model
from tests.threaded import threaded

POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
kill_file: KILL
drain: 0s
owners: {incidents: {team: sre, page: p, runbook: 'https://r'}}
routes:
  POST /predict:
    input: {age: {type: integer}}
    output: {label: {enum: [a, b]}}
    fallback:
      - previous: {url: PREVIOUS, version: "6"}
      - cached: {max_age: 1h}
      - rules: [{answer: {label: a}}]
    breaker: {consecutive_failures: 3, open_for: 100ms, max_open_for: 100ms, close_after: 1}
  POST /bare: passthrough
"""


def serving() -> Iterator[Model]:
    server = Model()
    server.answer = (200, b'{"label":"b"}')
    with threaded(server):
        yield server


model = pytest.fixture(serving, name="model")
previous = pytest.fixture(serving, name="previous")


@pytest.fixture
def guard(model: Model, previous: Model, tmp_path: Path) -> Iterator[Sidecar]:
    text = POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}")
    (tmp_path / "policy.yaml").write_text(text.replace("PREVIOUS", f"http://127.0.0.1:{previous.server_address[1]}"))
    with sidecar("policy.yaml", folder=tmp_path) as running:
        running.wait_for("admin")
        yield running


def run(folder: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "guard", *arguments, "--state-dir", str(folder / "state")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environ})


class Api:
    """The admin API, spoken by hand."""

    def __init__(self, guard: Sidecar, folder: Path) -> None:
        self.host = guard.wait_for("admin")["listen"]
        self.token = (folder / "state" / "private" / "admin.token").read_text().strip()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        client = http.client.HTTPConnection(self.host, timeout=WITHIN)
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        client.request(method, f"/admin/v1{path}", raw, {name: value for name, value in sent.items() if value})
        answer = client.getresponse()
        content = answer.read()
        client.close()
        return (
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            json.loads(content) if content else None,
        )


def source(guard: Sidecar) -> str | None:
    client = guard.connect()
    status, found, _ = ask(client)
    assert status == 200
    return found


def test_down_the_ladder_with_one_command_and_back(guard: Sidecar, tmp_path: Path) -> None:
    assert source(guard) == "model"
    for rung in ("previous", "cached", "rules", "disabled"):
        done = run(tmp_path, "kill", "--to", rung, "--reason", "drill")
        assert done.returncode == 0, done.stderr
        client = guard.connect()
        status, found, _ = ask(client)
        assert found == rung
        assert status == (503 if rung == "disabled" else 200)
        shown = run(tmp_path, "status").stdout
        assert f"mode:        {rung} since" in shown
        assert "by local: drill" in shown
        assert "go back:     guard restore --reason" in shown
        assert "runbook: https://r" in shown
    done = run(tmp_path, "restore", "--reason", "over")
    assert done.returncode == 0, done.stderr
    assert source(guard) == "model"
    lines = run(tmp_path, "audit").stdout.splitlines()
    assert len(lines) == 5
    assert lines[0].endswith("local: mode disabled -> normal: over")
    document = json.loads(run(tmp_path, "status", "--json").stdout)
    assert (document["mode"], document["epoch"], document["back"]) == ("normal", 5, None)
    assert {"model", "previous", "cached", "rules", "disabled"} <= document["shares"].keys()


def test_one_route_alone(guard: Sidecar, tmp_path: Path) -> None:
    assert run(tmp_path, "kill", "--route", "POST /bare", "--ttl", "10m", "--reason", "r").returncode == 0
    assert source(guard) == "model"
    client = guard.connect()
    client.request("POST", "/bare", b"{}")
    answer = client.getresponse()
    answer.read()
    assert (answer.status, answer.getheader("x-guard-reason")) == (503, "mode")
    done = run(tmp_path, "kill", "--route", "POST /none", "--reason", "r")
    assert (done.returncode, done.stderr) == (
        1,
        "guard: route: the policy has no such route; its routes are POST /predict, POST /bare\n",
    )


def test_a_kill_that_was_acknowledged_survives_kill_9(guard: Sidecar, tmp_path: Path, model: Model) -> None:
    assert run(tmp_path, "kill", "--reason", "r").returncode == 0
    guard.process.send_signal(signal.SIGKILL)
    guard.process.wait(WITHIN)
    model.received.clear()
    with sidecar("policy.yaml", folder=tmp_path) as again:
        assert source(again) == "rules"
        assert not model.received
        again.wait_for("admin")
        assert again.wait_for("mode_recalled")["mode"] == "rules"
        assert run(tmp_path, "restore", "--reason", "r").returncode == 0
        assert source(again) == "model"


def test_who_answered_before_an_order_does_not_answer_now(guard: Sidecar, tmp_path: Path) -> None:
    assert source(guard) == "model"
    assert "answers now: model" in run(tmp_path, "status").stdout
    assert run(tmp_path, "kill", "--reason", "r").returncode == 0
    assert "answers now: no requests" in run(tmp_path, "status").stdout
    assert source(guard) == "rules"
    assert "answers now: rules" in run(tmp_path, "status").stdout


def test_the_kill_file_kills_and_lets_go(guard: Sidecar, tmp_path: Path, model: Model) -> None:
    (tmp_path / "KILL").write_text("disabled\n")
    assert guard.wait_for("mode")["to"] == "disabled"
    assert ask(guard.connect())[:2] == (503, "disabled")
    (tmp_path / "KILL").unlink()
    assert guard.wait_for("mode", 2)["to"] == "normal"
    assert source(guard) == "model"
    (tmp_path / "KILL").touch()
    guard.process.kill()
    guard.process.wait(WITHIN)
    model.received.clear()
    with sidecar("policy.yaml", folder=tmp_path) as again:
        assert source(again) == "rules"
        assert not model.received


def test_a_model_answer_that_comes_after_the_kill_is_not_given(guard: Sidecar, tmp_path: Path, model: Model) -> None:
    model.hold.clear()
    answers: list[Any] = []
    client = guard.connect()
    thread = threading.Thread(target=lambda: answers.append(ask(client)))
    thread.start()
    while not model.received:
        pass
    assert run(tmp_path, "kill", "--to", "rules", "--reason", "r").returncode == 0
    model.hold.set()
    thread.join(WITHIN)
    assert answers[0][:2] == (200, "rules")


def test_a_broken_model_opens_its_breaker_and_a_mended_one_closes_it(guard: Sidecar, model: Model, previous: Model) -> None:
    previous.answer = (500, b"{}")
    model.answer = (500, b"{}")
    reasons = []
    for _ in range(5):
        client = guard.connect()
        client.request("POST", "/predict", b'{"age":7}', {"Content-Type": "application/json"})
        answer = client.getresponse()
        answer.read()
        reasons.append(answer.getheader("x-guard-reason"))
    assert reasons[:3] == ["status"] * 3
    assert guard.wait_for("breaker")["after"] == "open"
    model.answer = (200, b'{"label":"b"}')
    while source(guard) != "model":
        pass
    count = 1
    while (change := guard.wait_for("breaker", count))["target"] != "model" or change["after"] != "closed":
        count += 1


def test_who_may_ask_what(guard: Sidecar, tmp_path: Path) -> None:
    api = Api(guard, tmp_path)
    order = {"mode": "rules", "reason": "r"}
    assert api("GET", "/status")[0] == 200
    for headers, status in (
        ({"authorization": ""}, 401), ({"authorization": "Bearer wrong-canary"}, 401), ({"authorization": "Basic x"}, 401),
        ({"host": "evil.example"}, 421), ({"origin": "http://localhost"}, 403),
    ):  # fmt: skip
        answered, told, body = api("PUT", "/mode", order, **headers)
        assert answered == status
        assert told["content-type"] == "application/problem+json"
        assert "canary" not in json.dumps(body)
    assert api("GET", "/mode")[0] == 405
    assert api("POST", "/mode", order, x_http_method_override="PUT")[0] == 405
    assert api("GET", "/none")[0] == 404
    assert api("GET", "/status")[2]["epoch"] == 0, "nothing of this was done"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 422), ({}, 422), ({"mode": "rules"}, 422), ({"mode": "rules", "reason": ""}, 422),
        ({"mode": "rules", "reason": "r" * 501}, 422), ({"mode": "canary", "reason": "r"}, 422),
        ({"mode": "rules", "reason": "r", "canary": 1}, 422), ({"mode": "rules", "reason": "r", "ttl": -1}, 422),
        ({"mode": "rules", "reason": "r", "ttl": "canary"}, 422), ({"mode": 3, "reason": "r"}, 422),
        ({"mode": "rules", "reason": "r", "route": "canary"}, 404), (b"x" * 70_000, 413), (b"[" * 60_000, 400),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_read_changes_nothing_and_is_not_repeated(
    shared: tuple[Sidecar, Path], body: Any, status: int
) -> None:
    api = Api(*shared)
    answered, _, told = api("PUT", "/mode", body)
    assert answered == status
    assert "canary" not in json.dumps(told)
    assert api("GET", "/status")[2]["epoch"] == 0
    assert api("PUT", "/mode", body, content_type="text/plain")[0] == 415


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sidecar, Path]]:
    folder = tmp_path_factory.mktemp("shared")
    text = POLICY.replace("UPSTREAM", "http://127.0.0.1:9").replace("PREVIOUS", "http://127.0.0.1:9")
    (folder / "policy.yaml").write_text(text)
    with sidecar("policy.yaml", folder=folder) as running:
        running.wait_for("admin")
        yield running, folder


def test_viewers_look_and_do_not_act(tmp_path: Path, model: Model) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "guard", "token", "vera", "--role", "viewer"], capture_output=True, text=True, check=True
    )
    secret = result.stderr.split()[-1]
    (tmp_path / "tokens").write_text(f"# who\n{result.stdout}")
    text = POLICY.replace("UPSTREAM", "http://127.0.0.1:9").replace("PREVIOUS", "http://127.0.0.1:9")
    (tmp_path / "policy.yaml").write_text(text + "admin: {tokens: {file: tokens}}\n")
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        address = guard.wait_for("admin")["listen"]
        assert run(tmp_path, "status", "--admin", address, GUARD_TOKEN=secret).returncode == 0
        done = run(tmp_path, "kill", "--reason", "r", "--admin", address, GUARD_TOKEN=secret)
        assert (done.returncode, done.stderr) == (1, "guard: forbidden: this token is a viewer's and may not give orders\n")
        operator = subprocess.run(
            [sys.executable, "-m", "guard", "token", "otto"], capture_output=True, text=True, check=True
        )
        with (tmp_path / "tokens").open("a") as file:
            file.write(operator.stdout)
        otto = operator.stderr.split()[-1]
        guard.wait_for("tokens", 2)
        assert run(tmp_path, "kill", "--reason", "r", "--admin", address, GUARD_TOKEN=otto).returncode == 0
        assert not (tmp_path / "state" / "private" / "admin.token").exists()


def test_others_reach_the_api_only_with_configured_tokens(tmp_path: Path) -> None:
    text = POLICY.replace("UPSTREAM", "http://127.0.0.1:9").replace("PREVIOUS", "http://127.0.0.1:9")
    (tmp_path / "policy.yaml").write_text(text)
    command = [sys.executable, "-m", "guard", "serve", str(tmp_path / "policy.yaml"), "--listen", "127.0.0.1:0", "--ops",
               "127.0.0.1:0", "--admin", "0.0.0.0:0", "--state-dir", str(tmp_path / "s")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "configure admin.tokens" in done.stderr


@pytest.mark.parametrize("address", ["10.0.0.1:8901", "http://example.com:1", "ftp://127.0.0.1"])
def test_a_token_goes_to_this_machine_or_over_https(tmp_path: Path, address: str) -> None:
    done = run(tmp_path, "status", "--admin", address, GUARD_TOKEN="secret")
    assert done.returncode == 2
    assert "secret" not in done.stderr.replace("a token", "")


def test_every_peer_is_told(guard: Sidecar, tmp_path: Path) -> None:
    secret = (tmp_path / "state" / "private" / "admin.token").read_text().strip()
    address = guard.wait_for("admin")["listen"]
    done = run(tmp_path, "kill", "--reason", "r", "--peers", address, GUARD_TOKEN=secret)
    assert done.returncode == 0
    assert "applied 1/1 in " in done.stdout
    done = run(tmp_path, "kill", "--reason", "r", "--peers", f"{address},127.0.0.1:9", GUARD_TOKEN=secret)
    assert done.returncode == 1
    assert "applied 1/2 in " in done.stdout


FOREIGN = [
    "[]",
    "null",
    "1",
    "{}",
    '"x"',
    '{"epoch": "1"}',
    '{"epoch": 1, "mode": "rules", "route": null, "durable": 1, "cut": 0}',
    "[" * 100_000,
    "\ud800",
]


class ForeignHandler(Handler):
    do_PUT = Handler.do_POST


@pytest.mark.parametrize("answer", FOREIGN)
@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_foreign_service_is_told_apart_and_never_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str, status: int
) -> None:
    server = Model()
    server.RequestHandlerClass = ForeignHandler
    server.answer = (status, answer.encode("utf-8", "surrogatepass"))
    order = {"mode": "rules", "reason": "r", "ttl": None, "route": None, "cut": False}
    with threaded(server):
        address = f"127.0.0.1:{server.server_address[1]}"
        where = operate.Where(address, None, None, {"GUARD_TOKEN": "t"})
        assert peers.kill(where, order, address) == 1
        assert "FAILED unreadable" in capsys.readouterr().out
        for command in (
            lambda: operate.kill(where, order), lambda: operate.status(where, as_json=False), lambda: operate.restore(where, None, "r"),
            lambda: operate.audit(where, 3, as_json=False), lambda: operate.observe(where, {"route": "POST /p", "enforcement": "observe", "ttl": 1.0, "reason": "r"}),
        ):  # fmt: skip
            assert command() == 1
            assert "does not answer as guard's admin API" in capsys.readouterr().err


def test_what_another_service_says_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Model()
    server.answer = (403, b'{"code": "\\u001b[2J", "detail": "\\u009b31m"}')
    with threaded(server):
        where = operate.Where(f"127.0.0.1:{server.server_address[1]}", None, None, {"GUARD_TOKEN": "t"})
        assert operate.status(where, as_json=False) == 1
    assert capsys.readouterr().err == "guard: \N{REPLACEMENT CHARACTER}[2J: \N{REPLACEMENT CHARACTER}31m\n"


def test_peers_behind_a_name_show_a_certificate_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("guard-peers.risk.svc")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    result = subprocess.run([sys.executable, "-m", "guard", "token", "otto"], capture_output=True, text=True, check=True)
    (tmp_path / "tokens").write_text(result.stdout)
    text = POLICY.replace("UPSTREAM", "http://127.0.0.1:9").replace("PREVIOUS", "http://127.0.0.1:9")
    (tmp_path / "policy.yaml").write_text(text + "admin: {tokens: {file: tokens}, tls: {cert: cert.pem, key: key.pem}}\n")
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: object, **more: object) -> object:
        return real("127.0.0.1" if host.endswith(".risk.svc") else host, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with sidecar("policy.yaml", folder=tmp_path) as guard:
        port = guard.wait_for("admin")["listen"].rpartition(":")[2]
        where = operate.Where(None, None, tmp_path / "ca.pem", {"GUARD_TOKEN": result.stderr.split()[-1]})
        order = {"mode": "rules", "reason": "r", "ttl": None, "route": None, "cut": False}
        assert peers.kill(where, order, f"dns:guard-peers.risk.svc:{port}") == 0
        assert "applied 1/1 in " in capsys.readouterr().out
        for other in (f"dns:another.risk.svc:{port}", f"https://127.0.0.1:{port}"):
            assert peers.kill(where, order, other) == 1
            assert "FAILED unreachable" in capsys.readouterr().out


def test_a_contract_that_is_itself_wrong_is_observed_for_a_time(guard: Sidecar, tmp_path: Path) -> None:
    assert ask(guard.connect(), "x")[0] == 422
    done = run(tmp_path, "observe", "--route", "POST /predict", "--ttl", "15m", "--reason", "the contract is wrong")
    assert done.returncode == 0, done.stderr
    assert ask(guard.connect(), "x")[:2] == (200, "model")
    assert "NOT ENFORCED until" in run(tmp_path, "status").stdout
    guard.process.kill()
    guard.process.wait(WITHIN)
    with sidecar("policy.yaml", folder=tmp_path) as again:
        again.wait_for("admin")
        assert ask(again.connect(), "x")[:2] == (200, "model"), "it survives a restart"


def test_a_drill_walks_every_rung_and_leaves_no_trace(guard: Sidecar, tmp_path: Path, model: Model) -> None:
    url = f"http://127.0.0.1:{guard.port}"
    done = run(tmp_path, "drill", str(tmp_path / "policy.yaml"), "--data", url, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    valid("evidence.schema.json", document)
    assert (document["kind"], document["passed"], document["service"]) == ("drill", True, "t")
    assert [(step["rung"], step["source"]) for step in document["result"]["steps"]] == [
        (rung, rung) for rung in ("model", "previous", "cached", "rules", "disabled")
    ]
    assert document == json.loads((tmp_path / "evidence" / "drill.json").read_text())
    assert source(guard) == "model"
    assert json.loads(run(tmp_path, "status", "--json").stdout)["back"] is None
    model.answer = (200, b'{"label":"undeclared"}')
    done = run(tmp_path, "drill", str(tmp_path / "policy.yaml"), "--data", url)
    assert done.returncode == 1
    assert "FAIL POST /predict                model" in done.stdout
    assert "the answer came from previous" in done.stdout
    assert not json.loads((tmp_path / "evidence" / "drill.json").read_text())["passed"]


def test_a_drill_is_of_the_policy_that_is_served(guard: Sidecar, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text((tmp_path / "policy.yaml").read_text().replace("max_age: 1h", "max_age: 2h"))
    done = run(tmp_path, "drill", str(other))
    assert (done.returncode, done.stdout) == (1, "")
    assert "runs another policy" in done.stderr
    assert not (tmp_path / "evidence").exists()


def test_a_drill_needs_a_service_that_is_not_lowered(guard: Sidecar, tmp_path: Path) -> None:
    assert run(tmp_path, "kill", "--reason", "r").returncode == 0
    done = run(tmp_path, "drill", str(tmp_path / "policy.yaml"))
    assert (done.returncode, done.stderr) == (1, "guard: no drill: lowered to rules by local: r\n")


def test_a_drill_does_not_touch_a_route_that_an_operator_has_lowered(guard: Sidecar, tmp_path: Path) -> None:
    assert run(tmp_path, "kill", "--route", "POST /predict", "--to", "rules", "--reason", "harm").returncode == 0
    done = run(tmp_path, "drill", str(tmp_path / "policy.yaml"), "--data", f"http://127.0.0.1:{guard.port}")
    assert done.returncode == 1
    assert "lowered to rules by local: harm; the drill leaves it as it is" in done.stdout
    assert source(guard) == "rules"
    audited = [json.loads(line) for line in run(tmp_path, "audit", "--json").stdout.splitlines()]
    assert [(entry["who"], entry["to"], entry["why"]) for entry in audited] == [("local", "rules", "harm")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_drill_that_is_ended_gives_back_what_it_lowered(
    guard: Sidecar, tmp_path: Path, model: Model, number: signal.Signals
) -> None:
    """The model does not answer, so the first rung takes long enough to be interrupted in the midst of the next."""
    model.answer = (200, b'{"label":"undeclared"}')
    arguments = ("drill", str(tmp_path / "policy.yaml"), "--data", f"http://127.0.0.1:{guard.port}")
    command = [sys.executable, "-m", "guard", *arguments, "--state-dir", str(tmp_path / "state")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as drill:
        assert guard.wait_for("mode")["to"] == "previous"
        drill.send_signal(number)
        drill.wait(WITHIN)
    document = json.loads(run(tmp_path, "status", "--json").stdout)
    assert [route["mode"] for route in document["routes"]] == ["normal", "normal"]


def test_the_status_says_what_was_refused_and_what_goes_back_alone() -> None:
    by_name = {
        "answers_now": "rules", "shares": {"rules": 0.75, "none": 0.25}, "answers": 4, "mode": "normal", "owner": None,
        "back": None, "release": None, "guard": "1", "epoch": 0, "durable": True,
        "policy": {"service": "t", "digest": "sha256:0", "ok": False, "errors": ["p.yaml:1:1: wrong"]},
        "routes": [{"route": "POST /p", "mode": "normal", "why": None, "breakers": {"model": {"state": "open", "forced": "auto"}}}],
    }  # fmt: skip
    text = operate.shown(by_name)
    assert "rules 75.0%, refused 25.0%" in text
    assert "go back:     an open breaker closes by itself" in text
    assert "THE FILE IS REFUSED: p.yaml:1:1: wrong" in text
    by_name["routes"][0]["breakers"]["model"]["forced"] = "open"  # type: ignore[index]
    assert "by itself" not in operate.shown(by_name)
