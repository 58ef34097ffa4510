"""The life of the process, and the policy that it serves."""

import logging
from dataclasses import dataclass

from guard.events.base import Enforcement, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteServed(Event, name="route"):
    """A route of the policy that is served. `ladder`: its rungs, the highest first."""

    route: str
    ladder: str
    contract: Enforcement


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving(Event, name="serving"):
    """Clients are accepted. `policy`: the digest in force, shortened."""

    version: str
    service: str
    policy: str
    listen: str
    upstream: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Event, name="ready"):
    """The readiness probe answers 200 from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint(Event, name="hint"):
    """What a person who has just begun may want to do next."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining(Event, name="draining"):
    """A signal asked the process to end; clients get `seconds` to move on."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event, name="stopped"):
    """The listeners are closed. `cut`: connections whose exchange was not waited for any longer."""

    cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FewDescriptors(Event, name="few_descriptors", severity=logging.WARNING):
    """The system allows fewer connections than the policy wants."""

    connections: int
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyApplied(Event, name="policy"):
    """Another policy is in force. `policy`: its digest, shortened."""

    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRefused(Event, name="policy_refused", severity=logging.ERROR):
    """The policy on disk is invalid; `in_force` stays. `errors`: the first mistakes, each with its place in the file."""

    in_force: str
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWarning(Event, name="warning"):
    """The policy in force is valid, and something in it is worth a look."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRefused(Event, name="certificate_refused", severity=logging.ERROR):
    """A new certificate of the data listener cannot be used; the one before stands."""

    why: str
