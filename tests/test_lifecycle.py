"""The process as operators meet it: probes, signals, reload, what the system refuses it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.sidecar import Sidecar, free_port, sidecar
from tests.test_serve import Handler, Model
from tests.threaded import threaded

POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 200ms
routes:
  POST /predict:
    input: {age: {type: integer}}
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
"""


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model()
    server.answer = (200, b'{"label":"b"}')
    with threaded(server):
        yield server


@pytest.fixture
def policy(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}"))
    return path


def ask(client: http.client.HTTPConnection, age: object = 1) -> tuple[int, str | None, bytes]:
    client.request("POST", "/predict", json.dumps({"age": age}), {"Content-Type": "application/json"})
    answer = client.getresponse()
    return answer.status, answer.getheader("x-guard-source"), answer.read()


def test_live_before_the_model_and_ready_after_it_was_seen_once(tmp_path: Path) -> None:
    port = free_port()
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("UPSTREAM", f"{{url: 'http://127.0.0.1:{port}', probe: /health}}"))
    with sidecar(str(path), folder=tmp_path) as guard:
        assert guard.probe("/livez")[0] == 200
        assert guard.probe("/readyz") == (503, {"ready": False, "waiting": ["upstream"]})
        with threaded(http_server_on(port)):
            guard.wait_for("ready")
            assert guard.probe("/readyz")[0] == 200
        assert guard.probe("/readyz")[0] == 200, "once ready, ready"
        assert guard.probe("/livez")[0] == 200


def http_server_on(port: int) -> Model:
    server = Model.__new__(Model)
    server.received, server.answer, server.hold = [], (200, b"{}"), threading.Event()
    server.hold.set()
    super(Model, server).__init__(("127.0.0.1", port), Handler)
    return server


def test_a_lower_rung_is_enough_where_the_policy_says_so(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("UPSTREAM", f"http://127.0.0.1:{free_port()}").replace("drain", "ready: any\ndrain"))
    with sidecar(str(path), folder=tmp_path) as guard:
        guard.wait_for("ready")
        assert guard.probe("/readyz")[0] == 200


def test_sigterm_is_not_ready_at_once_and_serves_until_the_drain_is_over(policy: Path, tmp_path: Path) -> None:
    policy.write_text(policy.read_text().replace("200ms", "1500ms"))
    with sidecar(str(policy), folder=tmp_path) as guard:
        old = guard.connect()
        assert ask(old)[0] == 200
        guard.process.terminate()
        guard.wait_for("draining")
        assert guard.probe("/readyz") == (503, {"ready": False, "waiting": ["draining"]})
        new = guard.connect()
        for client in (old, new):
            client.request("POST", "/predict", b'{"age":1}', {"Content-Type": "application/json"})
            answer = client.getresponse()
            assert (answer.status, answer.getheader("connection")) == (200, "close")
            answer.read()
        assert guard.ended() == 0


def test_no_disk_that_hangs_holds_the_end(policy: Path, tmp_path: Path) -> None:
    """A pipe in the place of the file that a save writes: whoever opens it waits for ever."""
    policy.write_text(policy.read_text() + "targets: {cost: {per_request: 0.1 EUR}}\n")
    private = tmp_path / "state" / "private"
    private.mkdir(parents=True, mode=0o700)
    for name in (".cost.json.new", ".operators.json.new", ".policy.json.new", "audit.jsonl"):
        os.mkfifo(private / name)
    with sidecar(str(policy), folder=tmp_path) as guard:
        guard.process.terminate()
        assert guard.ended() == 0


def test_a_second_signal_does_not_wait(policy: Path, tmp_path: Path, model: Model) -> None:
    policy.write_text(policy.read_text().replace("200ms", "10m"))
    with sidecar(str(policy), folder=tmp_path) as guard:
        guard.process.terminate()
        guard.wait_for("draining")
        guard.process.terminate()
        assert guard.ended() == 0


def test_what_is_under_way_is_cut_by_a_signal_more(policy: Path, tmp_path: Path, model: Model) -> None:
    with sidecar(str(policy), folder=tmp_path) as guard:
        model.hold.clear()
        client = guard.connect()
        client.request("POST", "/predict", b'{"age":1}', {"Content-Type": "application/json"})
        while not model.received:
            pass
        guard.process.send_signal(signal.SIGINT)
        guard.wait_for("draining")
        guard.process.send_signal(signal.SIGINT)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            client.getresponse()
        assert guard.ended() == 0
        model.hold.set()
    assert guard.events("stopped")[0]["cut"] == 1


def test_a_new_policy_by_signal_and_by_content(policy: Path, tmp_path: Path) -> None:
    with sidecar(str(policy), folder=tmp_path) as guard:
        client = guard.connect()
        assert ask(client)[2] == b'{"label":"b"}'
        policy.write_text(policy.read_text().replace("{type: integer}", "{type: string}"))
        guard.process.send_signal(signal.SIGHUP)
        guard.wait_for("policy")
        assert ask(client)[0] == 422
        policy.write_text(policy.read_text().replace("{type: string}", "{type: integer}"))
        guard.wait_for("policy", 2)
        assert ask(client)[0] == 200
        policy.write_text("nonsense: [")
        assert "nonsense" not in guard.wait_for("policy_refused")["errors"][0]
        assert ask(client)[0] == 200


def test_a_restart_that_meets_a_bad_policy_serves_the_last_good_one(policy: Path, tmp_path: Path) -> None:
    good = policy.read_text()
    with sidecar(str(policy), folder=tmp_path):
        pass
    for bad in ("service: [", "", good.replace("{type: integer}", "{type: string, pattern: '('}")):
        policy.write_text(bad)
        with sidecar(str(policy), folder=tmp_path) as guard:
            assert guard.wait_for("policy_refused")["in_force"] == guard.events("serving")[0]["policy"]
            assert ask(guard.connect())[:2] == (200, "model")
            policy.write_text(good + "# mended\n")
            guard.wait_for("policy")
    policy.unlink()
    with sidecar(str(policy), folder=tmp_path) as guard:
        assert ask(guard.connect())[:2] == (200, "model")


def test_a_bad_policy_and_nothing_kept_is_said_and_ends(policy: Path, tmp_path: Path) -> None:
    policy.write_text("service: [")
    guard = Sidecar([str(policy)], tmp_path)
    assert guard.ended() == 1
    assert guard.lines[0].startswith(f"{policy}:2:1: not YAML")


def test_a_second_guard_on_the_same_folder_exits_2(policy: Path, tmp_path: Path) -> None:
    with sidecar(str(policy), folder=tmp_path):
        second = Sidecar([str(policy)], tmp_path)
        assert second.ended() == 2
        said = f"guard: another guard uses the state folder {tmp_path / 'state'}; stop it, or give this one --state-dir DIR"
        assert second.lines[:-1] == [f"{said}\n"]


@pytest.mark.parametrize("listener", ["--listen", "--ops"])
def test_a_port_in_use_is_one_line(policy: Path, tmp_path: Path, listener: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "guard", "serve", str(policy), "--state-dir", str(tmp_path / "s"),
                   "--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0", "--admin", "127.0.0.1:0", listener, address]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"guard: cannot listen on {address}")
    assert "in use" in done.stderr


def test_a_chosen_folder_that_cannot_be_opened_may_hold_a_kill_so_the_model_does_not_answer(
    policy: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with sidecar(str(policy), folder=tmp_path) as guard:
        assert len(guard.events("state_unavailable")) == 1
        assert ask(guard.connect())[:2] == (200, "rules")


@pytest.mark.parametrize("state", ["closed", "full"])
def test_a_standard_error_that_takes_nothing_is_no_error(policy: Path, tmp_path: Path, state: str) -> None:
    port = free_port()
    command = [sys.executable, "-m", "guard", "serve", str(policy), "--listen", f"127.0.0.1:{port}", "--ops", "127.0.0.1:0", "--admin", "127.0.0.1:0",
               "--state-dir", str(tmp_path / "s")]  # fmt: skip
    read, write = os.pipe()
    if state == "closed":
        os.close(read)
    else:
        os.set_blocking(write, False)
        with suppress(BlockingIOError):
            while True:
                os.write(write, b"x" * 4096)
        os.set_blocking(write, True)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}  # as most users' is
    process = subprocess.Popen(command, stderr=write, stdout=write, env=buffered)
    os.close(write)
    try:
        answered = False
        while not answered:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                answered = ask(client, "not an integer")[0] == 422
            except ConnectionError:
                assert process.poll() is None
            finally:
                client.close()
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        if state == "full":
            os.close(read)


def test_with_few_descriptors_idle_clients_keep_no_newcomer_out_and_nothing_breaks(policy: Path, tmp_path: Path) -> None:
    with sidecar(str(policy), folder=tmp_path, prefix=["prlimit", "--nofile=128:128", "--"]) as guard:
        within = guard.events("few_descriptors")[0]["connections"]
        assert within == 16, "128 descriptors: 64 for guard, 16 for each of admin and ops, two for each client"
        idle = [socket.create_connection(("127.0.0.1", guard.port)) for _ in range(200)]
        assert guard.probe("/livez")[0] == 200
        for _ in range(20):
            assert ask(guard.connect())[:2] == (200, "model")
        for item in idle:
            item.close()
        assert not guard.events("loop_error")


def test_without_a_policy_everything_is_observed_and_operators_paths_are_denied(model: Model, tmp_path: Path) -> None:
    upstream = f"http://127.0.0.1:{model.server_address[1]}"
    with sidecar("--upstream", upstream, folder=tmp_path) as guard:
        client = guard.connect()
        assert ask(client, "anything")[:2] == (200, "model")
        client.request("POST", "/v2/repository/models/m/load", b"{}")
        answer = client.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (404, "not_found")
        assert [path for path, *_ in model.received] == ["/predict"]
        assert "guard init" in guard.wait_for("hint")["message"]


def test_without_a_policy_guard_listens_on_loopback_only(model: Model, tmp_path: Path) -> None:
    from guard.policy.default_policy import NAME, default_policy
    from guard.policy.loading import load

    text = default_policy("http://127.0.0.1:1").encode()
    listen = load(NAME, environ={}, read=lambda _: text).policy.listen
    assert {address.host for address in (listen.data, listen.admin, listen.ops)} == {"127.0.0.1"}


def test_neither_policy_nor_upstream_is_a_matter_of_usage() -> None:
    done = subprocess.run([sys.executable, "-m", "guard", "serve"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "--upstream" in done.stderr
