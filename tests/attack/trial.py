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
from tests.attack.stage import ROOT, Stage, staged

BOUNDS = {
    "client, kept connection": (0.99, 0.050),
    "client, new connections": (0.99, 0.050),
    "livez": (1.0, 0.100),
    "readyz": (1.0, 0.100),
    "kill in force": (1.0, 0.100),
    "kill answered": (1.0, 0.300),
}
"""Of each kind of bystander: which quantile of its seconds is bounded, and by what."""
MOST_MEMORY = 320.0
"""MiB, the manifest's limit."""


class Outcome(NamedTuple):
    """What the bystanders saw. `seconds`: the quantile of BOUNDS by kind."""

    name: str
    connections: int
    seconds: dict[str, float]
    failures: dict[str, list[str]]
    memory: float

    def complaints(self, noise: "Outcome | None" = None) -> list[str]:
        """What was not held. A machine that is slower than a bound without any attack (`noise`) excuses twice its own time."""
        wrong = [f"{name}: {len(failed)} failed, such as {failed[0]}" for name, failed in self.failures.items() if failed]
        for name, seconds in self.seconds.items():
            bound = BOUNDS[name][1] if noise is None else max(BOUNDS[name][1], 2 * noise.seconds.get(name, 0.0))
            if seconds > bound:
                wrong.append(f"{name}: {seconds * 1000:.0f} ms, at most {bound * 1000:.0f}")
        if self.memory > MOST_MEMORY:
            wrong.append(f"memory: {self.memory:.0f} MiB, at most {MOST_MEMORY:.0f}")
        return wrong


def quantile(seconds: list[float], share: float) -> float:
    """The value that so many are not above; infinite where nothing was answered."""
    if not seconds:
        return float("inf")
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def attempt(attack: Attack | None, connections: int, seconds: float) -> Outcome:
    """Stage a guard of its own, attack it, and ask beside that; without an attack, what the machine does by itself."""
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder), tls=attack is not None and attack.tls) as stage:
        attacker = _begin(attack, connections, stage) if attack is not None else None
        try:
            if attacker is not None:
                time.sleep(min(1.0, seconds / 2))
            stage.forget_peak()
            seen = _bystanders(stage, seconds)
            memory = stage.peak() if stage.guard.process.poll() is None else float("inf")
        finally:
            if attacker is not None:
                attacker.send_signal(signal.SIGKILL)
                attacker.wait()
    times = {name: quantile(asked["seconds"], BOUNDS[name][0]) for name, asked in seen.items()}
    failures = {name: asked["failures"] for name, asked in seen.items()}
    return Outcome(attack.name if attack else "no attack", connections, times, failures, memory)


def _begin(attack: Attack, connections: int, stage: Stage) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.attack.attacker", attack.name, str(connections), json.dumps(stage.target)]
    return subprocess.Popen(command, cwd=ROOT, stderr=None if os.environ.get("ATTACK_DEBUG") else subprocess.DEVNULL)


def _bystanders(stage: Stage, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.attack.bystander", json.dumps(stage.target), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=seconds + 120, check=True)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen
