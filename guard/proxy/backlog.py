"""The bytes that a client has sent beyond the request that is answered, and the limits on them.

They wait unparsed, since a request takes the least memory as bytes. Each of these bytes, each byte of an incomplete head
and each parsed request that waits is counted in one budget with the bodies. A connection is not read further once AHEAD of
its bytes wait. Once all connections together hold half of the budget, each may hold only LITTLE: one that holds more is
refused, so that clients with small requests find room.
"""

from math import inf
from typing import Final

from guard.proxy.answers import LINGERS, Answers
from guard.proxy.deadlines import HEAD, KEEP_ALIVE, LINGER, WRITE_STALL
from guard.proxy.driver import Exchange
from guard.proxy.interfaces import AHEAD
from guard.proxy.listener_state import ListenerState
from guard.proxy.states import CLOSED, PARTIAL
from guard.proxy.values import RefusalCode

LITTLE: Final = 4096
"""Bytes that each connection may always have ahead: enough for a usual head, which arrives in one piece."""
EXCHANGE: Final = 2048
"""Bytes that a parsed request counts while it waits: its head, its lists, its state."""
FIELD: Final = 128
"""Bytes that each field of an unfinished head counts besides its name and value."""

BODY_FULL: Final = 1  # the consumer of the body is full
AHEAD_FULL: Final = 2  # AHEAD bytes wait


class Backlog(Answers):
    """The part of a connection that holds bytes and requests ahead of their turn."""

    __slots__ = ("_held", "_pauses", "_waits", "body_deadline", "budget", "current")

    def __init__(self, listener: ListenerState) -> None:
        super().__init__(listener)
        self.budget = listener.budget
        self.current: Exchange | None = None
        self.body_deadline = 0.0
        self._waits = bytearray()  # bytes read and not parsed yet
        self._held = 0  # bytes of the budget for all that is ahead
        self._pauses = 0  # why nothing is read from the client: BODY_FULL, AHEAD_FULL, or both

    def _broken(self, code: RefusalCode) -> None:
        raise NotImplementedError

    def unfinished(self) -> int:
        """Bytes held of a body that is buffered before it is judged and is not complete; 0 without such a body."""
        current = self.current
        return current.held if current is not None and current.owes_body() else 0

    def waiting_since(self) -> float:
        """Monotonic seconds since which the client owes a complete request; `inf` if it owes none.

        For a client that does not take its answer this time lies in the future: all others have waited longer.
        """
        limits, due, state = self._listener.limits, self.timer.due, self._state
        current = self.current
        if current is not None:
            return self.body_deadline - limits.body if current.owes_body() else inf
        if self._waits or self._queue:
            return inf
        if state <= PARTIAL:
            return min(due[HEAD] - limits.head, due[KEEP_ALIVE] - limits.keep_alive, due[WRITE_STALL])
        return min(due[LINGER] - LINGERS, due[WRITE_STALL])

    def _charge(self, size: int) -> None:
        """Add `size` bytes, or subtract them if negative, to those that are ahead."""
        self._held += size
        budget = self.budget
        budget.used += size
        budget.ahead += size

    def _crowd(self) -> bool:
        """Whether this connection holds more than LITTLE while the budget is crowded."""
        return self._held > LITTLE and self.budget.crowded

    def _hold(self, data: bytes) -> None:
        """Keep bytes until their turn; refuses the connection or pauses it if they are too many."""
        self._waits += data
        self._charge(len(data))
        if self._crowd():
            self._broken("overloaded")
        elif len(self._waits) > AHEAD:
            self._pause(AHEAD_FULL)

    def _consumed(self, size: int) -> None:
        """Remove the first `size` waiting bytes, which were parsed."""
        del self._waits[:size]
        self._charge(-size)
        if self._pauses & AHEAD_FULL and len(self._waits) < AHEAD // 2:
            self._resume(AHEAD_FULL)

    def _drop_waits(self) -> None:
        """Drop the waiting bytes."""
        self._charge(-len(self._waits))
        self._waits.clear()

    def _drop_ahead(self) -> None:
        self._reading = None  # a partly received body is not held any more
        for exchange in self._queue:
            self.budget.used -= exchange.held
        self._queue.clear()
        self._waits.clear()
        self._charge(-self._held)
        self._resume(BODY_FULL | AHEAD_FULL)

    def _pause(self, reason: int) -> None:
        if not self._pauses and self._state != CLOSED:
            self._transport.pause_reading()
        self._pauses |= reason

    def _resume(self, reason: int) -> None:
        if self._pauses:
            self._pauses &= ~reason
            if not self._pauses and self._state != CLOSED:
                self._transport.resume_reading()
