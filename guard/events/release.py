"""Events of the release path: orders about the candidate, and what guard decides about it by itself."""

import logging

from guard.events.base import Event, event
from guard.events.orders import OrderGiven


@event("release")
class ReleaseOrdered(OrderGiven):
    """An order about a candidate is in force: `canary`, `abort`, `promote` or `rollback`. `candidate`: its version."""

    order: str
    candidate: str
    detail: str
    why: str
    epoch: int


@event("candidate_aborted", logging.ERROR)
class CandidateAborted(Event):
    """The candidate answers nobody any more, and its digest is refused. `who`: guard, or the operator."""

    candidate: str
    digest: str
    who: str
    why: str


@event("candidate_again", logging.WARNING)
class CandidateAgain(Event):
    """An operator lets an aborted candidate be tried again."""

    candidate: str
    digest: str
    who: str


@event("release_recalled", logging.WARNING)
class ReleaseRecalled(Event):
    """Another release is the model after a start than the policy says, as it was promoted or rolled back before."""

    model: str
    url: str
    declared: str
