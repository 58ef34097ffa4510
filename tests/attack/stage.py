"""A guard, its model server, and a policy that has something for every attack."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trustme

from guard.control.tokens import generate, line
from tests.sidecar import Sidecar, free_port, sidecar

if TYPE_CHECKING:
    from tests.attack.base import Attack

ROOT = Path(__file__).resolve().parents[2]
FIELDS = 8
"""Required fields of each row on /rows."""
FIRST, LAST = -10, 10
"""Niceness: guard and bystanders go before whatever else this machine does, where the user may decide that; attackers last.
What is measured is guard, and not who gets the processor."""
EXTRA = 200
"""Routes that nobody asks: a status and a contract tell them all."""
SCHEMA = {
    "type": "object",
    "required": ["rows"],
    "properties": {
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [f"f{number}" for number in range(FIELDS)],
                "properties": {f"f{number}": {"type": "number"} for number in range(FIELDS)},
            },
        }
    },
}
POLICY = f"""version: guard/v1
service: attacked
upstream: http://127.0.0.1:MODEL
routes:
  POST /predict:
    input: {{age: {{type: integer}}}}
    output: {{label: {{enum: [a, b]}}}}
    timeout: {{connect: 1s, attempt: 2s, request: 4s}}
    fallback: {{label: a}}
  POST /rows:
    rows: /instances
    input: {{{", ".join(f"f{number}: {{type: number}}" for number in range(FIELDS))}}}
    output: {{label: {{at: /label, enum: [a, b]}}}}
    fallback: [disabled: {{status: 503}}]
  POST /numbers:
    input: {{values: {{type: array, items: {{type: number}}}}}}
    output: {{label: {{enum: [a, b]}}}}
    fallback: {{label: a}}
  POST /schema:
    input: {{schema: schema.json}}
    output: {{label: {{enum: [a, b]}}}}
    fallback: {{label: a}}
  POST /text:
    input: {{note: {{type: string, detect: [email, phone, card, iban, ip]}}}}
    output: {{label: {{enum: [a, b]}}}}
    fallback: {{label: a}}
  POST /pattern:
    input: {{note: {{type: string, max_length: 10000, pattern: '\\b(\\p{{L}}+\\W+){{0,50}}zzz'}}}}
    output: {{label: {{enum: [a, b]}}}}
    fallback: {{label: a}}
  POST /hostile:
    input: {{age: {{type: integer}}}}
    output: {{rows: {{at: /rows, type: array, items: {{type: number}}}}}}
    fallback: [disabled: {{status: 503}}]
  POST /slow: passthrough
  POST /v1/chat/completions:
    dialect: openai
    input: {{texts: {{type: array, items: {{type: string}}}}}}
    output: {{finish: {{at: /choices/*/finish_reason, enum: [stop]}}}}
    fallback: [disabled: {{status: 503}}]
"""


class Target(NamedTuple):
    """Where a guard listens, and the secrets of its operator and viewer.

    `model` is the port of the model server, `tls` that of the listener with TLS, `ca` the file that signed its certificate.
    """

    data: int
    ops: int
    admin: int
    operator: str
    viewer: str
    model: int
    ca: str = ""
    tls: int = 0

    def port(self, name: str) -> int:
        """The port of a listener."""
        return {"data": self.data, "ops": self.ops, "admin": self.admin}[name]


class Stage(NamedTuple):
    """What runs."""

    guard: Sidecar
    target: Target

    def told(self) -> str:
        """What guard tells anybody: its metrics and its log."""
        return str(self.guard.probe("/metrics")[1]) + "".join(self.guard.lines)

    def peak(self) -> float:
        """MiB of the guard's memory at its highest, since `forget_peak`."""
        status = Path(f"/proc/{self.guard.process.pid}/status").read_text()
        return next(int(row.split()[1]) / 1024 for row in status.splitlines() if row.startswith("VmHWM"))

    def forget_peak(self) -> None:
        """Begin to measure the peak anew (proc(5), clear_refs)."""
        Path(f"/proc/{self.guard.process.pid}/clear_refs").write_text("5")


@contextmanager
def staged(folder: Path, attack: "Attack | None" = None) -> Iterator[Stage]:
    """A guard before a model server, in what surrounds it in an attack, until the end of the block."""
    tls = attack.tls if attack is not None else ""
    faults = attack.faults if attack is not None else {}
    model_port = free_port()
    operator, viewer = generate(), generate()
    (folder / "tokens").write_text(f"{line('otto', 'operator', operator)}\n{line('vera', 'viewer', viewer)}\n")
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    certificate = "tls: {cert: cert.pem, key: key.pem}"
    admin = "tokens: {file: tokens}" + (f", {certificate}" if tls == "admin" else "")
    listen = f"listen: {{{certificate}}}\n" if tls == "data" else ""
    extra = "".join(f"  POST /extra/{number}: passthrough\n" for number in range(EXTRA))
    text = POLICY.replace("MODEL", str(model_port)) + extra + f"admin: {{{admin}}}\n" + listen
    (folder / "policy.yaml").write_text(text)
    if tls:
        _certificate(folder)
    command = [sys.executable, "-m", "tests.attack.model", str(model_port)]
    model = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    schedule(model.pid, FIRST)
    environ = {
        **os.environ,
        "PYTHONPATH": f"{os.environ.get('GUARD_ATTACKED', ROOT)}:{ROOT}",
        "FAULTS": str(folder / "faults"),
    }
    if attack is not None and attack.collected:
        environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{model_port}", "OTEL_METRIC_EXPORT_INTERVAL": "300"}
    (folder / "faults").mkdir()
    module = "tests.orders.launcher" if faults else "guard"
    try:
        with sidecar("policy.yaml", folder=folder, environ=environ, prefix=["setsid"], module=module) as guard:
            schedule(guard.process.pid, FIRST)
            guard.wait_for("ready")
            admin_port = int(guard.wait_for("admin")["listen"].rpartition(":")[2])
            ca = str(folder / "ca.pem") if tls else ""
            secure = {"": 0, "admin": admin_port, "data": guard.port}[tls]
            for name, value in faults.items():
                path = folder / value
                (folder / "faults" / name).write_text(os.path.realpath(path) if path.exists() else value)
            yield Stage(guard, Target(guard.port, guard.ops, admin_port, operator, viewer, model_port, ca, secure))
    finally:
        model.kill()
        model.wait()


def schedule(pid: int, nice: int) -> None:
    """Give a process that leads a session this niceness, and its session among the others (sched(7), autogroup)."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def _certificate(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
