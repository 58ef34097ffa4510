"""One attack beside bystanders, and what they may notice of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.attack.base import Attack
from tests.attack.stage import FIRST, LAST, ROOT, Stage, schedule, staged

MACHINE = "machine"
"""A client that asks the model server and not guard: how late this machine makes an answer by itself, in the same seconds."""
EXCUSE = 2.0
"""Every bound is longer by so many times that, as a request through guard waits for two processes more."""
BOUNDS = {
    "client, kept connection": (0.99, 0.050),
    "client, new connections": (0.99, 0.050),
    "livez": (1.0, 0.100),
    "readyz": (1.0, 0.100),
    "kill in force": (1.0, 0.100),
    "kill answered": (1.0, 0.300),
}
"""Of each kind of bystander: which quantile of its seconds is bounded, and by what."""
STALL = 1.0
"""Seconds after which a bystander has been stopped and not delayed: all that a test may say of time on a machine that others use."""
MOST_MEMORY = 320.0
"""MiB, the manifest's limit."""


class Outcome(NamedTuple):
    """What the bystanders saw. `seconds`: the quantile of BOUNDS by kind."""

    name: str
    connections: int
    seconds: dict[str, float]
    failures: dict[str, list[str]]
    memory: float

    def complaints(self, least: float = 0.0) -> list[str]:
        """What was not held. `least`: seconds that every bound has at least."""
        excuse = EXCUSE * self.seconds[MACHINE]
        wrong = [f"{name}: {len(failed)} failed, such as {failed[0]}" for name, failed in self.failures.items() if failed]
        for name, (_, bound) in BOUNDS.items():
            allowed = max(bound, least) + excuse
            if self.seconds[name] > allowed:
                wrong.append(f"{name}: {self.seconds[name] * 1000:.0f} ms, at most {allowed * 1000:.0f}")
        if self.memory > MOST_MEMORY:
            wrong.append(f"memory: {self.memory:.0f} MiB, at most {MOST_MEMORY:.0f}")
        return wrong


def _leaks(stage: Stage, attack: Attack) -> list[str]:
    """Lines of guard's pages and log that hold the attackers' word, once requests with it were answered."""
    until = time.monotonic() + 60
    while (told := stage.told()) and f'route="{attack.path}",guard_source=' not in told:
        assert time.monotonic() < until, "attackers come last for the processor, and got none of it"
        time.sleep(0.1)
    return [line for line in told.splitlines() if attack.secret in line]


def quantile(seconds: list[float], share: float) -> float:
    """The value that so many are not above; infinite where nothing was answered."""
    if not seconds:
        return float("inf")
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def attempt(attack: Attack | None, connections: int, seconds: float) -> Outcome:
    """Stage a guard of its own, attack it, and ask beside that; without an attack, what the machine does by itself."""
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder), attack) as stage:
        attacker = _begin(attack, connections, stage) if attack is not None else None
        try:
            if attacker is not None:
                time.sleep(min(1.0, seconds / 2))
            stage.forget_peak()
            seen = _bystanders(stage, seconds)
            if attack is not None and attack.secret:
                seen["secret"] = {"seconds": [], "failures": _leaks(stage, attack)}
            memory = stage.peak() if stage.guard.process.poll() is None else float("inf")
        finally:
            if attacker is not None:
                attacker.send_signal(signal.SIGKILL)
                attacker.wait()
    times = {name: quantile(asked["seconds"], BOUNDS.get(name, (1.0, 0.0))[0]) for name, asked in seen.items()}
    failures = {name: asked["failures"] for name, asked in seen.items()}
    return Outcome(attack.name if attack else "no attack", connections, times, failures, memory)


def _begin(attack: Attack, connections: int, stage: Stage) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.attack.attacker", attack.name, str(connections), json.dumps(stage.target)]
    stderr = None if os.environ.get("ATTACK_DEBUG") else subprocess.DEVNULL
    attacker = subprocess.Popen(command, cwd=ROOT, stderr=stderr, start_new_session=True)
    schedule(attacker.pid, LAST)
    return attacker


def _bystanders(stage: Stage, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.attack.bystander", json.dumps(stage.target), str(seconds)]
    asking = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    schedule(asking.pid, FIRST)
    seen: dict[str, Any] = json.loads(asking.communicate(timeout=seconds + 120)[0])
    return seen
