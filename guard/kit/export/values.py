"""The parts of an export."""

from typing import Literal, NamedTuple, TypeAlias

Severity: TypeAlias = Literal["page", "ticket"]
"""Severities of the SRE workbook (chapter 5): a page wakes somebody, a ticket waits for working hours."""

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
    """A part that is not exported, and the reason."""

    text: str
