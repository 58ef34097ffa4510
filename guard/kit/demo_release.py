"""`guard demo --release`: a bad version is aborted by itself, a good one promoted and rolled back; no client notices."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from guard.kit.demo import policy
from guard.kit.processes import free_port, running, wait

REQUESTS: Final = 600
ENOUGH: Final = 60
WITHIN: Final = 30.0
LABELS: Final = ("benign", "malignant")


@dataclass(slots=True)
class Clients:
    """Clients, and the answers that they got."""

    url: str
    client: Any
    rows: list[dict[str, float]]
    sent: int = 0
    bad: int = 0
    sources: dict[str, int] = field(default_factory=dict)

    def send(self) -> None:
        """One request of the next patient."""
        patient = f"AB-{self.sent:06}"
        row = self.rows[self.sent % len(self.rows)]
        answer = self.client.post(f"{self.url}/predict", json={"patient_id": patient, **row})
        self.sent += 1
        source = answer.headers.get("x-guard-source", "-")
        self.sources[source] = self.sources.get(source, 0) + 1
        document = answer.json() if answer.status_code == 200 else {}
        score = document.get("score")
        if document.get("label") not in LABELS or not isinstance(score, float) or not 0 <= score <= 1:
            self.bad += 1

    def told(self) -> str:
        """The sources of all answers so far."""
        return ", ".join(f"{source} {count}" for source, count in sorted(self.sources.items()))


class Operator:
    """Orders, as `guard release` gives them."""

    def __init__(self, client: Any, state: Path) -> None:
        announced = json.loads((state / "private" / "admin.json").read_text())
        self._client, self._url = client, f"{announced['url']}/admin/v1/release"
        self._headers = {"authorization": f"Bearer {Path(announced['token']).read_text().strip()}"}

    def order(self, kind: str, **members: str) -> tuple[int, dict[str, Any]]:
        """Give an order; its status and answer."""
        answer = self._client.post(f"{self._url}/{kind}", json={"reason": "demo", **members}, headers=self._headers)
        return answer.status_code, answer.json()

    def document(self) -> dict[str, Any]:
        """Everything about releases."""
        found: dict[str, Any] = self._client.get(self._url, headers=self._headers).json()
        return found


def run() -> int:
    """0: everything was as promised."""
    try:
        import httpx2  # noqa: PLC0415
        from sklearn.datasets import load_breast_cancer  # noqa: PLC0415
    except ImportError:
        click.echo("the demo needs its extra: pip install 'guard-sidecar[demo]', or make demo", err=True)
        return 2
    data = load_breast_cancer()
    rows = [dict(zip(map(str, data.feature_names), map(float, row), strict=True)) for row in data.data[:60]]
    wrong: list[str] = []
    with ExitStack() as stack:
        import tempfile  # noqa: PLC0415

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-demo-")))
        click.echo("[1/4] starting three versions of a model: 1 answers, 2 is better, 3 answers scores that are none")
        ports = [stack.enter_context(_model(folder, name, *flags)) for name, flags in _VERSIONS]
        write(folder, ports[0], "3", ports[2])
        port = free_port()
        command = [
            sys.executable, "-m", "guard", "serve", str(folder / "policy.yaml"), "--listen", f"127.0.0.1:{port}",
            "--ops", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir", str(folder / "state"),
        ]  # fmt: skip
        stack.enter_context(running(command, port, folder / "guard.log"))
        client = stack.enter_context(httpx2.Client(timeout=10, trust_env=False))
        clients, operator = Clients(f"http://127.0.0.1:{port}", client, rows), Operator(client, folder / "state")
        wrong += _aborted(clients, operator)
        write(folder, ports[0], "2", ports[1])
        wrong += _promoted(clients, operator)
        if clients.bad:
            wrong.append(f"{clients.bad} clients got an answer that is none")
        for problem in wrong:
            click.echo(f"FAILED  {problem}", err=True)
        if wrong:
            click.echo((folder / "guard.log").read_text(errors="replace")[-4000:], err=True)
            return 1
    click.echo(f"\n{clients.sent} requests, {clients.bad} bad answers. Everything as promised.")
    return 0


_VERSIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (("1", ()), ("2", ()), ("3", ("--broken",)))


def write(folder: Path, model: int, version: str, candidate: int) -> None:
    """Write the demo's policy with a candidate, in one step: guard watches it."""
    lines = policy().read_text(encoding="utf-8").replace("http://127.0.0.1:8080", f"http://127.0.0.1:{model}")
    lines += f"""
release: {{model: tumour-triage, version: '1'}}
candidate:
  release: {{model: tumour-triage, version: '{version}'}}
  url: http://127.0.0.1:{candidate}
  key: field:patient_id
  canary: {{steps: [25%, 50%], step: {{at_least: 1s, requests: 20}}}}
"""
    beside = folder / "policy.yaml.new"
    beside.write_text(lines, encoding="utf-8")
    os.replace(beside, folder / "policy.yaml")  # noqa: PTH105


def _aborted(clients: Clients, operator: Operator) -> Iterator[str]:
    click.echo("[2/4] version 3 answers a quarter of the patients: guard release canary")
    status, answer = operator.order("canary")
    if status != 200:
        yield f"the canary was refused: {answer}"
        return
    begun, first = time.perf_counter(), clients.sent
    while clients.sent - first < REQUESTS:
        clients.send()
        if clients.sent % 10 == 0 and operator.document()["stage"] == "aborted":
            break
    found = operator.document()
    if found["stage"] != "aborted":
        yield f"version 3 was not aborted: {found['verdict']}"
        return
    taken = time.perf_counter() - begun
    click.echo(
        f"      aborted by itself after {clients.sent - first} requests and {taken:.1f} s: {found['verdict']['why']}"
    )
    click.echo(f"      every client got the model's answer instead: {clients.told()}")
    status, answer = operator.order("canary")
    click.echo(f"      again: {status} {answer.get('code')}: {answer.get('detail')}")
    if status != 409:
        yield "an aborted version was tried again without a reason"


def _promoted(clients: Clients, operator: Operator) -> Iterator[str]:
    click.echo("[3/4] version 2 takes its place in the policy: guard release canary, promote")
    until = time.monotonic() + WITHIN
    while (operator.document()["roles"]["candidate"] or {}).get("version") != "2":
        if time.monotonic() > until:
            yield "the new policy was not read"
            return
        time.sleep(0.1)
    operator.order("canary")
    for _ in range(ENOUGH * 3):
        clients.send()
    status, answer = operator.order("promote")
    click.echo(f"      promote: {status} {answer.get('code')}: {answer.get('detail')}")
    if status == 200:
        yield "it was promoted without proof"
    status, answer = operator.order("promote", override="the demo has no labels")
    if status != 200 or answer["roles"]["model"]["version"] != "2":
        yield f"the promotion was refused: {answer}"
        return
    for _ in range(ENOUGH):
        clients.send()
    click.echo("      promoted with --override, which is audited: version 2 is the model")
    click.echo("[4/4] and back: guard release rollback")
    begun = time.perf_counter()
    status, answer = operator.order("rollback")
    taken = time.perf_counter() - begun
    if status != 200 or answer["roles"]["model"]["version"] != "1":
        yield f"the rollback was refused: {answer}"
        return
    for _ in range(ENOUGH):
        clients.send()
    click.echo(f"      version 1 is the model again after {taken * 1e3:.0f} ms")


@contextmanager
def _model(folder: Path, name: str, *flags: str) -> Iterator[int]:
    """The port of a version's server, until the end of the block."""
    port, log = free_port(), folder / f"model-{name}.log"
    command = [sys.executable, "-m", "guard.kit.demo_model", "--port", str(port), *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 — our own module
    try:
        wait(port, process, log)
        yield port
    finally:
        process.kill()
        process.wait()
