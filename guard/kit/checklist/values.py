"""Items and sections of a checklist, and its facts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from guard.kit.checklist.live import Live
from guard.kit.checklist.pipelines import Mention
from guard.kit.description import ContractDescription, PolicyDescription
from guard.kit.evidence import Evidence, Kind, Unusable
from guard.kit.privacy.values import Report
from guard.policy.loading import Loaded
from guard.policy.route import Route

Status: TypeAlias = Literal["pass", "warn", "fail"]
ORDER: Final[tuple[Status, ...]] = ("pass", "warn", "fail")
"""Statuses from good to bad."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a launch needs. `fix` is empty where it passes; followed, it turns the item green."""

    id: str
    status: Status
    evidence: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The worst status of its items."""

    id: str
    title: str
    items: tuple[Item, ...]

    @property
    def status(self) -> Status:
        """The worst there is."""
        return max((item.status for item in self.items), key=ORDER.index, default="pass")


@dataclass(frozen=True, slots=True)
class Facts:
    """All that sections know. They read nothing else, no clock either."""

    name: str
    """The policy's path, as it is typed in a shell: fixes are commands about it."""
    described: PolicyDescription
    privacy: Report
    evidence: Mapping[Kind, Evidence | Unusable]
    before: str
    """The reason that guard cannot go back to the previous release; empty if it can, or if none is named."""
    pipelines: tuple[str, ...]
    """Files of the CI that were found."""
    mentions: tuple[Mention, ...]
    """The places at which the pipelines run a command of guard."""
    live: Live | None
    """None: nobody named a running guard."""
    now: datetime

    @property
    def loaded(self) -> Loaded:
        """The policy as it was read."""
        return self.described.loaded

    @property
    def contracts(self) -> tuple[ContractDescription, ...]:
        """The routes with a contract."""
        return self.described.contracts

    @property
    def routes(self) -> tuple[tuple[str, Route], ...]:
        """Their keys and contracts."""
        return tuple((route.key, route.contract) for route in self.contracts)


Make: TypeAlias = Callable[[Facts], Iterator[Item]]


@dataclass(frozen=True, slots=True)
class Part:
    """The function that makes a section; each file of a section has one."""

    id: str
    title: str
    make: Make
