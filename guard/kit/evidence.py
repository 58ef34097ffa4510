"""Evidence of the steps before a launch, in `evidence/<kind>.json` beside the policy, for CI and reviewers.

    {"kind": "drill", "version": 1, "at": "2025-06-02T09:30:00Z", "guard": "0.1.0",
     "service": "credit-risk", "environment": "staging" | "",
     "policy_digest": "sha256:…", "release_digest": "sha256:…" | null, "passed": true, "result": {…}}

`result` is the kind's own: docs/evidence.schema.json. A command writes with `keep`; whoever reads calls `read` and then
`stale`. A file here may come from a branch, an artifact store or another team, so nothing about it is believed: every way
in which it is of no use is an `Unusable` that says so, and no file makes a reader crash, wait or fill its memory.

Stale is what is about another policy or release than the one at hand, or older than MOST_AGE.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from guard import __version__
from guard.contract.strict import Unreadable, parse_file
from guard.kit.files import read_at_most, replace
from guard.policy.loading import Loaded
from guard.policy.loading.digest import release_digest

Kind: TypeAlias = Literal["release", "rehearse", "drill", "checklist", "test", "evaluate", "smoke"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
VERSION: Final = 1
FOLDER: Final = "evidence"
MOST_BYTES: Final = 8 << 20
"""Highest size of one file, written or read: a rehearsal with every differing answer has room in it."""
MOST_AGE: Final = timedelta(days=30)
"""Highest age of a rehearsal, drill or checklist. Digests see changes of the policy and the release; age stands for
what they do not see: machines, traffic, the data behind the features, who is on call. A month is a third of the quarter
that audit regimes allow at most between such tests (PCI DSS 4.0 §11.3). A release has no age: it is what is deployed."""
SKEW: Final = timedelta(minutes=5)
"""The allowed lead of the clock of the machine that wrote the evidence."""

Why: TypeAlias = Literal["missing", "unreadable", "huge", "malformed", "foreign"]


def _time(text: object) -> datetime:
    """Raises ValueError for anything but a time with an offset, in RFC 3339's form."""
    if not isinstance(text, str) or text[10:11] not in {"T", "t", " "} or len(text) < 20:
        raise ValueError("not a time (RFC 3339)")
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError("no offset")
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("not a time (RFC 3339)") from None


class Evidence(BaseModel):
    """The members of an evidence file, exactly these. `at` is in UTC."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    kind: str
    version: int
    at: Annotated[datetime, BeforeValidator(_time)]
    guard: str
    service: str
    environment: str
    policy_digest: str
    release_digest: str | None
    passed: bool
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unusable:
    """No evidence, and why: a word for programs, a sentence for people."""

    kind: Kind
    reason: Why
    why: str


def place(policy: Path, kind: Kind) -> Path:
    """The path of a policy's evidence."""
    return policy.parent / FOLDER / f"{kind}.json"


def document(loaded: Loaded, kind: Kind, result: Mapping[str, Any], *, passed: bool, at: datetime) -> dict[str, Any]:
    """The whole form; `at` is aware."""
    return {
        "kind": kind,
        "version": VERSION,
        "at": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "guard": __version__,
        "service": loaded.policy.service,
        "environment": loaded.environment,
        "policy_digest": loaded.digest,
        "release_digest": release_digest(loaded.policy.release),
        "passed": passed,
        "result": dict(result),
    }


def keep(policy: Path, members: Mapping[str, Any]) -> Path:
    """Write a document, atomically; where it is. Raises OSError, ValueError for what is no JSON or over MOST_BYTES."""
    path = place(policy, members["kind"])
    text = json.dumps(members, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if len(raw := text.encode()) > MOST_BYTES:
        raise ValueError(f"the evidence has {len(raw)} bytes; at most {MOST_BYTES} are allowed")
    path.parent.mkdir(exist_ok=True)
    replace(path, raw)
    return path


def try_keep(policy: Path, evidence: Mapping[str, Any]) -> str:
    """The same for a command whose result stands without it: a sentence that says why nothing was written, or nothing."""
    try:
        keep(policy, evidence)
    except (OSError, ValueError) as error:
        return f"the evidence is not saved: {getattr(error, 'strerror', None) or error}"
    return ""


def read(policy: Path, kind: Kind, *, service: str, now: datetime) -> Evidence | Unusable:
    """The evidence of a kind. Never raises."""
    path = place(policy, kind)
    where = f"{FOLDER}/{path.name}"
    try:
        raw = read_at_most(path, MOST_BYTES)
    except FileNotFoundError:
        return Unusable(kind, "missing", f"{where} does not exist")
    except OSError as error:
        return Unusable(kind, "unreadable", f"{where} cannot be read: {error.strerror or 'no file'}")
    if len(raw) > MOST_BYTES:
        return Unusable(kind, "huge", f"{where} is larger than {MOST_BYTES >> 20} MiB")
    try:
        parse_file(raw)
        evidence = Evidence.model_validate_json(raw)
    except Unreadable as error:
        return Unusable(kind, "malformed", f"{where} is not evidence: {error.code}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        member = str(first["loc"][0])[:40] if first["loc"] else "the file"
        return Unusable(kind, "malformed", f"{where} is not evidence: {member}: {first['msg'][:80]}")
    if (evidence.kind, evidence.version) != (kind, VERSION):
        return Unusable(kind, "foreign", f"{where} is not {kind} evidence in version {VERSION}")
    if evidence.service != service:
        return Unusable(kind, "foreign", f"{where} is about another service")
    if evidence.at > now + SKEW:
        return Unusable(kind, "malformed", f"{where} is dated in the future")
    return evidence


def stale(evidence: Evidence, loaded: Loaded, now: datetime) -> tuple[str, ...]:
    """The reasons that the evidence is stale; empty if it is fresh."""
    reasons = []
    release = release_digest(loaded.policy.release)
    if evidence.release_digest != release:
        reasons.append("the evidence is about another release")
    if evidence.kind == "release":  # it speaks of the record alone, and a record does not age
        return tuple(reasons)
    if evidence.policy_digest != loaded.digest:
        reasons.append("the policy has changed since then")
    if now - evidence.at > MOST_AGE:
        reasons.append(f"the evidence is {(now - evidence.at).days} days old; at most {MOST_AGE.days} are allowed")
    return tuple(reasons)
