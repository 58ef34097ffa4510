"""Incidents: a table of states, and what is told at each step. Pure; time is an argument.

    state    event      → state    told
    (none)   opens        open     firing
    open     opens        open     firing again, where it became worse; else nothing
    open     ends         quiet    nothing yet: a breaker that flaps is one incident
    open     runs out     (none)   resolved, but for what only happened (a change of version)
    quiet    opens        open     nothing: it never was over
    quiet    long enough  (none)   resolved

Told once in each process. Across replicas a receiver tells them apart by `key`, which is made of what they all know.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from guard.control.incidents.events import KINDS, SEVERITIES, Ends, Kind, Opens, Subject

Status: TypeAlias = Literal["firing", "resolved"]
MOST: Final = 256
"""Incidents that are open at once; what comes after waits for none, and is not told. A policy has at most 2,000 routes."""


@dataclass(slots=True)
class Incident:
    """One that is not over. `quiet_since`: when it seemed to be."""

    opens: Opens
    since: float
    quiet_since: float | None = None


class Notice(NamedTuple):
    """A notice to send."""

    status: Status
    opens: Opens
    since: float
    at: float


class Ledger:
    """The incidents of one process."""

    def __init__(self) -> None:
        self._open: dict[Subject, Incident] = {}
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._open)

    def subjects(self, kind: Kind) -> list[Subject]:
        """The open incidents of a kind."""
        return [subject for subject in self._open if subject.kind == kind]

    def change(self, change: Opens | Ends, wall: float) -> Iterator[Notice]:
        """Apply a change and return its notices."""
        if isinstance(change, Ends):
            known = self._open.get(change.subject)
            if known is not None and known.quiet_since is None:
                known.quiet_since = wall
                yield from self.tick(wall)
            return
        known = self._open.get(change.subject)
        if known is None:
            if len(self._open) >= MOST:
                self.left_out += 1
                return
            self._open[change.subject] = Incident(change, wall)
            yield Notice("firing", change, wall, wall)
            return
        worse = SEVERITIES.index(change.severity) > SEVERITIES.index(known.opens.severity)
        known.opens, known.quiet_since = change, None
        if worse:
            yield Notice("firing", change, known.since, wall)

    def tick(self, wall: float) -> Iterator[Notice]:
        """The notices of incidents whose time has ended."""
        for subject, value in list(self._open.items()):
            until, quiet = value.opens.until, KINDS[subject.kind].quiet
            if until is not None and wall >= until:
                del self._open[subject]
                if subject.kind != "model_version":
                    yield Notice("resolved", value.opens, value.since, until)
            elif value.quiet_since is not None and wall - value.quiet_since >= quiet:
                del self._open[subject]
                yield Notice("resolved", value.opens, value.since, value.quiet_since)

    def standing(self, wall: float) -> Iterator[Notice]:
        """All that is not over, for receivers that forget."""
        for item in self._open.values():
            yield Notice("firing", item.opens, item.since, wall)

    def keep(self, routes: frozenset[str], wall: float) -> Iterator[Notice]:
        """Routes that the policy does not have any more have no incidents."""
        for subject in [incident for incident in self._open if incident.route is not None and incident.route not in routes]:
            incident = self._open.pop(subject)
            yield Notice("resolved", incident.opens, incident.since, wall)


def key(service: str, environment: str, subject: Subject) -> str:
    """The same on every replica, and after a restart; another for another subject."""
    text = json.dumps([service, environment, *subject])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
