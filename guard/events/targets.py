"""Events of targets that are measured in the process: objectives that burn, routes that are lowered for it, and volume."""

import logging

from guard.events.base import Event, event


@event("burn", logging.WARNING)
class BurnChanged(Event):
    """An objective's state changed (`guard.targets.burn`). `route`: None for the whole service. `left`: of its budget.

    `told`: whether it is an incident of its own: that of a service is not while one of its routes is as urgent.
    """

    route: str | None
    objective: str
    before: str
    after: str
    burn_5m: float
    burn_1h: float
    left: float
    told: bool


@event("burn_descent", logging.WARNING)
class RouteDescended(Event):
    """A route burns and was lowered. `number`: of the day's descents; `held`: it stays so until a person raises it."""

    route: str
    to: str
    objective: str
    lasts: float
    number: int
    held: bool


@event("burn_return", logging.WARNING)
class RouteReturned(Event):
    """A route that was lowered because it burnt is raised. `why`: healed, time, order or policy."""

    route: str
    to: str
    why: str


@event("volume", logging.WARNING)
class VolumeChanged(Event):
    """Far fewer or far more requests than `targets.expected_rate`. `recent`: of 5 minutes; `quiet`: seconds without one."""

    before: str
    after: str
    expected: float
    recent: int
    quiet: float
