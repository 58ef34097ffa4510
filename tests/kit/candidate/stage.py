"""What tests of the steps share: a policy, rows, and two model servers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.answering import answering

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:{port}
release: release.yaml
targets: {{expected_rate: 10/s, quality: {{accuracy: 0.9, auc: 0.9}}}}
routes:
  POST /predict:
    input:
      age: {{type: integer, min: 0, max: 120}}
      region: {{enum: [north, south]}}
    output:
      label: {{enum: [no, yes]}}
      score: {{type: number, min: 0, max: 1, calibration: {{ece: 0.2}}}}
"""
Model = Callable[[dict[str, Any]], Any]


def good(row: dict[str, Any]) -> Any:
    """A model that is always right: who is over 50 is a yes."""
    yes = row["age"] > 50
    return {"label": "yes" if yes else "no", "score": 0.9 if yes else 0.1}


def truth(row: dict[str, Any]) -> str:
    """The label of a row."""
    return str(good(row)["label"])


def rows(count: int) -> list[dict[str, Any]]:
    """Rows without their label."""
    return [{"age": number * 7 % 101, "region": ("north", "south")[number % 2]} for number in range(count)]


@contextmanager
def serving(model: Model) -> Iterator[int]:
    """The port of a server of this model; an answer that is a number is a status."""

    def answer(_head: bytes, body: bytes) -> tuple[int, bytes]:
        made = model(json.loads(body))
        return (made, b"{}") if isinstance(made, int) else (200, json.dumps(made).encode())

    with answering(answer) as port:
        yield port


def folder(path: Path, port: int, labelled: list[dict[str, Any]] | None = None) -> Path:
    """A policy with its release and rows of JSON lines; the policy's path."""
    (path / "release.yaml").write_text("version: '1'\n")
    (path / "next.yaml").write_text("version: '2'\nmodel: m\n")
    policy = path / "policy.yaml"
    policy.write_text(POLICY.format(port=port))
    lines = [{**row, "label": truth(row)} for row in rows(300)] if labelled is None else labelled
    (path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return policy


def with_candidate(policy: Path, candidate: str) -> None:
    """Declare a candidate in a policy, as one line of YAML after its record."""
    policy.write_text(policy.read_text() + f"candidate: {{release: next.yaml, {candidate}}}\n")


def program(folder: Path, name: str, code: int = 0) -> Path:
    """A program that writes down its arguments and says something; the file that it writes to."""
    record = folder / f"{name}.asked"
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$@" >> {record}\necho "its own words" >&2\nexit {code}\n')
    path.chmod(0o755)
    return record


def run(where: Path, *arguments: object, code: int = 0, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """`guard release` in a process of its own."""
    command = [sys.executable, "-m", "guard", "release", *map(str, arguments)]
    environ = {**os.environ, **({"PATH": f"{path}:/usr/bin:/bin"} if path is not None else {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=where, env=environ)
    assert done.returncode == code, done.stdout + done.stderr
    return done
