"""deploy/systemd: what systemd says of the unit, and that guard lives under its hardest restriction."""

import http.client
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from guard.control.shutdown import FINISH_WITHIN
from tests.answering import answering
from tests.sidecar import sidecar

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "guard.service"
MDWE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN: Linux 6.3
    sys.exit(77)
os.execv(sys.argv[1], sys.argv[1:])
"""
POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:PORT
drain: 0s
routes:
  POST /predict:
    input: {age: {type: integer}, note: {type: string, required: false, detect: [phone, iban]}}
    output: {label: {enum: [a, b]}}
    fallback:
      - rules:
          - when: age > 10
            answer: {label: a}
          - answer: {label: b}
"""


def settings() -> dict[str, str]:
    return dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"[A-Z]\w+=", line))


@pytest.fixture
def analyze() -> str:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not here")
    return tool


def test_systemd_finds_no_fault(analyze: str, tmp_path: Path) -> None:
    unit = tmp_path / "guard.service"
    unit.write_text(UNIT.read_text().replace("/opt/guard/bin/guard", sys.executable))
    run = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (run.returncode, [line for line in run.stderr.splitlines() if "guard" in line]) == (0, [])


def test_systemd_calls_its_exposure_low(analyze: str) -> None:
    run = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", "--threshold=15", str(UNIT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-300:]


def test_there_is_time_to_drain() -> None:
    assert int(settings()["TimeoutStopSec"]) > 5 + FINISH_WITHIN
    assert settings()["RestartPreventExitStatus"] == "2"


def test_guard_lives_without_memory_that_is_writable_and_executable(tmp_path: Path) -> None:
    """MemoryDenyWriteExecute, as the kernel itself has it; the rules are C++, the detectors tables."""
    probe = subprocess.run([sys.executable, "-c", MDWE, sys.executable, "-c", ""], check=False)
    if probe.returncode == 77:
        pytest.skip("this kernel cannot refuse it")
    assert settings()["MemoryDenyWriteExecute"] == "yes"
    with answering(lambda head, body: (500, b"{}")) as port:
        (tmp_path / "policy.yaml").write_text(POLICY.replace("PORT", str(port)))
        with sidecar("policy.yaml", folder=tmp_path, prefix=[sys.executable, "-c", MDWE]) as guard:
            client = http.client.HTTPConnection("127.0.0.1", guard.port, timeout=20)
            body = {"age": 12, "note": "call +49 30 901820 or pay DE89370400440532013000"}
            client.request("POST", "/predict", json.dumps(body), {"Content-Type": "application/json"})
            answer = client.getresponse()
            assert (answer.status, answer.getheader("x-guard-source"), json.loads(answer.read())) == (
                200,
                "rules",
                {"label": "a"},
            )
            assert guard.probe("/metrics")[0] == 200
            client.close()
