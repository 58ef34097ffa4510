"""The requests that the candidate is asked first: a share of the keys, drawn by HMAC."""

from collections.abc import Callable, Sequence
from hmac import digest
from typing import Final

from guard.proxy.values import Permit, Record, Rung

BUCKETS: Final = 10_000
"""Keys fall into so many buckets; a share is a number of them, so that raising it keeps who is in."""


class CandidateShare:
    """The number of buckets that the candidate answers. Orders change it; all routes read it."""

    def __init__(self) -> None:
        self.buckets = 0
        self.secret = b"guard"
        """The key of the HMAC: replicas that agree on it agree on who is asked of whom."""


class Trial:
    """The two ladders of a route: with the candidate on top, and without."""

    def __init__(
        self, candidate: Rung, below: Sequence[Rung], share: CandidateShare, header: bytes,
        field: Callable[[object], object] | None,
    ) -> None:  # fmt: skip
        """`header`, `field`: where a request has its key; without one, or in a request that has none, it is drawn anew."""
        self.candidate = candidate
        self._with, self._below = (candidate, *below), tuple(below)
        self._share, self._header, self._field = share, header, field

    def ladder(self, permit: Permit, record: Record) -> tuple[Rung, ...]:
        """The rungs to ask, highest first. The record keeps the bucket."""
        buckets = self._share.buckets
        if not buckets or permit.lowered is not None:
            return self._below
        drawn = int.from_bytes(digest(self._share.secret, self._key(permit), "sha256")[:8], "big") % BUCKETS
        record.bucket = drawn
        return self._with if drawn < buckets else self._below

    def _key(self, permit: Permit) -> bytes:
        if self._header:
            for name, value in permit.head.headers:
                if name == self._header:
                    return b"h" + value
        elif self._field is not None and not permit.breaks:
            found = self._field(permit.document)
            if found is not None:
                return b"f" + str(found).encode("utf-8", "surrogatepass")
        return b"r" + permit.request_id.encode()
