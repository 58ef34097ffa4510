"""Chooses the connections that make room when a listener is full, or when the memory for bodies is spent.

A full listener closes the connection that has waited longest without a complete request: an unfinished TLS handshake, an
idle connection, half a head, half a body; last, one that does not take its answer. So a new connection is served unless
every other has a complete request. A connection's waiting time follows from its deadlines, so a request costs nothing more.

When unfinished bodies have spent the memory, those are refused that have held most of it for longest, in bytes times
seconds: a client that keeps sending its announced body is never the first.
"""

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from guard.proxy.front import Connection
    from guard.proxy.listener_state import ListenerState

AT_A_LOOK: Final = 64
"""Connections that one pass over all of them selects; they are closed one by one as places are needed."""
SMALL: Final = 4096
"""Size in bytes up to which an unfinished body is never refused to make room."""
FREED: Final = 16
"""Divisor of the memory limit: this share of it is freed at once, so that the next pass is not soon."""


class Places:
    """The connections of a listener that is full, by how long they have waited."""

    __slots__ = ("_longest",)

    def __init__(self) -> None:
        self._longest: list[tuple[float, Connection]] = []  # the one that has waited longest is last

    def make_room(self, listener: "ListenerState") -> bool:
        """Close the connection that has waited longest. False: none waits, all are being served."""
        since, connection = self._peek(listener)
        handshake = next(iter(listener.handshakes.values()), None)
        if handshake is not None and handshake.since <= since:
            handshake.cancel()
        elif connection is not None:
            self._longest.pop()
            connection.give_up()
        else:
            return False
        return True

    def _peek(self, listener: "ListenerState") -> "tuple[float, Connection | None]":
        """The connection that has waited longest, and the monotonic seconds since which it waits.

        Connections that the last pass did not select began to wait later than all that it selected.
        """
        longest = self._longest
        while longest:
            since, connection = longest[-1]
            if connection in listener.connections and connection.waiting_since() == since:
                return since, connection
            longest.pop()
        waiting = [(since, c) for c in listener.connections if (since := c.waiting_since()) < inf]
        waiting.sort(key=_since, reverse=True)
        longest += waiting[-AT_A_LOOK:]
        return longest[-1] if longest else (inf, None)


def _since(waiting: "tuple[float, Connection]") -> float:
    return waiting[0]


def refuse_bodies(listener: "ListenerState", asking: "Connection") -> bool:
    """Refuse the unfinished bodies that have held most memory for longest, until some is free.

    Returns whether `asking` may go on: it is not refused here, but must refuse itself on False.
    """
    now, budget = monotonic(), listener.budget
    holding: list[tuple[float, Connection]] = []
    held = 0
    for connection in listener.connections:
        size = connection.unfinished()
        if size > SMALL:
            holding.append((size * (now - connection.body_deadline + listener.limits.body), connection))
            held += size
    if budget.used - held > budget.limit:  # other holders have it: refusals here free too little
        return False
    holding.sort(key=_since, reverse=True)
    goal = budget.limit - budget.limit // FREED
    stays = True
    for _, connection in holding:
        if budget.used <= goal:
            break
        if connection is asking:
            stays = False
            goal += connection.unfinished()
        elif connection.current is not None:
            connection.current.refuse("overloaded")
    return stays and not budget.spent
