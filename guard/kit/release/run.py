"""`guard release`: write a record, or hold one against the disk; with a policy, keep evidence of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from guard.kit import evidence
from guard.kit.files import policy_file, replace
from guard.kit.release import commit, earlier, report, verify, write
from guard.kit.release.options import ReleaseOptions
from guard.kit.release.record import Unwritable, text
from guard.policy.document import Text
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import Loaded, load, load_release
from guard.policy.loading.digest import contract_digest
from guard.policy.loading.parse import parse
from guard.policy.loading.read import Reader
from guard.policy.models import Release

NAME: Final = "release.yaml"
_PLACEHOLDER: Final = b"version: '0'\n"


def make(
    options: ReleaseOptions, out: Path | None, policy: Path | None, environ: Mapping[str, str], *, as_json: bool
) -> int:
    """0: the record is written. 1: it is not, everything that is wrong was said, and what was there stands."""
    out = out or _named_by(policy)
    now = datetime.now(UTC)  # noqa: TID251 — the edge of this command
    try:
        contract = None
        if policy is not None:
            loaded = load(policy, environ=environ, read=_without(out))
            contract = contract_digest(loaded.policy, loaded.schemas)
        here = earlier.standing(out)
        ours = (out, out.parent / earlier.FOLDER, *((evidence.place(policy, "release").parent,) if policy else ()))
        revision = options.commit or commit.head(Path(), ours)
        before = earlier.previous(options, out, here)
        around = write.Around(revision, contract, before, _written(now), _large)
        record = write.record(options, out, around)
        content = text(record).encode()
        changed = here is not None and here.raw != content
        if here is not None and changed:
            earlier.keep(here)
        replace(out, content)
    except PolicyInvalid as invalid:
        return _refused([str(error) for error in invalid.errors])
    except write.Refused as refused:
        return _refused(refused.messages)
    except Unwritable as error:
        return _refused([f"{out}: {error}"])
    except OSError as error:
        return _refused([f"{error.filename or out}: {error.strerror or error}"])
    notes = list(_notes(options, record, here, policy))
    if policy is not None:
        notes += _evidence(out, policy, environ, now)
    _report(out, record, here.copy if here is not None and changed else None, notes, as_json=as_json)
    return 0


def check(out: Path | None, policy: Path | None, environ: Mapping[str, str], *, as_json: bool) -> int:
    """0: all that the record names is as it says. 1: it is not; each difference was said."""
    try:
        release, record, loaded = _read(out, policy, environ)
    except PolicyInvalid as invalid:
        return _refused([str(error) for error in invalid.errors])
    mismatches = list(verify.differences(release, record.parent, loaded))
    unchecked = list(verify.unchecked(release, loaded))
    if policy is not None:
        now = datetime.now(UTC)  # noqa: TID251 — the edge of this command
        for note in _evidence(record, policy, environ, now):
            click.echo(f"guard: {note}", err=True)
    if as_json:
        differences = [asdict(item) for item in mismatches]
        document = {"valid": not mismatches, "record": str(record), "version": release.version, "differences": differences}
        click.echo(json.dumps({**document, "unchecked": unchecked}, indent=2))
        return 1 if mismatches else 0
    for item in mismatches:
        click.echo(f"{record}: {item}")
    for note in unchecked:
        click.echo(f"not compared: {note}")
    click.echo(
        f"{record}: {release.version}: " + (f"{len(mismatches)} differences" if mismatches else "it agrees with the disk")
    )
    return 1 if mismatches else 0


def _read(out: Path | None, policy: Path | None, environ: Mapping[str, str]) -> tuple[Release, Path, Loaded | None]:
    """The record, where it stands, and the policy. Raises PolicyInvalid, click's usage errors."""
    if policy is None:
        path = out or Path(NAME)
        return load_release(path, policy_file), path, None
    if out is not None:
        return load_release(out, policy_file), out, load(policy, environ=environ, read=_without(out))
    loaded = load(policy, environ=environ)
    if loaded.policy.release is None:
        raise click.UsageError(f"the policy {policy} names no release")
    return loaded.policy.release, _place(loaded), loaded


def _place(loaded: Loaded) -> Path:
    """The file that the policy's release stands in."""
    return Path(loaded.tree["release"].place.file)


def _named_by(policy: Path | None) -> Path:
    """The file that a policy names as its release's, whether it is there or not."""
    if policy is None:
        return Path(NAME)
    try:
        named = parse(policy_file(policy), str(policy)).get("release")
    except (OSError, PolicyInvalid):
        named = None  # `load` says what is wrong with it
    return policy.parent / (str(named) if isinstance(named, Text) and not named.null else NAME)


def _without(out: Path) -> Reader:
    """Reads a policy as if its release were written: it is about to be, or is read for itself."""
    where = out.resolve()
    return lambda path: _PLACEHOLDER if path.resolve() == where else policy_file(path)


def _evidence(record: Path, policy: Path, environ: Mapping[str, str], now: datetime) -> list[str]:
    """Keep what the policy's own release, as it stands on the disk now, is worth; a note where that is not this record."""
    try:
        loaded = load(policy, environ=environ)
    except PolicyInvalid as invalid:
        return [f"the evidence is not saved: {invalid.errors[0]}"]
    release = loaded.policy.release
    if release is None or _place(loaded).resolve() != record.resolve():
        return [f"the evidence is not saved: {policy} does not name this record; add `release: {record.name}` to it"]
    mismatches = list(verify.differences(release, record.parent, loaded))
    result = {
        "version": release.version,
        "differences": [asdict(item) for item in mismatches],
        "unchecked": list(verify.unchecked(release, loaded)),
    }
    why = evidence.try_keep(policy, evidence.document(loaded, "release", result, passed=not mismatches, at=now))
    if why:
        return [why]
    return []


def _notes(
    options: ReleaseOptions, record: dict[str, Any], here: earlier.Standing | None, policy: Path | None
) -> list[str]:
    notes = []
    if options.commit is None and "commit" not in record:
        notes.append("no commit: this folder is not a git repository, or git is not installed")
    if str(record.get("commit", "")).endswith(commit.DIRTY) and options.commit is None:
        notes.append("uncommitted changes: no commit describes this release")
    if here is not None and here.release is None:
        notes.append("the old file was not a release; it is kept, but not named as the previous release")
    if policy is None:
        notes.append("no contract and no evidence: no --policy")
    if options.evaluation is not None and options.metrics and not report.readable(options.evaluation):
        notes.append("the metrics were not compared with the report, which is not a JSON object")
    return notes


def _report(out: Path, record: dict[str, Any], copy: Path | None, notes: list[str], *, as_json: bool) -> None:
    missing = dict(write.absent(record))
    if as_json:
        document = {"written": str(out), "kept": None if copy is None else str(copy), "release": record}
        click.echo(json.dumps({**document, "absent": list(missing), "notes": notes}, indent=2))
        return
    named = " ".join(str(record[key]) for key in ("model", "version") if key in record)
    click.echo(f"{out}: {named}" + (f", commit {record['commit']}" if "commit" in record else ""))
    if copy is not None:
        click.echo(f"  the record before it is now {copy}")
    for note in notes:
        click.echo(f"  note: {note}")
    for key, option in missing.items():
        click.echo(f"  absent: {key}   ({option})")


def _refused(messages: list[str]) -> int:
    for message in messages:
        click.echo(message, err=True)
    return 1


def _large(path: Path, size: int) -> None:
    click.echo(f"guard: reading {path}, {size / 2**30:.1f} GiB", err=True)


def _written(now: datetime) -> str:
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")
