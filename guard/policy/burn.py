"""`targets.burn`: the budget of the objectives, and what guard does when it burns."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field

from guard.policy.policy_model import PolicyModel, Report
from guard.policy.scalars import Kind, Misread, Positive, Span, read_duration, write_duration
from guard.proxy.values import LowerSource

HALF_HOUR: Final = 1800
MOST_DAYS: Final = 30
WINDOW: Final = "a duration from 1d to 30d, in whole half hours, such as 30d or 7d"
Action = Literal["freeze", "abort", "descend"]


def _window(value: Any) -> float:
    seconds = read_duration(str(value))
    if not 86400 <= seconds <= MOST_DAYS * 86400 or seconds % HALF_HOUR:
        raise Misread("a budget of this length cannot be measured", WINDOW)
    return seconds


BudgetWindow = Annotated[float, Kind(_window, write_duration, {"type": "string", "examples": ["30d"]})]


class Burn(PolicyModel):
    """The budget of `latency_p95`, `error_rate`, `availability` and `model_share`, and what guard does when it burns."""

    window: BudgetWindow = MOST_DAYS * 86400.0
    act: tuple[Action, ...] = ()
    descend: LowerSource | None = None
    lasts: Span = Field(default=1800.0, alias="for", description="Time for which a route is lowered.")
    at_least: Positive = 10

    def finish(self, report: Report) -> Self:
        """`descend` is what the action of that name needs, and does nothing without it."""
        if "descend" in self.act and self.descend is None:
            report(("act",), "`descend` needs the rung to descend to", "descend: rules, or another rung below the model")
        if self.descend is not None and "descend" not in self.act:
            report(("descend",), "nothing descends, as `act` does not name `descend`", "act: [descend]")
        return self
