"""Live arms: whose bad answers are the candidate's, by buckets of keys. They only abort, they never pass.

A bucket counts once however often it fails, so that one client that repeats one hard request is one event. Each step of the
share has its own arms, as who is asked of whom changes; the evidence of the steps is multiplied (`evidence.log_live`).
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from math import log
from typing import Any, Final

from guard.candidate.evidence import FALSE_ALARM, log_live

BUCKETS: Final = 10_000
TOLERATED: Final = 1.0
"""Tolerated excess: the candidate may have twice its share of the bad buckets."""
CROOKED: Final = 0.001
"""Chance of a false word that the arms do not have the shares that were ordered."""
_SEEN, _BAD = 1, 2


class Arms:
    """Two arms at one share. Flags by bucket: they merge by `or`."""

    def __init__(self, buckets: int, flags: bytes = bytes(2 * BUCKETS)) -> None:
        self.buckets = buckets
        self._flags = bytearray(flags)
        self.seen, self.bad = [0, 0], [0, 0]
        self.requests = 0
        """Requests that the candidate was asked since the start of the process."""
        for index, flag in enumerate(flags):
            self.seen[index // BUCKETS] += bool(flag & _SEEN)
            self.bad[index // BUCKETS] += bool(flag & _BAD)

    def note(self, bucket: int, *, candidate: bool, bad: bool) -> bool:
        """Count a request. Whether it is a bad bucket of the candidate that was not one before."""
        arm = 0 if candidate else 1
        self.requests += candidate
        index = arm * BUCKETS + bucket
        before = self._flags[index]
        if not before & _SEEN:
            self.seen[arm] += 1
        if not bad or before & _BAD:
            self._flags[index] = before | _SEEN
            return False
        self.bad[arm] += 1
        self._flags[index] = _SEEN | _BAD
        return candidate

    @property
    def share(self) -> float:
        """The candidate's share."""
        return self.buckets / BUCKETS

    @property
    def flags(self) -> bytes:
        """One byte for each bucket, the candidate's first."""
        return bytes(self._flags)

    def merge(self, other: "Arms") -> "Arms":
        """The evidence of both at the same share: two replicas, or a restart."""
        return Arms(self.buckets, bytes(a | b for a, b in zip(self.flags, other.flags, strict=True)))

    def told(self) -> str:
        """The numbers for a person."""
        return f"{self.bad[0]} of {sum(self.bad)} keys with a bad first answer are the candidate's, at {self.share:.2%}"

    def document(self) -> dict[str, Any]:
        """The arms as JSON."""
        return {"buckets": self.buckets, "flags": b64encode(self._flags).decode()}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Arms":
        """Read arms from JSON. Raises ValueError, KeyError and TypeError."""
        flags, buckets = b64decode(document["flags"], validate=True), document["buckets"]
        if type(buckets) is not int or not 0 < buckets <= BUCKETS or len(flags) != 2 * BUCKETS or max(flags) > _SEEN | _BAD:
            raise ValueError("not arms")
        return cls(buckets, flags)


def log_harm(arms: list[Arms]) -> float:
    """The logarithm of the evidence of harm, of all steps together."""
    return log_live([(step.bad[0], sum(step.bad), step.share) for step in arms if 0 < step.buckets < BUCKETS], TOLERATED)


def harmful(arms: list[Arms], tests: int = 1, false_alarm: float = FALSE_ALARM) -> bool:
    """Whether harm is proven, among so many tests."""
    return log_harm(arms) >= log(tests / false_alarm)


def crooked(arms: list[Arms]) -> bool:
    """Whether more keys came to the candidate than were ordered, so that no verdict holds."""
    steps = [(step.seen[0], sum(step.seen), step.share) for step in arms if 0 < step.buckets < BUCKETS]
    return log_live(steps, 0.0) >= log(1 / CROOKED)
