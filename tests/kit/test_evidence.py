"""Evidence: what is written is read again; what anybody else put there is a clear finding, and nothing worse."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from guard.kit import evidence
from guard.kit.evidence import MOST_BYTES, Evidence, Unusable, document, keep, read, stale
from guard.policy.loading import Loaded, load
from tests.cli.test_cli import MINIMAL, valid

NOW = datetime(2025, 6, 2, 9, 30, tzinfo=UTC)
RELEASE = "release: {version: 3.10}\n"


def policy(folder: Path, more: str = "") -> tuple[Path, Loaded]:
    path = folder / "policy.yaml"
    path.write_text(MINIMAL.read_text() + more)
    return path, load(path, environ={"GUARD_ENVIRONMENT": "staging"})


def kept(folder: Path, at: datetime = NOW, more: str = "", **changed: Any) -> Path:
    path, loaded = policy(folder, more)
    made = document(loaded, "drill", {"steps": []}, passed=True, at=at)
    return keep(path, made | changed).parent.parent / "policy.yaml"


def found(path: Path) -> Evidence | Unusable:
    return read(path, "drill", service="credit-risk", now=NOW)


@pytest.mark.parametrize("more", ["", RELEASE])
def test_what_is_kept_is_read_again(tmp_path: Path, more: str) -> None:
    path, loaded = policy(tmp_path, more)
    made = document(loaded, "drill", {"steps": []}, passed=False, at=NOW)
    keep(path, made)
    assert json.loads((tmp_path / "evidence" / "drill.json").read_text()) == valid("evidence.schema.json", made)
    assert os.listdir(tmp_path / "evidence") == ["drill.json"], "nothing is left beside it"
    again = found(path)
    assert isinstance(again, Evidence)
    assert (again.at, again.environment, again.passed, again.result) == (NOW, "staging", False, {"steps": []})
    assert (again.release_digest is None) == (not more)
    assert stale(again, loaded, NOW) == ()


def test_stale_by_policy_release_and_age(tmp_path: Path) -> None:
    again = found(kept(tmp_path))
    assert isinstance(again, Evidence)
    _, other = policy(tmp_path, RELEASE)
    assert stale(again, other, NOW) == ("the evidence is about another release", "the policy has changed since then")
    _, same = policy(tmp_path, "# a comment\n")
    assert stale(again, same, NOW + timedelta(days=30)) == ()
    assert stale(again, same, NOW + timedelta(days=31)) == ("the evidence is 31 days old; at most 30 are allowed",)


def test_a_release_does_not_age_and_outlives_a_change_of_the_policy(tmp_path: Path) -> None:
    path, loaded = policy(tmp_path, RELEASE)
    keep(path, document(loaded, "release", {}, passed=True, at=NOW))
    _, loaded = policy(tmp_path, RELEASE + "drain: 6s\n")
    later = NOW + timedelta(days=900)
    again = read(path, "release", service="credit-risk", now=later)
    assert isinstance(again, Evidence)
    assert stale(again, loaded, later) == ()


SPOILED: list[tuple[str, Any, str]] = [
    ("empty", b"", "malformed"),
    ("no JSON", b"\xff\xfe\x00", "malformed"),
    ("a list", b"[]", "malformed"),
    ("cut off", b'{"kind": "drill", "version": 1', "malformed"),
    ("deep", b'{"result": ' + b"[" * 100_000, "malformed"),
    ("a number of a million digits", b'{"version": ' + b"9" * 1_000_000 + b"}", "malformed"),
    ("huge", b" " * (MOST_BYTES + 1), "huge"),
    ("another service", {"service": "someone-else"}, "foreign"),
    ("another kind", {"kind": "rehearse"}, "foreign"),
    ("another version", {"version": 2}, "foreign"),
    ("a stranger's member", {"more": 1}, "malformed"),
    ("passed as a word", {"passed": "yes"}, "malformed"),
    ("no result", {"result": None}, "malformed"),
    ("no time", {"at": "yesterday"}, "malformed"),
    ("a date", {"at": "2025-06-02"}, "malformed"),
    ("a time without an offset", {"at": "2025-06-02T09:30:00"}, "malformed"),
    ("tomorrow", {"at": "2025-06-03T09:30:00Z"}, "malformed"),
    ("before all time", {"at": "0001-01-01T00:00:00+14:00"}, "malformed"),
]


@pytest.mark.parametrize(("spoiled", "reason"), [(item, reason) for _, item, reason in SPOILED], ids=[item for item, _, _ in SPOILED])  # fmt: skip
def test_what_is_no_evidence_is_said_and_not_repeated(tmp_path: Path, spoiled: Any, reason: str) -> None:
    path = kept(tmp_path)
    file = tmp_path / "evidence" / "drill.json"
    file.write_bytes(spoiled if isinstance(spoiled, bytes) else json.dumps(json.loads(file.read_text()) | spoiled).encode())
    got = found(path)
    assert isinstance(got, Unusable)
    assert got.reason == reason, got
    assert got.why.startswith("evidence/drill.json ")
    assert len(got.why) < 250
    assert "someone-else" not in got.why


def test_a_place_where_no_file_is(tmp_path: Path) -> None:
    path, _ = policy(tmp_path)
    assert found(path) == Unusable("drill", "missing", "evidence/drill.json does not exist")
    (tmp_path / "evidence").mkdir()
    file = tmp_path / "evidence" / "drill.json"
    file.mkdir()
    assert found(path).reason == "unreadable"  # type: ignore[union-attr]
    file.rmdir()
    os.mkfifo(file)  # nobody writes to it: who waits, waits for ever
    assert found(path) == Unusable("drill", "unreadable", "evidence/drill.json cannot be read: not a regular file")
    file.unlink()
    file.symlink_to("/dev/zero")
    assert found(path).reason == "unreadable"  # type: ignore[union-attr]


def test_what_could_not_be_read_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept(tmp_path)
    before = (tmp_path / "evidence" / "drill.json").read_bytes()
    _, loaded = policy(tmp_path)
    for result in ({"steps": ["x" * MOST_BYTES]}, {"p95": float("nan")}):
        with pytest.raises(ValueError):
            keep(path, document(loaded, "drill", result, passed=True, at=NOW))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        keep(path, document(loaded, "drill", {}, passed=True, at=NOW))
    assert (tmp_path / "evidence" / "drill.json").read_bytes() == before
    assert os.listdir(tmp_path / "evidence") == ["drill.json"]


def test_each_kind_has_its_place() -> None:
    assert {str(evidence.place(Path("p/policy.yaml"), kind)) for kind in evidence.KINDS} == {
        f"p/evidence/{kind}.json" for kind in ("release", "rehearse", "drill", "checklist", "test", "evaluate", "smoke")
    }
