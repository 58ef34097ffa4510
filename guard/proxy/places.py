"""Who makes room when a listener is full, or when the memory for bodies is spent.

A full listener closes the connection that has waited longest without a complete request: an unfinished TLS handshake, an
idle one, half a head, half a body; last of all one that does not take its answer. A newcomer is served, and only complete
requests can keep it out. Since when a connection waits follows from its deadlines, so a request costs nothing more.

When the bodies that wait for their end have spent the memory, those are refused that have held most of it for longest, in
bytes times seconds: a client that sends what it announced is never the first.
"""

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from guard.proxy.front import Connection
    from guard.proxy.listener_state import ListenerState

AT_A_LOOK: Final = 64
"""Connections that one look at all of them chooses, to be closed one by one as newcomers need their places."""
SMALL: Final = 4096
"""Bytes of an unfinished body that are never taken from a client for others."""
FREED: Final = 16
"""One of so many parts of the memory is freed at once, so that the next look is far away."""


class Places:
    """The connections of a listener that is full, by how long they have waited."""

    __slots__ = ("_longest",)

    def __init__(self) -> None:
        self._longest: list[tuple[float, Connection]] = []  # whoever has waited longest stands last

    def make_room(self, listener: "ListenerState") -> bool:
        """Close the connection that has waited longest; False where nobody waits and everybody is being served."""
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
        """The connection that has waited longest, and since when.

        Who was not chosen at the last look began to wait later than all who were.
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
    """Refuse the unfinished bodies that have held most for longest until memory is free.

    Whether `asking` may go on: it is not refused here, but told to refuse itself.
    """
    now, budget = monotonic(), listener.budget
    holding: list[tuple[float, Connection]] = []
    held = 0
    for connection in listener.connections:
        size = connection.unfinished()
        if size > SMALL:
            holding.append((size * (now - connection.body_deadline + listener.limits.body), connection))
            held += size
    if budget.used - held > budget.limit:  # others hold it: no refusal here brings room
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
