"""A real guard whose background tasks fail: each goes on, and none holds up another. Faults come by a module that Python
imports before guard begins; nothing of guard knows it."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic

import pytest

from tests.incidents.receiver import Receiver, receiving
from tests.servers.process import until
from tests.sidecar import Sidecar, sidecar
from tests.test_operators import model, run  # noqa: F401 — a fixture
from tests.test_serve import Model

ROOT = Path(__file__).resolve().parents[1]
POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 0s
kill_file: KILL
webhooks: [{url: HOOK}]
targets: {cost: {per_request: 1 EUR, daily: 1000 EUR, alert_at: 50%}}
routes:
  POST /predict:
    input: {age: {type: integer, min: 18}}
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
"""
ONCE = """
from guard.control.supervisor import Supervised
real = Supervised.__init__
def init(self, name, work, *rest):
    left = [1]
    def fails_once():
        if left:
            left.clear()
            async def fails():
                raise RuntimeError("CANARY")
            return fails()
        return work()
    real(self, name, fails_once, *rest)
Supervised.__init__ = init
"""
ALWAYS = """
from guard.control.order_store import OrderStore
async def fails(self):
    raise RuntimeError("CANARY")
def fails_at_once(self):
    raise RuntimeError("CANARY")
OrderStore.expire_observations = fails
OrderStore.expire_modes = fails_at_once
"""
STALLS = """
import time
from guard.control.incidents.violation_rate import ViolationRateMonitor
def holds_the_loop(self, now):
    time.sleep(0.3)
    return ()
ViolationRateMonitor.evaluate = holds_the_loop
"""


@contextmanager
def faulty(folder: Path, model: Model, hook: Receiver, fault: str) -> Iterator[Sidecar]:  # noqa: F811
    model.answer = (200, b'{"label":"b"}')
    upstream = f"http://127.0.0.1:{model.server_address[1]}"
    (folder / "policy.yaml").write_text(POLICY.replace("UPSTREAM", upstream).replace("HOOK", hook.url))
    (folder / "faults").mkdir()
    (folder / "faults" / "sitecustomize.py").write_text(fault)
    environ = {**os.environ, "PYTHONPATH": f"{folder / 'faults'}:{ROOT}"}
    with sidecar("policy.yaml", folder=folder, environ=environ) as guard:
        yield guard


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def source(guard: Sidecar) -> str | None:
    client = guard.connect()
    client.request("POST", "/predict", json.dumps({"age": 20}), {"Content-Type": "application/json"})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.headers["x-guard-source"]


def seconds_until(guard: Sidecar, wanted: str) -> float:
    begun = monotonic()
    until(lambda: source(guard) == wanted, lambda: "".join(guard.lines[-20:]))
    return monotonic() - begun


def test_every_background_task_that_raises_once_goes_on(model: Model, hook: Receiver, tmp_path: Path) -> None:  # noqa: F811
    with faulty(tmp_path, model, hook, ONCE) as guard:
        guard.wait_for("admin")
        guard.wait_for("ready")
        (tmp_path / "KILL").write_text("rules")
        seconds_until(guard, "rules")
        assert [body["kind"] for body in hook.wait(1)] == ["mode"]
        (tmp_path / "KILL").unlink()
        seconds_until(guard, "model")
        assert run(tmp_path, "kill", "--ttl", "1s", "--reason", "r").returncode == 0
        seconds_until(guard, "model")
        good = (tmp_path / "policy.yaml").read_text()
        (tmp_path / "policy.yaml").write_text(good.replace("min: 18", "min: 19"))
        guard.wait_for("policy")
        crashes = guard.events("task_crashed")
        assert {event["task"] for event in crashes} >= {"kill file", "reload", "incidents", "admin", "readiness", "cost"}
        assert all(event["count"] == 1 and event["error"] == "RuntimeError" for event in crashes)
        assert guard.probe("/livez") == (200, {"live": True})
        page = guard.probe("/metrics")[1]
        assert 'guard_task_crashes_total{guard_task="kill file"} 1' in page
        assert not guard.events("loop_error")
        assert "CANARY" not in "".join(guard.lines)


def test_the_kill_file_is_in_force_within_100_ms_although_what_ends_orders_raises_each_time(
    model: Model,  # noqa: F811
    hook: Receiver,
    tmp_path: Path,
) -> None:
    with faulty(tmp_path, model, hook, ALWAYS) as guard:
        guard.wait_for("ready")
        guard.wait_for("task_crashed", 6)
        took = []
        for _ in range(20):
            (tmp_path / "new").write_text("rules")
            (tmp_path / "new").rename(tmp_path / "KILL")
            took.append(seconds_until(guard, "rules"))
            (tmp_path / "KILL").unlink()
            seconds_until(guard, "model")
        assert median(took) <= 0.1, took
        assert guard.probe("/livez")[0] == 200
        event = guard.events("task_crashed")[-1]
        assert event["task"] in {"ends of modes", "ends of observations"}
        assert event["place"].startswith("guard/control/")


def test_a_stall_of_the_loop_is_named_by_its_place(model: Model, hook: Receiver, tmp_path: Path) -> None:  # noqa: F811
    with faulty(tmp_path, model, hook, STALLS) as guard:
        guard.wait_for("ready")
        until(
            lambda: (
                [event for event in guard.events("loop_stalled") if "guard/control/incidents/manager.py" in event["place"]]
                != []
            ),
            lambda: str(guard.events("loop_stalled")),
        )
        page = guard.probe("/metrics")[1]
        assert re.search(
            r'guard_loop_stalls_total\{guard_place="guard/control/incidents/manager\.py:\d+:\S+watch"\} 1', page
        )


def test_background_tasks_are_started_by_the_supervisor_and_by_nobody_else() -> None:
    """Else an error ends one for ever. What is listed here belongs to a connection, an order or a thread of its own."""
    others = {
        "guard/control/acceptor.py",  # the handshake of one connection
        "guard/control/incidents/notifier.py",  # the thread's own loop; every delivery is guarded there
        "guard/control/viewers.py",  # a page that several wait for, who get its error
        "guard/control/order_store.py",  # one order, whose caller gets its error
        "guard/control/supervisor.py",
        "guard/proxy/handshakes.py",  # the handshake of one connection
        "guard/proxy/pool.py",  # one connect, whose waiters get its error
        "guard/serve.py",  # the beginning, and the wait for a signal: both awaited
    }
    spawns = re.compile(r"\b(?:create_task|ensure_future)\(")
    found = {
        str(path.relative_to(ROOT))
        for part in ("control", "proxy", "telemetry", "ladder", "policy")
        for path in (ROOT / "guard" / part).rglob("*.py")
        if spawns.search(path.read_text())
    } | ({"guard/serve.py"} if spawns.search((ROOT / "guard" / "serve.py").read_text()) else set())
    assert found <= others


def test_no_thread_of_a_running_guard_is_waited_for_at_its_end() -> None:
    """Those of an executor are, and whoever fills the one that asyncio shares holds everybody: see `guard/control/worker.py`."""
    executors = re.compile(r"to_thread|run_in_executor|ThreadPoolExecutor|\bThread\((?![^\n]*daemon=True)")
    results = {
        str(path.relative_to(ROOT))
        for part in ("control", "proxy", "telemetry", "ladder", "policy", "events", "webhooks")
        for path in (ROOT / "guard" / part).rglob("*.py")
        if executors.search(path.read_text())
    }
    assert not results


def test_no_loop_swallows_errors_in_silence() -> None:
    """Whoever catches everything counts it, publishes it or hands it on: `pass` after it hides a bug for ever."""
    silent = re.compile(
        r"except (?:Exception|BaseException)[^\n]*:[^\n]*\n\s+(?:pass|continue|return(?: None)?)\n|suppress\((?:Base)?Exception\)"
    )
    allowed = {
        "guard/telemetry/log.py",  # standard error that is closed: there is nobody to tell
        "guard/telemetry/collector.py",  # the rest of an answer whose status is known
        "guard/control/incidents/notifier.py",  # the client's end, at the end of the process
    }
    results = {str(path.relative_to(ROOT)) for path in (ROOT / "guard").rglob("*.py") if silent.search(path.read_text())}
    assert results <= allowed
