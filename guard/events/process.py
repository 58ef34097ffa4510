"""The life of the process, and the policy that it serves."""

import logging

from guard.events.base import Enforcement, Event, event


@event("route")
class RouteServed(Event):
    """A route of the policy that is served. `ladder`: its rungs, the highest first."""

    route: str
    ladder: str
    contract: Enforcement


@event("serving")
class Serving(Event):
    """Clients are accepted. `policy`: the digest in force, shortened."""

    version: str
    service: str
    policy: str
    listen: str
    upstream: str
    pid: int


@event("ready")
class Ready(Event):
    """The readiness probe answers 200 from now on."""


@event("hint")
class Hint(Event):
    """A suggestion for a new user."""

    message: str


@event("draining")
class Draining(Event):
    """A signal asked the process to end; clients get `seconds` to move on."""

    seconds: float


@event("stopped")
class Stopped(Event):
    """The listeners are closed. `cut`: connections whose exchange was not waited for any longer."""

    cut: int


@event("few_descriptors", logging.WARNING)
class FewDescriptors(Event):
    """The system allows fewer connections than the policy wants."""

    connections: int
    wanted: int


@event("policy")
class PolicyApplied(Event):
    """Another policy is in force. `policy`: its digest, shortened."""

    policy: str


@event("policy_refused", logging.ERROR)
class PolicyRefused(Event):
    """The policy on disk is invalid; `in_force` stays. `errors`: the first mistakes, each with its place in the file."""

    in_force: str
    errors: tuple[str, ...]


@event("warning")
class PolicyWarning(Event):
    """The policy in force is valid, and something in it is worth a look."""

    message: str


@event("certificate_refused", logging.ERROR)
class CertificateRefused(Event):
    """A new certificate of the data listener cannot be used; the one before stands."""

    why: str
