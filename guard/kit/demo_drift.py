"""The last part of `guard demo`: a model that answers the same to everybody, with 200, and the alarm about it."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

HEALTHY: Final = 300
"""Requests before the model collapses."""
WITHIN: Final = 60.0
"""Seconds in which there must be an alarm."""
MONITOR: Final = "\nmonitor: {season: none, rate: 10000/s, reference: reference.json}\n"
PATIENT: Final = {"patient_id": "AB-123456"}


def prepare(policy: Path, folder: Path, upstream: str, rows: Sequence[Mapping[str, float]]) -> Path:
    """Make a reference of these rows by asking the model, and the policy that names it. Raises click.ClickException."""
    table, out = folder / "validation.csv", folder / "policy.yaml"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*PATIENT, *rows[0]])
        writer.writerows([*PATIENT.values(), *row.values()] for row in rows)
    command = [
        sys.executable, "-m", "guard", "reference", "make", "--policy", str(policy), "--target", upstream,
        "--out", str(folder / "reference.json"), str(table),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 — our own module
    if done.returncode:
        raise click.ClickException(f"guard reference make: {done.stderr[-2000:]}")
    out.write_text(policy.read_text(encoding="utf-8") + MONITOR, encoding="utf-8")
    return out


def collapse(
    url: str, client: Any, log: Path, rows: Sequence[Mapping[str, float]], break_model: Callable[[], None]
) -> list[str]:
    """Send healthy traffic, break the model, and wait for the alarm; what was not as promised."""
    sent = _send(url, client, rows, 0, HEALTHY)
    if (early := _alarm(log)) is not None:
        return [f"an alarm before anything was wrong: {early}"]
    break_model()
    click.echo("    the model server is replaced by one that answers `benign` to everybody, with 200")
    begun, broken = time.monotonic(), sent
    while (alarm := _alarm(log)) is None:
        if time.monotonic() - begun > WITHIN:
            return [f"no alarm after {sent - broken} answers of a model that collapsed"]
        sent = _send(url, client, rows, sent, 20)
    seconds = time.monotonic() - begun
    click.echo(f"    guard alarms after {sent - broken} answers, {seconds:.1f} s: {alarm['signal']}, {alarm['strength']}")
    for cell in alarm["cells"][:2]:
        click.echo(f"      {cell}")
    return [] if str(alarm["signal"]).startswith("output:") else [f"the alarm is about {alarm['signal']}"]


def _send(url: str, client: Any, rows: Sequence[Mapping[str, float]], sent: int, count: int) -> int:
    for number in range(sent, sent + count):
        answer = client.post(f"{url}/predict", json={**PATIENT, **rows[number * 7 % len(rows)]})
        answer.raise_for_status()
    return sent + count


def _alarm(log: Path) -> dict[str, Any] | None:
    """The alarm in guard's log."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"event": "drift"' in line:
            found: dict[str, Any] = json.loads(line)
            return found
    return None
