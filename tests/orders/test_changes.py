"""No change of what is in force is lost, half made or made by accident; what hangs stops nothing else."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.orders.promises import POLICY
from tests.orders.stage import Stage, staged, upstream
from tests.sidecar import WITHIN, Sidecar
from tests.within import within

OBSERVE = {"route": "POST /predict", "enforcement": "observe", "ttl": 600, "reason": "r"}
BAD = b'{"age":"seven"}'


def run(work: Any) -> None:
    asyncio.run(within(work, 60))


async def until_observed(stage: Stage, *, observed: bool) -> None:
    while ((await stage.predict(body=BAD)).status == 422) == observed:
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("first", ["order", "reload"])
def test_an_enforcement_order_and_a_reload_that_overlap_are_both_in_force(tmp_path: Path, first: str) -> None:
    async def main() -> None:
        async with upstream() as port:
            text = POLICY.replace("PORT", str(port))
            with staged(tmp_path, text.replace("VERSION", "0")) as stage:
                stage.fault("compile", 0.5)

                async def order() -> None:
                    assert (await stage.api("PUT", "/enforcement", OBSERVE))[0] == 200

                async def reload() -> str:
                    (tmp_path / "policy.yaml").write_text(text.replace("VERSION", "1"))
                    status, outcome = await stage.api("POST", "/policy/reload")
                    assert (status, outcome["ok"]) == (200, True)
                    return str(outcome["digest"])

                works = (order, reload) if first == "order" else (reload, order)
                tasks = [asyncio.create_task(works[0]())]
                await asyncio.sleep(0.1)
                tasks.append(asyncio.create_task(works[1]()))
                outcomes = await asyncio.gather(*tasks)
                await until_observed(stage, observed=True)
                answer = await stage.predict()
                assert answer.headers["x-guard-model-version"] == "1"
                assert (await stage.api("GET", "/status"))[1]["policy"]["digest"] in outcomes

    run(main())


@pytest.fixture
def secured(tmp_path: Path) -> str:
    """A policy whose upstream needs a CA file, which is there."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    text = POLICY.replace("http://127.0.0.1:PORT", "{url: 'https://127.0.0.1:9', tls: {ca: ca.pem}}")
    return text.replace("drain: 0s", "drain: 0s\nkill_file: KILL")


def test_an_order_whose_plan_does_not_compile_is_refused_and_never_comes_with_a_reload(
    tmp_path: Path, secured: str
) -> None:
    async def main() -> None:
        with staged(tmp_path, secured.replace("VERSION", "0")) as stage:
            (tmp_path / "ca.pem").rename(tmp_path / "away")
            status, problem = await stage.api("PUT", "/enforcement", OBSERVE)
            assert (status, problem["code"]) == (409, "policy")
            assert "ca.pem" in problem["detail"]
            (tmp_path / "away").rename(tmp_path / "ca.pem")
            (tmp_path / "policy.yaml").write_text(secured.replace("VERSION", "1"))
            status, outcome = await stage.api("POST", "/policy/reload")
            assert (status, outcome["ok"]) == (200, True)
            assert (await stage.predict(body=BAD)).status == 422
            _, audit = await stage.api("GET", "/audit")
            assert [(entry["what"], entry["who"]) for entry in audit["entries"]] == [("reload", "local")]

    run(main())


def test_an_observation_that_cannot_end_stays_due_and_stops_neither_the_kill_file_nor_other_ends(
    tmp_path: Path, secured: str
) -> None:
    async def main() -> None:
        with staged(tmp_path, secured.replace("VERSION", "0")) as stage:
            assert (await stage.api("PUT", "/enforcement", {**OBSERVE, "ttl": 0.5}))[0] == 200
            (tmp_path / "ca.pem").rename(tmp_path / "away")
            assert "ca.pem" in (await stage.until("enforcement_due"))["why"]
            await stage.mode("disabled", ttl=0.5)
            assert (await stage.until("mode", 2))["why"] == "its ttl has ended"
            (tmp_path / "KILL").write_text("disabled")
            assert (await stage.until("mode", 3))["who"] == "kill file"
            assert (await stage.predict()).source == "disabled"
            assert (await stage.api("GET", "/status"))[1]["routes"][0]["observed"]["who"] == "local"
            (tmp_path / "KILL").unlink()
            (tmp_path / "away").rename(tmp_path / "ca.pem")
            await until_observed(stage, observed=False)
            assert not stage.guard.events("task_crashed")

    run(main())


# ── what hangs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def ends(guard: Sidecar, within: float = 3.0) -> None:
    begun = time.monotonic()
    guard.process.send_signal(signal.SIGTERM)
    assert guard.process.wait(WITHIN) == 0
    assert time.monotonic() - begun < within


def test_a_policy_that_hangs_stops_neither_orders_nor_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        with staged(tmp_path, POLICY.replace("PORT", "9").replace("VERSION", "0")) as stage:
            stage.fault("hang", os.path.realpath(tmp_path / "policy.yaml"))
            reload = asyncio.create_task(stage.api("POST", "/policy/reload"))
            await asyncio.sleep(0.3)
            sent = time.monotonic()
            status, order = await stage.mode("disabled")
            assert (status, order["durable"]) == (200, True)
            assert time.monotonic() - sent < 1.0
            assert (await stage.predict()).source == "disabled"
            await asyncio.to_thread(ends, stage.guard)
            reload.cancel()

    run(main())


def test_a_reload_of_a_policy_that_hung_works_once_it_does_not(tmp_path: Path) -> None:
    async def main() -> None:
        text = POLICY.replace("PORT", "9")
        with staged(tmp_path, text.replace("VERSION", "0")) as stage:
            stage.fault("hang", os.path.realpath(tmp_path / "policy.yaml"))
            status, outcome = await stage.api("POST", "/policy/reload")
            assert (status, outcome["ok"]) == (422, False)
            assert "a file could not be read within 10 s" in outcome["errors"][0]
            stage.fault("hang", "")
            (tmp_path / "policy.yaml").write_text(text.replace("VERSION", "1"))
            assert (await stage.api("POST", "/policy/reload"))[1]["ok"]

    run(main())


def test_a_policy_that_is_a_pipe_is_refused_and_stops_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        text = POLICY.replace("PORT", "9").replace("VERSION", "0")
        with staged(tmp_path, text) as stage:
            (tmp_path / "policy.yaml").unlink()
            os.mkfifo(tmp_path / "policy.yaml")
            status, outcome = await stage.api("POST", "/policy/reload")
            assert (status, outcome["ok"]) == (422, False)
            assert "not a regular file" in outcome["errors"][0]
            await asyncio.to_thread(ends, stage.guard)

    run(main())


def test_a_guard_whose_first_policy_hangs_can_be_ended(tmp_path: Path) -> None:
    (tmp_path / "faults").mkdir()
    (tmp_path / "policy.yaml").write_text(POLICY.replace("PORT", "9").replace("VERSION", "0"))
    (tmp_path / "faults" / "hang").write_text(os.path.realpath(tmp_path / "policy.yaml"))
    environ = {**os.environ, "FAULTS": str(tmp_path / "faults"), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    guard = Sidecar(("policy.yaml",), tmp_path, environ=environ, module="tests.orders.launcher")
    try:
        while not (tmp_path / "faults" / "hanging").exists():
            assert guard.process.poll() is None
        ends(guard)
    finally:
        guard.process.kill()
        guard.ended()


# ── what may have been lost ───────────────────────────────────────────────────────────────────────────────────────────


def linked(private: Path) -> None:
    private.rename(private.with_name("elsewhere"))
    private.symlink_to(private.with_name("elsewhere"))


def linked_lock(private: Path) -> None:
    (private / "lock").unlink()
    (private / "lock").symlink_to(private / "elsewhere")


def foreign(private: Path) -> None:
    os.chown(private, 12345, 12345)


@pytest.mark.parametrize("spoil", [linked, linked_lock, foreign])
def test_a_state_folder_that_is_there_and_cannot_be_opened_is_a_kill(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    if spoil is foreign and os.geteuid() != 0:
        pytest.skip("only root gives files away")

    async def main() -> None:
        async with upstream() as port:
            text = POLICY.replace("PORT", str(port)).replace("VERSION", "0")
            with staged(tmp_path, text) as stage:
                await stage.mode("rules")
            spoil(tmp_path / "state" / "private")
            with staged_without_admin(tmp_path, text) as guard:
                assert "cannot be opened" in guard.wait_for("orders_unreadable")["why"]
                connection = guard.connect()
                connection.request("POST", "/predict", b'{"age":7}', {"content-type": "application/json"})
                answer = connection.getresponse()
                assert (answer.getheader("x-guard-source"), answer.read()) == ("rules", b'{"label":"a"}')

    run(main())


def staged_without_admin(folder: Path, text: str) -> Any:
    """A guard that has no state folder has no secret for this machine either."""
    from tests.sidecar import sidecar

    (folder / "policy.yaml").write_text(text)
    return sidecar("policy.yaml", folder=folder)


def test_a_clock_that_is_three_centuries_ahead_breaks_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with upstream() as port:
            text = POLICY.replace("PORT", str(port)).replace("VERSION", "0")
            (tmp_path / "faults").mkdir()
            (tmp_path / "faults" / "clock").write_text(str(300 * 365 * 86400))
            with staged(tmp_path, text) as stage:
                status, order = await stage.mode("rules", ttl=3600)
                assert (status, order["durable"]) == (200, True)
                status, told = await stage.api("GET", "/status")
                assert (status, told["mode"], told["until"][:2]) == (200, "rules", "23")
                assert (await stage.api("GET", "/audit"))[1]["entries"][0]["at"][:2] == "23"
                assert (await stage.predict()).source == "rules"
            (tmp_path / "faults" / "clock").unlink()
            with staged(tmp_path, text) as stage:
                assert (await stage.predict()).source == "rules"
                assert (await stage.mode("normal"))[0] == 200
                assert (await stage.predict()).source == "model"

    run(main())


def test_whoever_kills_on_a_slow_disk_is_told_what_a_restart_does(tmp_path: Path) -> None:
    async def main() -> None:
        with staged(tmp_path, POLICY.replace("PORT", "9").replace("VERSION", "0")) as stage:
            stage.fault("fsync", 1)
            arguments = ("-m", "guard", "kill", "--reason", "r", "--state-dir", str(tmp_path / "state"))
            process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.PIPE)
            _, said = await process.communicate()
            assert process.returncode == 0
            assert said.startswith(b"NOT DURABLE yet: ")
            await stage.until("orders_durable")

    run(main())
