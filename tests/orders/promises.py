"""What is promised of orders, as long or short as the caller wants: some tens of tries in CI, thousands in `make soak`."""

import asyncio
import contextlib
import itertools
import signal
import time
from pathlib import Path
from typing import Any

from tests.orders.stage import Load, Stage, staged, upstream
from tests.sidecar import WITHIN

IN_FORCE = 0.1
ANSWERED = 0.3
"""Seconds from the moment that an order is sent."""
RATE = 500.0

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:PORT
release: {version: "VERSION"}
drain: 0s
routes:
  POST /predict:
    input: {age: {type: integer}}
    output: {label: {enum: [m, a]}}
    fallback: {label: a}
    breaker: {consecutive_failures: 1000}
"""


async def kills_in_force(folder: Path, tries: int) -> list[float]:
    """Kill under a compilation of 1 s, a disk that takes 2 s for each fsync and 500 requests/s.

    Returns the seconds of each try after which no request was given to the model any more. Raises AssertionError where one
    was given later than IN_FORCE after the order was sent, or the order answered later than ANSWERED.
    """
    async with upstream() as port:
        text = POLICY.replace("PORT", str(port))
        with staged(folder, text.replace("VERSION", "0")) as stage:
            stage.fault("fsync", 2)
            stage.fault("compile", 1)
            async with Load(stage.guard.port, RATE).running() as load:
                compiling = asyncio.create_task(_compile_for_ever(stage, text))
                begun, count = time.monotonic(), load.count
                took = [await _one_kill(stage, load) for _ in range(tries)]
                rate = (load.count - count) / (time.monotonic() - begun)
                compiling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await compiling
            assert rate > 0.5 * RATE, f"{rate:.0f} requests/s"
            assert not stage.guard.events("task_crashed")
            return took


async def _compile_for_ever(stage: Stage, text: str) -> None:
    """A policy that is another each time."""
    for number in itertools.count(1):
        (stage.folder / "policy.yaml").write_text(text.replace("VERSION", str(number)))
        status, outcome = await stage.api("POST", "/policy/reload")
        assert (status, outcome["ok"]) == (200, True)


async def _one_kill(stage: Stage, load: Load) -> float:
    """Seconds until it was in force. Time in which the machine ran neither guard nor these clients is nobody's."""
    waited, sent = stage.waited_for_a_core(), time.monotonic()
    status, order = await stage.api("PUT", "/mode", {"mode": "rules", "reason": "r"})
    answered = time.monotonic() - sent
    starved = stage.waited_for_a_core() - waited
    await asyncio.sleep(IN_FORCE + 0.05)
    late = [answer.asked - sent for answer in load.answers if answer.asked >= sent and answer.source == "model"]
    again, _ = await stage.mode("normal")
    assert (status, again, order["durable"]) == (200, 200, False), "the disk takes 2 s"
    assert answered < ANSWERED + starved
    assert max(late, default=0.0) < IN_FORCE + starved
    return max(late, default=0.0)


async def kills_survive(folder: Path, tries: int) -> None:
    """A kill -9 right after `durable: true`, or after the event that says so where the disk is slow, loses no order."""
    async with upstream() as port:
        text = POLICY.replace("PORT", str(port)).replace("VERSION", "0")
        for number in range(tries):
            with staged(folder, text) as stage:
                lowered = number % 2 == 0
                stage.fault("fsync", 0.3 if number % 4 >= 2 else 0)
                status, order = await stage.mode("rules" if lowered else "normal")
                assert status == 200
                if not order["durable"]:
                    await stage.until("orders_durable")
                stage.guard.process.send_signal(signal.SIGKILL)
                stage.guard.process.wait(WITHIN)
                stage.fault("fsync", 0)
            with staged(folder, text) as stage:
                assert (await stage.predict()).source == ("rules" if lowered else "model")


async def kills_among_viewers(folder: Path, tries: int) -> None:
    """Thirty viewers read contracts, audits and the status without a pause; a kill is in force and answered all the same."""
    async with upstream() as port:
        with staged(folder, POLICY.replace("PORT", str(port)).replace("VERSION", "0")) as stage:

            async def view(number: int) -> None:
                path = ("/contract?format=openapi", "/audit?limit=1000", "/status")[number % 3]
                while True:
                    assert (await stage.api("GET", path))[0] in {200, 503}

            viewers = [asyncio.create_task(view(number)) for number in range(30)]
            try:
                for _ in range(tries):
                    await asyncio.sleep(0.1)
                    waited, sent = stage.waited_for_a_core(), time.monotonic()
                    status, _ = await stage.api("PUT", "/mode", {"mode": "rules", "reason": "r"})
                    answered = time.monotonic() - sent
                    assert (status, (await stage.predict()).source) == (200, "rules")
                    assert answered < ANSWERED + stage.waited_for_a_core() - waited
                    assert (await stage.mode("normal"))[0] == 200
            finally:
                for viewer in viewers:
                    viewer.cancel()
                await asyncio.gather(*viewers, return_exceptions=True)


def figures(took: list[float]) -> dict[str, Any]:
    """In milliseconds."""
    ordered = sorted(took)
    return {"tries": len(took), "p50": round(ordered[len(took) // 2] * 1e3, 1), "max": round(ordered[-1] * 1e3, 1)}
