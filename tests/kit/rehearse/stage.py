"""The command as a user runs it, against model servers of tests/faulty."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
POLICY = """version: guard/v1
service: credit-risk
upstream: {url: 'http://127.0.0.1:PORT', limits: {concurrency: 32}}
routes:
  POST /score:
    timeout: {connect: 1s, attempt: 2s, request: 5s}
    input:
      customer_id: {type: string, pattern: '^[A-Z]{2}[0-9]{4}$', sensitivity: personal, send: false}
      age: {type: integer, unit: years, min: 18, max: 120}
      income: {type: number, unit: EUR/year, min: 0, max: 100000000, sensitivity: financial}
      employment: {type: string}
      note: {type: string, required: false, max_length: 2000}
    output:
      label: {enum: [approve, decline, review]}
      score: {type: number, min: 0, max: 1, from: model}
    fallback: {label: review}
targets: TARGETS
"""
TARGETS = "{latency_p95: 5s, error_rate: 1%, availability: 99%, model_share: 90%}"
SALARIED = {"customer_id": "AB1234", "age": 34, "income": 41000.5, "employment": "salaried"}


@dataclass
class Model:
    """A model server's process."""

    port: int
    pid: int


@contextmanager
def model(fault: str = "none") -> Iterator[Model]:
    """One that has a fault."""
    command = [sys.executable, "-m", "tests.faulty.model", "--fault", fault]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout
        yield Model(int(process.stdout.readline()), process.pid)
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def policy(folder: Path, port: int, targets: str = TARGETS) -> Path:
    """The policy, with an example beside it."""
    (path := folder / "policy.yaml").write_text(POLICY.replace("PORT", str(port)).replace("TARGETS", targets))
    requests = folder / "tests" / "requests"
    requests.mkdir(parents=True, exist_ok=True)
    (requests / "salaried.json").write_text(
        json.dumps({"body": SALARIED, "expect": {"source": "model", "body": {"label": "approve"}}})
    )
    return path


def command(path: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "guard", "rehearse", str(path), *arguments]


def rehearse(path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """To its end."""
    return subprocess.run(command(path, *arguments), capture_output=True, text=True, timeout=180, cwd=path.parent)


def told(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the document."""
    done = rehearse(path, *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def checks(document: dict[str, Any], part: str, *results: str) -> dict[str, dict[str, Any]]:
    """The checks of a part by name; of these results, or all."""
    [found] = [item for item in document["result"]["parts"] if item["name"] == part]
    return {check["name"]: check for check in found["checks"] if not results or check["result"] in results}


def interrupted(path: Path, at: str, *arguments: str, number: int = signal.SIGINT) -> tuple[int, str]:
    """A rehearsal that is interrupted once it says that part on stderr: exit code and report."""
    process = subprocess.Popen(
        command(path, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=path.parent,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stderr
    for line in process.stderr:
        if at in line:
            process.send_signal(number)
            break
    report, _ = process.communicate(timeout=60)
    return process.returncode, report
