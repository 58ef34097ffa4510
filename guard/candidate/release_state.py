"""`release.json`: which release is the model, which was it before, and how far the candidate came. Pure.

One value, written as a whole: a promotion changes every role in one durable write, and whoever is stopped in the midst
finds the roles from before or the new ones.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

NAME: Final = "release.json"
FORMAT: Final = "guard/release-state/v1"
MOST_ABORTED: Final = 100
"""Digests of aborted candidates that are remembered."""

Stage: TypeAlias = Literal["registered", "shadow", "aa", "canary", "aborted", "promoted", "idle"]


class Damaged(Exception):  # noqa: N818
    """The file is not one that guard wrote."""


@dataclass(frozen=True, slots=True)
class Served:
    """A release that a server answers for."""

    version: str
    digest: str
    url: str


@dataclass(frozen=True, slots=True)
class Roles:
    """The releases in place of those of the policy. `base`: what the policy said then; another word of it wins."""

    base: Served
    model: Served
    previous: Served


@dataclass(frozen=True, slots=True)
class ReleaseState:
    """Everything that is decided about releases. `digest`: of the candidate that `stage` and `step` are about."""

    epoch: int = 0
    roles: Roles | None = None
    digest: str = ""
    stage: Stage = "registered"
    step: int = 0
    since: float = 0.0
    aborted: Mapping[str, str] = field(default_factory=dict)

    def in_force(self, declared: Served) -> Roles | None:
        """The roles, if the policy still says what it said when they were decided."""
        return self.roles if self.roles is not None and self.roles.base == declared else None

    def aborting(self, digest: str, why: str) -> Mapping[str, str]:
        """The aborted digests with one more, the oldest left out."""
        kept = {old: reason for old, reason in self.aborted.items() if old != digest}
        return dict([*kept.items(), (digest, why)][-MOST_ABORTED:])


def encode(state: ReleaseState) -> bytes:
    """The file."""
    return json.dumps({"format": FORMAT, **asdict(state), "aborted": dict(state.aborted)}).encode()


def decode(raw: bytes) -> ReleaseState:
    """Raises Damaged for anything that `encode` did not write."""
    try:
        document = json.loads(raw)
        if document.pop("format") != FORMAT:
            raise ValueError("another format")
        roles = document.pop("roles")
        state = ReleaseState(**document, roles=None if roles is None else _roles(roles))
        whole = type(state.epoch) is int and type(state.step) is int and type(state.since) in {int, float}
        texts = [state.digest, *state.aborted, *state.aborted.values()]
        if not whole or state.stage not in get_args(Stage) or not all(isinstance(text, str) for text in texts):
            raise ValueError("not a state")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(type(error).__name__) from None
    return state


def _roles(document: Mapping[str, Mapping[str, Any]]) -> Roles:
    read = {name: Served(**document[name]) for name in ("base", "model", "previous")}
    if not all(isinstance(text, str) for served in read.values() for text in asdict(served).values()):
        raise ValueError("not roles")
    return Roles(**read)
