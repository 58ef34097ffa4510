"""What a client has sent beyond the request that is answered, and how much of it guard holds.

It waits unparsed: bytes are the least that a request can be. Every byte of it and of a head that is not whole, and every
request that was parsed and waits, is counted in one budget with the bodies. A connection is read no further once AHEAD
bytes of it wait. Once all connections together hold half of the budget, each may hold only LITTLE more: one that holds more
is refused, so that whoever asks for little finds room.
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
"""Bytes that each connection may have ahead, however many there are: a head as clients send them comes in one piece."""
EXCHANGE: Final = 2048
"""Bytes that a request counts for that was parsed and waits: its head, its lists, its state."""
FIELD: Final = 128
"""Bytes that a field of an unfinished head counts for beyond its own."""

BODY_FULL: Final = 1  # the body that is read is not taken
AHEAD_FULL: Final = 2  # enough waits


class Backlog(Answers):
    """The half of a connection that holds what is ahead of its turn."""

    __slots__ = ("_held", "_pauses", "_waits", "body_deadline", "budget", "current")

    def __init__(self, listener: ListenerState) -> None:
        super().__init__(listener)
        self.budget = listener.budget
        self.current: Exchange | None = None
        self.body_deadline = 0.0
        self._waits = bytearray()  # read, and not parsed yet
        self._held = 0  # bytes of the budget for all that is ahead
        self._pauses = 0  # why nothing is read from the client: BODY_FULL, AHEAD_FULL, or both

    def _broken(self, code: RefusalCode) -> None:
        raise NotImplementedError

    def unfinished(self) -> int:
        """Bytes of a body that is read before it is judged and has not come to its end; 0 without one."""
        current = self.current
        return current.held if current is not None and current.owes_body() else 0

    def waiting_since(self) -> float:
        """Monotonic seconds since which a complete request is missing; `inf` where there is one, or guard has its turn.

        That of a client which does not take its answer lies ahead: all others have waited longer.
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
        """Count so many bytes more, or fewer, that are ahead."""
        self._held += size
        budget = self.budget
        budget.used += size
        budget.ahead += size

    def _crowd(self) -> bool:
        """Whether this connection holds more than it may where all hold much."""
        return self._held > LITTLE and self.budget.crowded

    def _hold(self, data: bytes) -> None:
        """Let bytes wait for their turn."""
        self._waits += data
        self._charge(len(data))
        if self._crowd():
            self._broken("overloaded")
        elif len(self._waits) > AHEAD:
            self._pause(AHEAD_FULL)

    def _consumed(self, size: int) -> None:
        """So many of the bytes that wait were parsed."""
        del self._waits[:size]
        self._charge(-size)
        if self._pauses & AHEAD_FULL and len(self._waits) < AHEAD // 2:
            self._resume(AHEAD_FULL)

    def _drop_waits(self) -> None:
        """What waits is nobody's."""
        self._charge(-len(self._waits))
        self._waits.clear()

    def _drop_ahead(self) -> None:
        self._reading = None  # what came of a body is held no longer
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
