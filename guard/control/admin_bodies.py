"""The bodies that the admin API takes."""

import re
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from guard.events import Enforcement
from guard.ladder.mode import Mode
from guard.proxy.values import MODEL, Called

MOST_LABELS: Final = 500
"""Labels of one batch: it is read in one step, in which no client is answered."""


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    reason: str = Field(min_length=1, max_length=500)


class ModeOrder(_Order):
    """The body of PUT mode."""

    mode: Mode
    ttl: float | None = Field(default=None, gt=0, le=30 * 86400)
    route: str | None = None
    cut: bool = False
    expected_epoch: int | None = Field(default=None, ge=0, lt=2**53)
    """Give the order only if nobody has given another one of its scope since; left out by whoever kills."""


class EnforcementOrder(_Order):
    """The body of PUT enforcement."""

    route: str
    enforcement: Enforcement
    ttl: float | None = Field(default=None, gt=0, le=7 * 86400)


class MonitorOrder(_Order):
    """The body of PUT monitor/order."""

    route: str
    order: Literal["accept", "reset", "expect", "save"]
    ttl: float | None = Field(default=None, gt=0, le=30 * 86400)
    """Seconds in which a change is expected; `expect` needs it."""


class BreakerOrder(_Order):
    """The body of PUT breakers."""

    route: str
    target: Called = MODEL
    state: Literal["auto", "open", "closed"]


class LabelItem(BaseModel):
    """One label. What is wrong with its receipt, label or time is told in its outcome."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    receipt: Any
    row: int = Field(default=0, ge=0, strict=True)
    label: Any
    at: Any = None


class LabelBatch(BaseModel):
    """The body of POST labels."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    labels: list[LabelItem] = Field(min_length=1, max_length=MOST_LABELS)


class Login(BaseModel):
    """The body of POST /console/session."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    token: str = Field(min_length=1, max_length=200)


def weight(media_range: str) -> float:
    """The `q` of a media range (RFC 9110 §12.4.2); 0 for an invalid one."""
    for parameter in media_range.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            return float(value) if re.fullmatch(r"[01](\.[0-9]{0,3})?", value) else 0.0
    return 1.0
