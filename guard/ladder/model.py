"""The rungs that ask a model server: the one of this release, and the previous one that still runs."""

from typing import Protocol

from guard.proxy.values import Call, Closed, Permit, Source, Target, Ticket


class Breaker(Protocol):
    """What lets a call be made."""

    def admit(self, now: float) -> Ticket | Closed:
        """Leave to make one call, or why not."""


class Model:
    """Asks `target`, with what the permit allows and nothing else, as often as its breaker lets it."""

    remote = True
    reads_input = True

    def __init__(
        self, target: Target, breaker: Breaker, *, collect: int, replay: bool, version: str = "", eager: bool = False
    ) -> None:
        """`collect`: bytes of the answer to buffer. `replay` (of a POST), `eager`: see `Call`."""
        self.source: Source = target.source
        self.target = target
        self.breaker = breaker
        self.version = version
        self._collect = collect
        self._replay = replay
        self._eager = eager

    def ask(self, permit: Permit, above: Closed | None, now: float) -> Call | Closed:  # noqa: ARG002 — a Rung
        """The call that would answer."""
        ticket = self.breaker.admit(now)
        if isinstance(ticket, Closed):
            return ticket
        target, message = self.target, permit.message
        return Call(
            target,
            permit.head,
            permit.forward,
            permit.body,
            0 if message is not None and message.stream else self._collect,
            min(now + target.attempt, permit.deadline),
            ticket,
            (self._replay and not (message is not None and message.once)) or permit.head.method in (b"GET", b"HEAD"),
            permit.route.deadline_header,
            self._eager,
            permit.deadline,
        )
