"""How much new work begins in one turn of the loop: what is under way, and whoever asks for little, goes first.

Where many clients ask at once, the loop would begin all of their requests before it looks at the answers that have come
meanwhile, and each exchange would find nothing of its own in the caches. Where one client sends thousands of requests at
once, it would answer all of them before it looks at anybody else. So a turn begins a few; whoever has more to do waits for
the next one, in a queue, with what was read of it unparsed. It limits no concurrency: a turn is as long as a few requests
take.

A large document, of a request or an answer, holds the loop for milliseconds. Those that are complete are judged one after
the other, with a rest behind each that took long: an eighth of its time, in which small requests of others come, are sent
on and are answered.
"""

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from guard.proxy.front import Connection

A_TURN: Final = 32
"""With 1,024 clients a third more requests a second than without; 64 brought less. So many clients or fewer do not wait."""
AT_ONCE: Final = 4
"""Requests of one connection that may begin before others have their turn."""
A_TURN_TAKES: Final = 0.002
"""Seconds after which a turn begins nothing more, however little it has begun."""
REST: Final = 0.125
"""Seconds for others after each second of large documents, where a turn of them took longer than A_TURN_TAKES."""
LEAST_REST: Final = 0.001
"""Seconds: a timer of the loop fires no sooner."""


class LoopAdmission:
    """The queue of one listener's connections that have more to do."""

    __slots__ = ("_begun", "_judging", "_large", "_rested", "_scheduled", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[tuple[Connection, float]] = deque()
        self._large: deque[Connection] = deque()  # each has a large document that is complete
        self._judging = False
        self._rested = 0.0  # from when on a large document may be judged
        self._begun = 0
        self._scheduled = False

    def full(self, connection: "Connection") -> bool:
        """Whether this one must wait until it is told to `go_on`; asked where there are more connections than A_TURN."""
        if self._begun < A_TURN:
            self._begun += 1
            if self._begun == A_TURN:
                self._schedule()
            return False
        self.wait(connection)
        return True

    def wait(self, connection: "Connection") -> None:
        """Let this one `go_on` in a later turn."""
        self._waiting.append((connection, monotonic()))
        self._schedule()

    def wait_to_judge(self, connection: "Connection") -> None:
        """Let this one judge a large document after those that came before it."""
        self._large.append(connection)
        if not self._judging:
            self._judging = True
            self._after(self._rested - monotonic())

    def _judge(self) -> None:
        """Judge large documents for as long as a turn may take, one at least, and rest in proportion."""
        large, begun = self._large, monotonic()
        now = begun
        try:
            while large and now - begun <= A_TURN_TAKES:
                large.popleft().judge()
                now = monotonic()
        finally:
            now = monotonic()
            rest = (now - begun) * REST if now - begun > A_TURN_TAKES else 0.0
            self._rested = now + rest
            self._judging = bool(large)
            if large:
                self._after(rest)

    def _after(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(seconds, LEAST_REST) if seconds > 0 else 0.0, self._judge)

    def waited(self, now: float) -> float:
        """Seconds that the connection has waited that waits longest."""
        return now - self._waiting[0][1] if self._waiting else 0.0

    def _turn(self) -> None:
        self._scheduled = False
        waiting, self._begun = self._waiting, 0
        until = monotonic() + A_TURN_TAKES
        remaining = len(waiting)  # whoever waits again in this turn comes after all others
        try:
            while remaining and self._begun < A_TURN:
                remaining -= 1
                self._begun += 1  # also of one that crashes
                self._begun += max(0, waiting.popleft()[0].go_on() - 1)
                if monotonic() > until:
                    self._begun = A_TURN
        finally:
            if waiting or self._begun >= A_TURN:
                self._begun = A_TURN
                self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)
