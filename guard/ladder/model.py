"""The rungs that ask a model server: the one of this release, and the previous one that still runs."""

from typing import Final, Protocol

from guard.proxy.values import Call, CallOutcome, Closed, Hold, Permit, Source, Target, Ticket

IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))
"""Methods that a proxy may send again after the server may have read them (RFC 9110 §9.2.2)."""


class Breaker(Protocol):
    """The breaker as this rung uses it."""

    def admit(self, now: float) -> Ticket | Closed:
        """A ticket for one call, or the reason for none. `now`: monotonic seconds."""


class Purse(Protocol):
    """The budgets of the calls to one target of a route, as this rung uses them."""

    def reserve(self, permit: Permit, now: float) -> Hold | Closed:
        """Reserve what a call may cost, or the reason that there is not enough left. `now`: monotonic seconds."""


class Model:
    """The rung that calls `target` with the permitted request and nothing else, if its breaker admits the call."""

    remote = True
    reads_input = True

    def __init__(
        self, target: Target, breaker: Breaker, *, collect: int, repeatable: bool | None = None, version: str = "",
        eager: bool = False, purse: Purse | None = None,
    ) -> None:  # fmt: skip
        """`collect`: bytes of the answer to buffer. `repeatable`: None decides by the method. `eager`: see `Call`."""
        self.purse = purse
        self.source: Source = target.source
        self.target = target
        self.breaker = breaker
        self.version = version
        self._collect = collect
        self._repeatable = repeatable
        self._eager = eager

    def ask(self, permit: Permit, above: Closed | None, now: float) -> Call | Closed:  # noqa: ARG002 — a Rung
        """The call to make, or the reason that the breaker admits none."""
        ticket = self.breaker.admit(now)
        if isinstance(ticket, Closed):
            return ticket
        hold: Hold | None = None
        if self.purse is not None:
            reserved = self.purse.reserve(permit, now)
            if isinstance(reserved, Closed):
                ticket.settle(CallOutcome.IGNORED, now)
                return reserved
            hold = reserved
        target, message, repeatable = self.target, permit.message, self._repeatable
        if repeatable is None:
            repeatable = permit.head.method in IDEMPOTENT
        return Call(
            target,
            permit.head,
            permit.forward,
            permit.body,
            0 if message is not None and message.stream else self._collect,
            min(now + target.attempt, permit.deadline),
            ticket,
            repeatable and not (message is not None and message.once),
            permit.route.deadline_header,
            self._eager,
            permit.deadline,
            hold,
        )
