"""The requests that the candidate is asked first: a share of the keys, drawn by HMAC."""

from collections.abc import Callable, Sequence
from hmac import digest
from typing import Final, Protocol

from guard.proxy.values import MODEL, Answer, Permit, Record, Rung, Source, Violation

BUCKETS: Final = 10_000
"""Keys fall into so many buckets; a share is a number of them, so that raising it keeps who is in."""


class Copier(Protocol):
    """Makes copies of requests that the model has answered."""

    def offer(self, trial: "Trial", permit: Permit, answer: Answer, broken: bool) -> None:  # noqa: FBT001
        """A request and the model's answer, which the client is about to get. `broken`: it breaks an observed contract."""


class CandidateShare:
    """The number of buckets that the candidate answers. Orders change it; all routes read it."""

    def __init__(self) -> None:
        self.buckets = 0
        self.copier: Copier | None = None
        """Set while a shadow is ordered."""
        self.secret = b"guard"
        """The key of the HMAC: replicas that agree on it agree on who is asked of whom."""


class Trial:
    """The two ladders of a route: with the candidate on top, and without."""

    def __init__(
        self, candidate: Rung, below: Sequence[Rung], share: CandidateShare, header: bytes,
        field: Callable[[object], object] | None, comparison: object = None,
    ) -> None:  # fmt: skip
        """`header`, `field`: where a request has its key; without one, or in a request that has none, it is drawn anew.

        `comparison`: how a copier compares answers; None where nothing is copied.
        """
        self.candidate = candidate
        self.comparison = comparison
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

    def answered(self, permit: Permit, source: Source, answer: Answer, violations: Sequence[Violation]) -> None:
        """Offer a request that the model itself answered to the copier, if there is one."""
        copier = self._share.copier
        if copier is not None and self.comparison is not None and source == MODEL and permit.lowered is None:
            copier.offer(self, permit, answer, len(violations) > 0)

    def key_of(self, permit: Permit) -> bytes:
        """A keyed digest of the request's key; of its id where it has none."""
        return digest(self._share.secret, self._key(permit), "sha256")[:8]

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
