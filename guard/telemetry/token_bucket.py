"""A token bucket on the records' own clock: a rate per second, and a burst."""

from typing import Final

RATE: Final = 10.0
BURST: Final = 20.0


class TokenBucket:
    """A rate limiter that counts what it rejects, until the count is read."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, 0.0
        self._left_out = 0

    def take(self, now: float) -> bool:
        """Whether one more may pass."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            self._left_out += 1
            return False
        self._tokens -= 1.0
        return True

    def left_out(self) -> int:
        """The number of rejections since the last call."""
        count, self._left_out = self._left_out, 0
        return count
