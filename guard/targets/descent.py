"""A route that is lowered because it burns, and how it comes back: a table. Pure; time is an argument.

    state      event                                         → state      note
    up         fast, fewer than three descents in a day        lowered
    up         fast, three descents in a day                   up         only the incident
    lowered    dwelt, and the probes keep the objectives       up         `healed`
    lowered    its time is over, and the probes break them     lowered    for as long again; no new descent
    lowered    its time is over                                up         `time`
    held       anything but a person                           held       the third descent of a day
    any        a person, or the policy                         up

While a route is lowered every hundredth request still asks the model. Those probes alone are evidence: what all requests
see then is what the lower rung answers, and never leads to a decision. After the return nothing before it counts.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from guard.targets.burn import M5, M30, Rules
from guard.targets.rings import Series

DWELL: Final = 600.0
MOST_A_DAY: Final = 3
DAY: Final = 86400.0
Ended: TypeAlias = Literal["healed", "time", "order", "policy"]


class Terms(NamedTuple):
    """`targets.burn` for descents: the highest rung that answers, its level on the ladder, and seconds."""

    to: str
    level: int
    lasts: float
    at_least: int

    @property
    def dwell(self) -> float:
        """Seconds for which a route stays lowered at least."""
        return min(DWELL, self.lasts)


class Descent:
    """One route. Times are seconds of the timeline, which goes on over restarts."""

    def __init__(self) -> None:
        self.to = ""  # empty: the route is not lowered
        self.objective = ""
        self.since = 0.0
        self.until = 0.0
        self.held = False
        self.begun: list[float] = []
        self.returned: float | None = None

    @property
    def lowered(self) -> bool:
        """Whether the route is lowered."""
        return bool(self.to)

    def may_begin(self, now: float) -> bool:
        """Whether one more descent is allowed."""
        self.begun = [at for at in self.begun if now - at < DAY]
        return not self.to and len(self.begun) < MOST_A_DAY

    def begin(self, now: float, terms: Terms, objective: str) -> None:
        """Lower the route."""
        self.to, self.objective = terms.to, objective
        self.since, self.until = now, now + terms.lasts
        self.begun.append(now)
        self.held = len(self.begun) >= MOST_A_DAY

    def due(self, now: float, terms: Terms, probes: Series, rules: tuple[Rules, ...]) -> Ended | None:
        """The reason that the route may be raised now; None while it stays lowered. May prolong the descent."""
        if not self.to or self.held or now - self.since < terms.dwell:
            return None
        budget = max((each.budget for each in rules), default=1.0)
        five, thirty = probes.window(M5), probes.window(M30)
        good = five.bad < budget * five.total and thirty.bad < budget * thirty.total
        if good and thirty.total >= terms.at_least:
            return "healed"
        if now < self.until:
            return None
        if five.bad:
            self.until = now + terms.lasts
            return None
        return "time"

    def end(self, now: float) -> None:
        """Raise the route."""
        self.to, self.held, self.returned = "", False, now

    def state(self) -> dict[str, Any]:
        """The state that a restart restores."""
        return dict(vars(self))

    def recall(self, state: Mapping[str, Any]) -> None:
        """Go on from there. Raises KeyError, TypeError and ValueError for a state that is none."""
        self.to, self.objective = str(state["to"]), str(state["objective"])
        self.since, self.until = float(state["since"]), float(state["until"])
        self.held = state["held"] is True
        self.begun = [float(at) for at in state["begun"]]
        self.returned = float(state["returned"]) if state["returned"] is not None else None
