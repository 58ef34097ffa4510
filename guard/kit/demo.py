"""`guard demo`: a real model is trained, guarded, broken and brought back; every answer is held against its promise."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from guard.kit.demo_drift import collapse, prepare
from guard.kit.processes import free_port, running, wait
from guard.proxy.values import MODEL, RULES

HERE = Path(__file__).resolve().parent
POLICIES = (HERE.parent.parent / "policies", HERE / "policies")
"""Folders of the policy: in a checkout, and in an installed package."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected result of one request."""

    status: int
    source: str | None = None
    reason: str | None = None
    violations: tuple[str, ...] = ()
    label: tuple[str, ...] = ()


@dataclass(slots=True)
class Show:
    """The table as it grows, and what went wrong."""

    url: str
    client: Any
    wrong: list[str] = field(default_factory=list)

    def row(self, name: str, body: Mapping[str, Any] | bytes, expected: Expected) -> None:
        """Send one request, print its row, compare."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        begun = time.perf_counter()
        answer = self.client.post(f"{self.url}/predict", content=content, headers={"content-type": "application/json"})
        elapsed = (time.perf_counter() - begun) * 1e3
        try:
            document = answer.json()
        except ValueError:
            document = {}
        source, reason = answer.headers.get("x-guard-source"), answer.headers.get("x-guard-reason")
        violations = tuple(f"{violation['pointer']} {violation['code']}" for violation in document.get("violations", ()))
        label = document.get("label")
        got = Expected(answer.status_code, source, reason, violations, expected.label if label in expected.label else ())
        if got != expected:
            self.wrong.append(
                f"{name}: expected {expected}, got {answer.status_code} {source} {reason} {answer.text[:300]}"
            )
        verdict = (
            f"{label} ({document['score']:.3f})" if document.get("score") is not None else label or document.get("code", "")
        )
        if violations:
            verdict += ": " + ", ".join(violations)
        mark = " " if got == expected else "!"
        click.echo(
            f"{mark} {name:38} {answer.status_code}  {verdict:36} {source or '-':6} {reason or '-':8} {elapsed:7.1f}"
        )


def run(*, stay: bool) -> int:
    """0: everything was as promised."""
    try:
        import httpx2  # noqa: PLC0415
        from sklearn.datasets import load_breast_cancer  # noqa: PLC0415
    except ImportError:
        click.echo("the demo needs its extra: pip install 'guard-sidecar[demo]', or make demo", err=True)
        return 2
    data = load_breast_cancer()
    rows = [dict(zip(map(str, data.feature_names), map(float, row), strict=True)) for row in data.data]
    malignant, benign = rows[0], rows[19]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-demo-")))
        model_port, port = free_port(), free_port()
        click.echo("[1/4] training a classifier and starting its server")
        model = _Model(model_port, folder)
        stack.callback(model.kill)
        model.start()
        click.echo(f"[2/4] asking it about {len(rows)} patients as a reference, and starting guard with {policy().name}")
        command = [
            sys.executable, "-m", "guard", "serve", str(prepare(policy(), folder, f"http://127.0.0.1:{model_port}", rows)),
            "--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{model_port}",
            "--ops", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir", str(folder / "state"),
        ]  # fmt: skip
        stack.enter_context(running(command, port, folder / "guard.log"))
        click.echo("[3/4] sending requests\n")
        client = stack.enter_context(httpx2.Client(timeout=10))
        show = Show(f"http://127.0.0.1:{port}", client)
        click.echo(f"  {'request':38} code {'verdict':36} {'source':6} {'reason':8} {'ms':>7}")
        _walk(show, model, malignant, benign)
        click.echo("\n[4/4] a model that is wrong and still answers 200\n")
        show.wrong += collapse(show.url, client, folder / "guard.log", rows, model.collapse)
        click.echo("")
        if show.wrong:
            for problem in show.wrong:
                click.echo(f"FAILED  {problem}", err=True)
            click.echo((folder / "guard.log").read_text(errors="replace")[-4000:], err=True)
            return 1
        click.echo("Everything as promised.")
        if stay:
            _stay(show.url, model, benign)
    return 0


def _walk(show: Show, model: "_Model", malignant: dict[str, float], benign: dict[str, float]) -> None:
    patient = {"patient_id": "AB-123456"}
    good = Expected(200, MODEL, label=("malignant",))
    fine = Expected(200, MODEL, label=("benign",))
    show.row("a malignant tumour", {**patient, **malignant}, good)
    show.row("a benign one", {**patient, **benign}, fine)
    received = model.received(show.client)
    if "patient_id" in received or len(received) != 30:
        show.wrong.append(f"the model received {received}")
    click.echo(f"    the model received {len(received)} features, and no patient_id")
    show.row("an undeclared field: stripped", {**patient, **benign, "postcode": "1050"}, fine)
    received = model.received(show.client)
    if "postcode" in received:
        show.wrong.append("the model received postcode")
    click.echo(f"    the model received {len(received)} features, and no postcode")
    missing = {name: value for name, value in benign.items() if name != "mean radius"}
    denied = ("/mean radius missing",)
    show.row("a missing field", {**patient, **missing}, Expected(422, violations=denied))
    show.row('a number as text: "17.99"', {**patient, **benign, "mean radius": "17.99"}, _denied("/mean radius type"))
    show.row("out of range: radius in nm", {**patient, **benign, "mean radius": 13540.0}, _denied("/mean radius max"))
    two = _denied("/patient_id pattern", "/mean area null")
    show.row("two mistakes at once", {**benign, "patient_id": "Jo Doe", "mean area": None}, two)
    show.row("JSON cut off", b'{"patient_id": "AB-123456", "mean ra', Expected(400))
    show.row("a key twice", b'{"mean radius": 1, "mean radius": 20}', Expected(400))
    model.kill()
    click.echo("    the model server is killed")
    show.row("a large nucleus, without the model", {**patient, **malignant}, _rules("malignant"))
    show.row("a small one, without the model", {**patient, **benign}, _rules("review"))
    click.echo("    the model server is started again")
    model.start()
    show.row("a malignant tumour, again", {**patient, **malignant}, good)


def _denied(*violations: str) -> Expected:
    return Expected(422, violations=violations)


def _rules(label: str) -> Expected:
    return Expected(200, RULES, "connect", label=(label,))


def _stay(url: str, model: "_Model", row: dict[str, float]) -> None:
    body = json.dumps({"patient_id": "AB-123456", **row})
    click.echo(f"\nguard is on {url}, the model server is process {model.pid}. Try:\n")
    click.echo(f"  curl -i {url}/predict -H 'content-type: application/json' -d '{body}'\n")
    click.echo(f"  kill -9 {model.pid}   # and ask again\n\nCtrl-C ends both.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        click.echo("")


class _Model:
    """The model server's process, to be killed and started again."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port, self._folder = port, folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def collapse(self) -> None:
        """Another version takes its place, which answers the same to everybody."""
        self.kill()
        self.start("--collapsed")

    def start(self, *more: str) -> None:
        """Start it; `more`: options of the demo's model."""
        with (self._folder / "model.log").open("ab") as log:
            command = [sys.executable, "-m", "guard.kit.demo_model", "--port", str(self._port), *more]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 — our own module
        wait(self._port, self._process, self._folder / "model.log")

    def received(self, client: Any) -> list[str]:
        received: list[str] = client.get(f"http://127.0.0.1:{self._port}/received").json()
        return received

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def policy() -> Path:
    """The demo's policy. Raises click.ClickException."""
    candidates = [folder / "tumour-triage.yaml" for folder in POLICIES if (folder / "tumour-triage.yaml").exists()]
    if not candidates:
        raise click.ClickException("the demo's policy is missing from this installation")
    return candidates[0]
