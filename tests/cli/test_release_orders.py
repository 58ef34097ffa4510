"""Orders of the release path as commands: exit codes, gates by name and number, drift as a diff, engines after the order."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from guard.cli import release_orders
from guard.cli.operate import AdminAnswer, Where
from tests.answering import answering
from tests.kit.candidate.stage import folder, program, with_candidate

OLD = {"version": "1", "url": "http://old:1", "digest": "sha256:" + "a" * 64}
NEW = {"version": "2", "url": "http://new:1", "digest": "sha256:" + "b" * 64}
STEP = {
    "gate": "step", "metric": "requests", "route": None, "segment": None, "state": "open", "number": 20, "needed": 500,
    "detail": "",
}  # fmt: skip


def judged(verdict: str, *gates: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": verdict, "why": "because", "gates": list(gates), "stage": "canary", "candidate": NEW}


def document(verdict: str = "inconclusive", *, drift: bool = False) -> dict[str, Any]:
    entry = {"at": "2026-01-31T09:30:00Z", "who": "ada", "what": "canary", "candidate": "2", "why": "go", "intact": True}
    return {
        "format": "guard/release/v1", "epoch": 3, "stage": "canary", "step": {"index": 1, "share": 0.01},
        "roles": {"model": OLD, "candidate": NEW, "previous": None}, "verdict": judged(verdict, STEP),
        "drift": {"file": OLD, "force": NEW} if drift else None, "history": [entry],
    }  # fmt: skip


@contextmanager
def api(status: int, body: Any) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """An admin API that answers everything so, and what it was asked."""
    asked: list[tuple[str, Any]] = []

    def answer(head: bytes, sent: bytes) -> tuple[int, bytes]:
        asked.append((head.split(b"\r\n")[0].decode().removesuffix(" HTTP/1.1"), json.loads(sent) if sent else None))
        return status, json.dumps(body).encode()

    with answering(answer) as port:
        yield f"127.0.0.1:{port}", asked


def guard(admin: str, *arguments: object, code: int = 0, path: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "guard", "release", str(arguments[0]), "--admin", admin, *map(str, arguments[1:])]
    environ = {**os.environ, "GUARD_TOKEN": "t", **({"PATH": path} if path else {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.mark.parametrize(
    ("verdict", "code"), [("pass", 0), ("fail", 1), ("inconclusive", 3), ("idle", 3), ("withheld", 3), ("new word", 3)]
)
def test_a_verdict_is_an_exit_code(verdict: str, code: int) -> None:
    with api(200, judged(verdict, STEP)) as (admin, _):
        done = guard(admin, "verdict", code=code)
    assert "step requests: 20 of 500" in done.stdout


def test_a_guard_that_does_not_answer_is_no_failure_of_the_candidate() -> None:
    assert "unreachable" in guard("127.0.0.1:1", "verdict", code=3).stderr


def test_an_order_is_sent_with_what_was_given() -> None:
    with api(200, document()) as (admin, asked):
        done = guard(admin, "canary", "--reason", "go", "--step", 2, "--again", "mended")
        guard(admin, "promote", "--reason", "go", "--override", "known")
        guard(admin, "rollback", "--reason", "back")
        guard(admin, "abort", "--reason", "no")
    assert asked == [
        ("POST /admin/v1/release/canary", {"reason": "go", "step": 2, "again": "mended"}),
        ("POST /admin/v1/release/promote", {"reason": "go", "override": "known"}),
        ("POST /admin/v1/release/rollback", {"reason": "back"}),
        ("POST /admin/v1/release/abort", {"reason": "no"}),
    ]
    assert "step 1, 1.00% of the keys" in done.stdout
    assert "ada: canary 2: go" in done.stdout


def test_a_refused_order_names_what_is_missing() -> None:
    with api(409, {"code": "gates", "detail": "verdict inconclusive", "gates": [STEP]}) as (admin, _):
        done = guard(admin, "promote", "--reason", "go", code=1)
    assert done.stderr.splitlines() == ["guard: gates: verdict inconclusive", "  step requests: 20 of 500"]


def test_status_prints_what_to_commit() -> None:
    with api(200, document(drift=True)) as (admin, _):
        shown = guard(admin, "status").stdout
    assert "  - upstream: {url: http://old:1}\n  + upstream: {url: http://new:1}\n" in shown
    assert f"+ release: the record of 2 {NEW['digest'][:19]}" in shown


def test_the_engine_follows_the_order_and_never_undoes_it(tmp_path: Path) -> None:
    policy = folder(tmp_path, 1)
    with_candidate(policy, "url: http://127.0.0.1:1, engine: {command: [bring]}")
    (tmp_path / "bin").mkdir()
    asked = program(tmp_path / "bin", "bring", code=3)
    with api(200, document()) as (admin, _):
        done = guard(
            admin, "rollback", "--reason", "x", "--policy", policy, code=1, path=f"{tmp_path / 'bin'}:/usr/bin:/bin"
        )
    assert asked.read_text().startswith("rollback 2 sha256:")
    assert "guard's order is in force" in done.stderr


def test_waiting_ends_with_the_step_or_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def waited(*answers: dict[str, Any], within: float = 100) -> tuple[int, int]:
        left, now = list(answers), [0.0]
        monkeypatch.setattr(release_orders, "find_endpoint", lambda _where: None)
        monkeypatch.setattr(
            release_orders, "ask", lambda *_a, **_k: AdminAnswer(200, left.pop(0) if len(left) > 1 else left[0], "")
        )
        naps: list[float] = []

        def sleep(seconds: float) -> None:
            now[0] += seconds
            naps.append(seconds)

        where = Where(None, None, None, {})
        code = release_orders.waited(where, within, as_json=False, clock=lambda: now[0], sleep=sleep)
        return code, len(naps)

    going = judged("inconclusive", STEP)
    assert waited(going, going, judged("fail")) == (1, 2)
    assert waited(going, judged("pass")) == (0, 1)
    assert waited(going, judged("inconclusive", {**STEP, "state": "pass"})) == (0, 1)
    assert waited(judged("withheld", {**STEP, "state": "pass"}), within=4) == (3, 2)
    assert waited(going, within=0) == (3, 0)
