"""Values that the parts of a rehearsal exchange: requests, answers and findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

Result: TypeAlias = Literal["pass", "fail", "note", "skip"]
"""`note`: worth reading, and no fault. `skip`: not tried, and why."""


class Request(NamedTuple):
    """A request. `target`: the path below the origin."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Got:
    """An answer. `status` 0: none came, and `failed` says why."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    failed: str = ""

    @property
    def source(self) -> str:
        """The source of the answer, as guard names it."""
        return self.headers.get("x-guard-source", "")

    @property
    def reason(self) -> str:
        """The reason for which the first rung was left."""
        return self.headers.get("x-guard-reason", "")

    def __str__(self) -> str:
        if self.failed:
            return f"no answer ({self.failed})"
        parts = [str(self.status), self.source and f"from {self.source}", self.reason and f"because of {self.reason}"]
        return " ".join(part for part in parts if part)


@dataclass(slots=True)
class Check:
    """One thing that was held, and what is to do where it did not. Texts name classes and fields, never a value."""

    name: str
    result: Result
    route: str = ""
    sent: str = ""
    expected: str = ""
    got: str = ""
    todo: str = ""
    fields: list[str] = field(default_factory=list)  # that failed, or that a note is about
    tried: int = 0  # requests
    failed: int = 0  # of them; 0 where the check is of all of them together


def late(subject: str) -> Check:
    """The time was over before what must not be left out: nobody knows whether it holds."""
    return Check("in time", "fail", got=f"the time ended before {subject}", todo="raise --seconds")


@dataclass(slots=True)
class Part:
    """A part of the rehearsal, while it runs and after. `private`: for the terminal that asked, and stored nowhere."""

    name: str
    title: str
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    private: list[str] = field(default_factory=list)
    seconds: float = 0.0
    complete: bool = False

    @property
    def failures(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if check.result == "fail"]

    @property
    def passed(self) -> bool:
        """Whether everything held that was tried, to the end."""
        return self.complete and not self.failures
