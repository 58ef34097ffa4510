"""What an export is made of."""

from typing import Literal, NamedTuple, TypeAlias

Severity: TypeAlias = Literal["page", "ticket"]
"""As the SRE workbook (chapter 5) has them: somebody gets up, or somebody looks at it in working hours."""

Role: TypeAlias = Literal["incidents", "serving", "model_quality", "data_freshness"]
"""Keys of the policy's `owners`."""


class Alert(NamedTuple):
    """One thing that somebody is told. `wait`: how long it must hold, as Prometheus writes durations."""

    name: str
    expr: str
    summary: str
    description: str
    wait: str = "0m"
    severity: Severity = "ticket"
    role: Role = "serving"
    labels: tuple[tuple[str, str], ...] = ()


class Gap(NamedTuple):
    """What is not exported, and why."""

    text: str
