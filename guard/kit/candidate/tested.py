"""`guard release test`: a command of the user's is run, and its result is kept as evidence and history."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from guard.kit import evidence
from guard.kit.candidate import history, record
from guard.policy.loading import Loaded
from guard.policy.loading.digest import release_digest

CHUNK: Final = 1 << 16
MISSING: Final = 127


def run(policy: Path, loaded: Loaded, command: Sequence[str], candidate: Path | None, *, as_json: bool) -> int:
    """0: the command exits with 0. 1: it does not, or cannot be run. Its output passes through, to standard error."""
    release = record.loaded(candidate) if candidate is not None else loaded.policy.release
    begun = time.monotonic()
    code, output, size = _ran(command)
    seconds = round(time.monotonic() - begun, 3)
    release_of = release_digest(release)
    result = {
        "command": list(command), "exit_code": code, "seconds": seconds, "output_digest": output, "output_bytes": size,
        "candidate": release_of,
    }  # fmt: skip
    now = datetime.now(UTC)  # noqa: TID251 — the edge of this command
    notes = []
    try:
        place = evidence.keep(policy, evidence.document(loaded, "test", result, passed=code == 0, at=now))
        outcome = "pass" if code == 0 else "fail"
        detail = f"{command[0]} exits with {code}"
        kept = {"test": history.digest(place.read_bytes())}
        version = release.version if release is not None else ""
        history.append(policy, history.Step("test", version, release_of, outcome, detail, kept), now)
    except (OSError, ValueError, history.HistoryBroken) as error:
        notes.append(f"the evidence or the history is not saved: {error}")
    if as_json:
        click.echo(json.dumps({**result, "notes": notes}, indent=2))
    else:
        click.echo(f"test: exit code {code} after {seconds:g} s; output {output} ({size} bytes)")
        for note in notes:
            click.echo(f"  note: {note}")
    return 0 if code == 0 else 1


def _ran(command: Sequence[str]) -> tuple[int, str, int]:
    """The exit code, and the digest and size of what the command wrote."""
    hashed, size = hashlib.sha256(), 0
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:  # noqa: S603
            assert process.stdout is not None
            while chunk := process.stdout.read1(CHUNK):  # type: ignore[attr-defined]
                hashed.update(chunk)
                size += len(chunk)
                sys.stderr.buffer.write(chunk)
                sys.stderr.buffer.flush()
        return process.returncode, history.PREFIX + hashed.hexdigest(), size
    except OSError as error:
        click.echo(f"guard: cannot run {command[0]}: {error.strerror}", err=True)
        return MISSING, history.PREFIX + hashed.hexdigest(), size
