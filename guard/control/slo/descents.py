"""Lowers routes that burn and raises them again, by their rung limits. Operators' orders stay: the lower wins."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from guard.control.slo.scope import Scope
from guard.events import Publish, RouteDescended, RouteReturned
from guard.policy.compiled import CompiledPlan
from guard.policy.runtime import Runtime
from guard.proxy.values import DISABLED, LEVEL, Route
from guard.targets.burn import CURABLE, PAIRS, Objective, Rules, exceeded
from guard.targets.counting import Tally
from guard.targets.descent import Descent, Ended, Terms
from guard.targets.rings import BUCKET, Series

FAST: Final = PAIRS[0]


class Descents:
    """The descents of all routes. `now` below is the timeline's, in seconds; `monotonic` the clock of records."""

    def __init__(self, runtime: Runtime, publish: Publish, changed: Callable[[], None]) -> None:
        """`changed`: called after each descent and return, which a restart must know."""
        self._runtime, self._publish, self._changed = runtime, publish, changed
        self.terms: Terms | None = None
        self.routes: dict[str, Descent] = {}
        self.probes: dict[str, Series] = {}
        self._lowerable: frozenset[str] = frozenset()

    def declare(self, terms: Terms | None, plan: CompiledPlan, tallies: Mapping[str, Tally], now: float) -> None:
        """A policy is in force. A descent goes on, unless its action or its route is gone."""
        self.terms = terms
        self._lowerable = frozenset(route.key for route in plan.routes if terms is not None and _can_descend(route, terms))
        for route, descent in list(self.routes.items()):
            if descent.lowered and route not in self._lowerable:
                self._end(route, descent, now, "policy", tallies)
            if route not in tallies:
                del self.routes[route]
                self.probes.pop(route, None)
        self.bound(tallies)

    def bound(self, tallies: Mapping[str, Tally]) -> None:
        """Bring every rung limit up to date."""
        for route, limit in self._runtime.rung_limits.items():
            descent = self.routes.get(route)
            lowered = descent is not None and descent.lowered
            limit.burn = LEVEL[descent.to] if lowered else 0  # type: ignore[index, union-attr]
            if route in tallies:
                tallies[route].lowered = lowered

    def consider(self, route: str, scope: Scope, rules: Mapping[Objective, Rules], now: float) -> bool:
        """Lower a route that burns and may be lowered; whether it was."""
        terms = self.terms
        if terms is None or route not in self._lowerable:
            return False
        limit = self._runtime.rung_limits.get(route)
        descent = self.routes.get(route)
        if limit is None or limit.level or (descent is not None and not descent.may_begin(now)):
            return False
        since = None if descent is None or descent.returned is None else int(descent.returned / BUCKET) + 1
        for objective in CURABLE:
            series = scope.series.get(objective)
            if series is not None and objective in rules and exceeded(series, rules[objective], FAST, since):
                self._begin(route, objective, terms, now)
                return True
        return False

    def _begin(self, route: str, objective: str, terms: Terms, now: float) -> None:
        descent = self.routes.setdefault(route, Descent())
        descent.begin(now, terms, objective)
        self.probes[route] = Series(int(now / BUCKET))
        number = len(descent.begun)
        self._publish(
            RouteDescended(
                route=route, to=terms.to, objective=objective, lasts=terms.lasts, number=number, held=descent.held
            )
        )
        self._changed()

    def count(self, route: str, time: int, tally: Tally) -> None:
        """Add the probes of a bucket."""
        if tally.probes and route in self.probes:
            self.probes[route].add(time, tally.bad_probes, tally.probes)

    def watch(self, rules: Mapping[Objective, Rules], tallies: Mapping[str, Tally], now: float) -> None:
        """Raise the routes whose time has come."""
        if self.terms is None:
            return
        curable = tuple(rules[objective] for objective in CURABLE if objective in rules)
        for route, descent in self.routes.items():
            if descent.lowered:
                probes = self.probes.setdefault(route, Series(int(now / BUCKET)))
                probes.advance(int(now / BUCKET))
                why = descent.due(now, self.terms, probes, curable)
                if why is not None:
                    self._end(route, descent, now, why, tallies)

    def release(self, route: str | None, tallies: Mapping[str, Tally], now: float) -> None:
        """A person raises a route, or with None all."""
        for key, descent in self.routes.items():
            if descent.lowered and route in (None, key):
                self._end(key, descent, now, "order", tallies)

    def _end(self, route: str, descent: Descent, now: float, why: Ended, tallies: Mapping[str, Tally]) -> None:
        to = descent.to
        descent.end(now)
        self.bound(tallies)
        self._publish(RouteReturned(route=route, to=to, why=why))
        self._changed()

    def state(self) -> dict[str, dict[str, Any]]:
        """The state that a restart restores."""
        return {route: descent.state() for route, descent in self.routes.items()}

    def recall(self, state: Mapping[str, Mapping[str, Any]], tallies: Mapping[str, Tally]) -> None:
        """Go on from there. Raises KeyError, TypeError and ValueError for a state that is none."""
        for route, known in state.items():
            if route not in tallies:
                continue
            descent = Descent()
            descent.recall(known)
            if descent.lowered and (route not in self._lowerable or descent.to not in LEVEL):
                descent.end(descent.since)
            self.routes[route] = descent
        self.bound(tallies)


def _can_descend(route: Route, terms: Terms) -> bool:
    """Whether a rung at or below the declared one answers on this route; `disabled` only if it is the declared one."""
    below = [rung.source for rung in route.ladder if LEVEL[rung.source] >= terms.level]
    return any(source != DISABLED or terms.to == DISABLED for source in below)
