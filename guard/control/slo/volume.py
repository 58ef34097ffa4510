"""Whether the service is asked as much as `targets.expected_rate` says: silence and surge, which are incidents only."""

from typing import Final

from guard.events import Publish, VolumeChanged
from guard.targets.rings import Ring
from guard.targets.volume import SURGE_OVER, Volume, judge

FIVE_MINUTES: Final = 30
"""Buckets of the ring."""


class VolumeWatch:
    """Times are seconds of the timeline."""

    def __init__(self, publish: Publish) -> None:
        self.expected: float | None = None
        self.state: Volume = "ok"
        self._publish = publish
        self._ring = Ring(1, (FIVE_MINUTES,))
        self._latest = 0.0

    def declare(self, expected: float | None, now: float) -> None:
        """A policy is in force. Quiet is counted from now on if it was not before."""
        if expected is not None and self.expected is None:
            self._latest = now
        if expected is None:
            self._become("ok", 0, 0.0)
        self.expected = expected

    def restart(self, now: float) -> None:
        """Begin again: nobody knows what was asked while this process was away."""
        self._latest = now

    def count(self, bucket: int, requests: int, latest: float) -> None:
        """Requests of a bucket, whatever became of them, and the time of the latest."""
        self._ring.advance(bucket)
        self._ring.add(0, requests)
        self._latest = max(self._latest, latest)

    def recent(self) -> int:
        """Requests of the last five minutes."""
        return self._ring.window(FIVE_MINUTES).total

    def watch(self, now: float) -> None:
        """Publish a change."""
        if not self.expected:
            return
        self._ring.advance(int(now / (SURGE_OVER / FIVE_MINUTES)))
        quiet, recent = max(0.0, now - self._latest), self.recent()
        self._become(judge(self.expected, quiet, recent), recent, quiet)

    def _become(self, after: Volume, recent: int, quiet: float) -> None:
        if after != self.state:
            before, self.state = self.state, after
            self._publish(
                VolumeChanged(
                    before=before, after=after, expected=self.expected or 0.0, recent=recent, quiet=round(quiet, 1)
                )
            )
