"""The rung that asks a model server."""

from guard.proxy.values import Call, Permit, Reason, Settlement, Source, Target


class Tickets:
    """Counts the tickets of one (route, target) that are out, and how calls ended."""

    __slots__ = ("counts", "out")

    def __init__(self) -> None:
        self.out = 0
        self.counts = dict.fromkeys(Settlement, 0)


class Ticket:
    """Leave to make one call. One-shot: the first settlement counts."""

    __slots__ = ("_tickets",)

    def __init__(self, tickets: Tickets) -> None:
        self._tickets: Tickets | None = tickets
        tickets.out += 1

    def recheck(self, now: float) -> Reason | None:  # noqa: ARG002
        """Nothing closes a target while its call is queued, until there are breakers and modes."""
        return None

    def settle(self, outcome: Settlement, now: float) -> None:  # noqa: ARG002
        """Count the outcome, once."""
        tickets, self._tickets = self._tickets, None
        if tickets is not None:
            tickets.out -= 1
            tickets.counts[outcome] += 1


class Model:
    """Asks `target`, with what the permit allows and nothing else."""

    source: Source = "model"
    remote = True
    reads_input = True

    def __init__(self, target: Target, *, collect: int, replay: bool, version: str = "", eager: bool = False) -> None:
        """`collect`: bytes of the answer to buffer. `replay` (of a POST), `eager`: see `Call`."""
        self.target = target
        self.version = version
        self.tickets = Tickets()
        self._collect = collect
        self._replay = replay
        self._eager = eager

    def ask(self, permit: Permit, now: float) -> Call:
        """The call that would answer."""
        target = self.target
        return Call(
            target,
            permit.forward,
            permit.body,
            self._collect,
            min(now + target.attempt, permit.deadline),
            Ticket(self.tickets),
            self._replay or permit.forward.method in (b"GET", b"HEAD"),
            self._eager,
        )
