"""The route that a reference is made of, and what of it is watched."""

from collections.abc import Iterable
from typing import NamedTuple

from guard.monitoring.cells import FieldSpec
from guard.monitoring.watch import RouteWatch
from guard.policy.models import Policy
from guard.policy.route import Route as Declared
from guard.proxy.values import Route


class NoSubject(ValueError):  # noqa: N818 — named as the contract's is
    """No route, or more than one, fits what was asked for. The message lists those that would."""


class Subject(NamedTuple):
    """A route, what of it is watched, and the path that is asked."""

    key: str
    declared: Declared
    route: Route
    specs: tuple[FieldSpec, ...]
    path: str


def subject_of(policy: Policy, routes: Iterable[Route], wanted: str | None, path: str | None) -> Subject:
    """The only watched route with declared inputs, or the wanted one. Raises NoSubject."""
    watched = {
        route.key: (declared, route, route.watch.config.fields)
        for route in routes
        if isinstance(route.watch, RouteWatch)
        and isinstance(declared := policy.routes[route.key], Declared)
        and declared.inputs
    }
    if not watched:
        raise NoSubject("the policy has no route with `inputs` that monitoring watches")
    if wanted is None and len(watched) > 1:
        raise NoSubject(f"give --route; watched are {', '.join(watched)}")
    key = wanted if wanted is not None else next(iter(watched))
    if key not in watched:
        raise NoSubject(f"no watched route {key!r}; there are {', '.join(watched)}")
    declared, route, specs = watched[key]
    asked = path or route.template
    if path is None and ("{" in asked or "*" in asked):
        raise NoSubject(f"give --path: {asked} names no single path")
    return Subject(key, declared, route, specs, asked)
