"""Monitoring as a policy declares it (docs/policy.md#monitor). Without a declaration it is on, with these defaults."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Discriminator, Field, Tag

from guard.monitoring.stages import TOLERATE
from guard.policy.errors import among, nearest, shown
from guard.policy.policy_model import PolicyModel, Report
from guard.policy.route import MAPPING, WORD, Route, is_word
from guard.policy.scalars import FalseAlarms, File, Number, PolicyFile, Positive, Rate, String, Tolerance

FALSE_ALARMS: Final = 30 * 86400.0
MOST_RATE: Final = 10_000
ONLY: Final = ""
"""Stands for the only watched route among references."""
TIME: Final = "a time with its offset such as 2026-12-24T00:00:00Z"


class Expected(PolicyModel):
    """A time in which a change is expected: nothing is alarmed or learned."""

    from_: String = Field(alias="from", description="First moment, with its offset (RFC 3339).")
    until: String
    why: String

    @property
    def span(self) -> tuple[float, float]:
        """First and last moment, in seconds since the epoch."""
        return _moment(self.from_) or 0.0, _moment(self.until) or 0.0

    def finish(self, report: Report) -> Self:
        """Checks that both times can be read, and their order."""
        for key, text in (("from", self.from_), ("until", self.until)):
            if _moment(text) is None:
                report((key,), f"{shown(text)} is no time with an offset", TIME)
                return self
        begins, ends = self.span
        if ends <= begins:
            report(("until",), "until is not after from", "a later time")
        return self


class Monitor(PolicyModel):
    """Monitoring of inputs and answers (docs/monitoring.md)."""

    false_alarms: FalseAlarms = Field(
        default=FALSE_ALARMS, description="False alarms that are accepted, in all routes and replicas together."
    )
    replicas: Positive = Field(default=1, description="Number of guards beside models of this service.")
    tolerate: Number = Field(default=TOLERATE, description="Effect that is no reason for an alarm, in Cohen's h.")
    season: Literal["week", "none"] | None = Field(
        default=None,
        description="`week`: hours of the week differ. `none`: they do not. Without it only gross shifts alarm.",
    )
    rate: Rate = Field(default=200.0, description="Requests of a route that are looked at, at most.")
    fields: dict[str, Tolerance] = Field(
        default_factory=dict, description="Fields that are not watched (`off`), or have a tolerance of their own."
    )
    reference: File | None = Field(
        default=None, description="Reference of the only watched route: a file that `guard reference make` wrote."
    )
    references: dict[str, File] = Field(default_factory=dict, description="References by route.")
    expect: tuple[Expected, ...] = Field(default=(), description="Times in which a change is expected.")

    @property
    def reference_files(self) -> dict[str, PolicyFile]:
        """The reference files by route; one for the only watched route stands under ""."""
        return self.references if self.reference is None else {**self.references, ONLY: self.reference}

    def finish(self, report: Report) -> Self:
        """Checks ranges that no single value shows."""
        if not 0.0 < self.tolerate <= 1.0:
            report(("tolerate",), f"tolerate {self.tolerate} is no effect", "a number above 0 and at most 1 such as 0.03")
        if not 1.0 <= self.rate <= MOST_RATE:
            report(("rate",), f"a rate of {self.rate:g} a second cannot be looked at", f"1/s to {MOST_RATE}/s")
        return self

    def check(self, routes: Mapping[str, Any], report: Report) -> None:
        """Report fields and routes that the policy does not declare: a name that nothing has would change nothing."""
        contracts = {key: route for key, route in routes.items() if isinstance(route, Route)}
        fields = list(dict.fromkeys(name for route in contracts.values() for name in (*route.inputs, *route.outputs)))
        for part, named, known, what in (
            ("fields", self.fields, fields, "declared input or output"),
            ("references", self.references, list(contracts), "route with a contract"),
        ):
            for name in named:
                if name not in known:
                    path = ("monitor", part, name)
                    report(path, f"{shown(name)} is no {what}", among(known), nearest(name, known), key=True)


AnyMonitor = Annotated[Annotated[Monitor, Tag(MAPPING)] | Annotated[Literal["off"], Tag(WORD)], Discriminator(is_word)]


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
