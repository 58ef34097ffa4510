"""Whether traffic should come: a set of latches. Once ready, ready until draining."""

from typing import Final

WAITING: Final = ("policy", "state", "upstream")


class Readiness:
    """The conditions that are not met yet, in the order of WAITING."""

    def __init__(self) -> None:
        self._waiting = dict.fromkeys(WAITING)
        self.draining = False

    def __repr__(self) -> str:
        return f"<Readiness {'ready' if self.ready else 'waiting for ' + ', '.join(self.waiting)}>"

    @property
    def ready(self) -> bool:
        """Whether traffic should come."""
        return not self.waiting

    @property
    def waiting(self) -> tuple[str, ...]:
        """The reasons against it."""
        return ("draining",) if self.draining else tuple(self._waiting)

    def reached(self, latch: str) -> None:
        """One thing less to wait for; never again waited for."""
        self._waiting.pop(latch, None)

    def drain(self) -> None:
        """No traffic any more."""
        self.draining = True
