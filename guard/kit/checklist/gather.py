"""Everything that a checklist reads, read here: after this, sections are pure."""

import dataclasses
import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from guard.cli.operate import Where, ask, find_endpoint
from guard.kit import evidence
from guard.kit.checklist import live, pipelines
from guard.kit.checklist.values import Facts
from guard.kit.description import describe
from guard.kit.evidence import Evidence, Kind, Unusable
from guard.kit.privacy.report import make
from guard.kit.release.verify import differences
from guard.policy.loading import Loaded


def facts(
    policy: Path, loaded: Loaded, named: Sequence[Path], running: live.Live | None, now: datetime
) -> Facts:  # fmt: skip
    """`named`: files of the CI besides those in the known places."""
    top = pipelines.root(policy)
    files = dict.fromkeys([*pipelines.find(top), *named])
    shown = [(_shown(path, top), path) for path in files]
    return Facts(
        name=shlex.quote(str(policy)),
        described=describe(loaded),
        privacy=make(loaded),
        evidence=_evidence(policy, loaded, now),
        before=_before(loaded),
        pipelines=tuple(name for name, _ in shown),
        mentions=tuple(pipelines.mentions(shown)),
        live=running,
        now=now,
    )


def read_live(url: str, where: Where, *, ask_status: bool) -> live.Live:
    """A running guard; its admin API too, where somebody said how to ask it. Raises click's usage errors."""
    seen = live.read_live(url, where.ca)
    if not ask_status:
        return seen
    reply = ask(find_endpoint(where), "GET", "/status", ca=where.ca)
    if reply.status == 200 and isinstance(reply.body, dict):
        return dataclasses.replace(seen, status=reply.body)
    return dataclasses.replace(
        seen, status_trouble=f"its admin API does not answer: {reply.status or reply.body.get('detail')}"
    )


def _evidence(policy: Path, loaded: Loaded, now: datetime) -> Mapping[Kind, Evidence | Unusable]:
    service = loaded.policy.service
    return {kind: evidence.read(policy, kind, service=service, now=now) for kind in evidence.KINDS}


def _before(loaded: Loaded) -> str:
    """Whether the record of the release before is there, and says what this one says of it."""
    record = loaded.policy.release
    before = record.before if record is not None else None
    if record is None or before is None:
        return ""
    if before.record is None:
        return f"{before.version} is named, but no record says what it was made of"
    folder = Path(loaded.tree["release"].place.file).parent
    wrong = list(differences(record.but(parts={}, lockfile=None, evaluation=None), folder, None))
    return str(wrong[0]) if wrong else ""


def _shown(path: Path, top: Path) -> str:
    return Path(os.path.relpath(path.absolute(), top)).as_posix()
