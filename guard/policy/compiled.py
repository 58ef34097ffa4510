"""The Plan that the data plane asks: what became of a policy once compiled, and how one that is replaced is let go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from guard.policy.loading import Loaded
from guard.policy.models import Denied
from guard.policy.routes import RouteTable
from guard.policy.scalars import Origin
from guard.proxy.cors import Cors
from guard.proxy.values import Head, Refused, Route, Sink, Target, Tracer
from guard.targets.budgets import Budget

if TYPE_CHECKING:
    from guard.labels.receipt import Keyring


@dataclass(eq=False)
class WallClock:
    """The offset of wall-clock time from the monotonic clock, in seconds. Its owner keeps it current for every plan."""

    offset: float = 0.0


@dataclass(eq=False)
class CompiledPlan:
    """A Plan."""

    expose_reason: bool
    routes: tuple[Route, ...]
    table: RouteTable[Route | Denied]
    upstream: Origin
    probe: Target
    """The target of readiness probes: the model server."""
    digest: str
    clock: WallClock
    tracer: Tracer
    sinks: Sequence[Sink] = ()
    cors: Cors | None = None
    budgets: tuple[Budget, ...] = ()
    """The service's first."""
    keyring: "Keyring | None" = None  # of receipts
    crashes: dict[str, int] = field(default_factory=dict)

    def match(self, head: Head) -> Route:
        """The route of a raw target. Raises Refused (bad_request, not_found, method_not_allowed), or Answered."""
        if self.cors is not None:
            self.cors.preflight(head, self._is_routed)
        route = self.table.match(head.method, head.target)
        if type(route) is not Route:
            raise Refused("not_found")
        return route

    def _is_routed(self, method: bytes, target: bytes) -> bool:
        try:
            return type(self.table.match(method, target)) is Route
        except Refused:
            return False

    def wall(self, now: float) -> float:
        """Seconds since the epoch at monotonic `now`."""
        return now + self.clock.offset

    def sink_crashed(self, sink: Sink) -> None:
        """Count a sink that raised, by its kind."""
        name = type(sink).__name__
        self.crashes[name] = self.crashes.get(name, 0) + 1


def retire(loaded: Loaded, plan: CompiledPlan) -> Iterator[None]:
    """Release a plan that is no longer in use, route by route: freeing hundreds at once takes tens of milliseconds.

    Exchanges under way have found their route, and keep it.
    """
    routes = list(plan.routes)
    plan.routes, plan.table = (), RouteTable(())
    declared, written = loaded.policy.routes, loaded.tree["routes"]
    while routes or declared or written:
        for some in (routes, declared, written):
            if isinstance(some, list):
                del some[-1:]
            elif some:
                some.popitem()
        yield
