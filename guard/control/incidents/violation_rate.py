"""The sink that sees a contract storm: a share of a route's requests that break the contract, which is no longer chance.

Two windows, as the SRE Workbook (ch. 5, "Multiwindow, Multi-Burn-Rate Alerts") has them: the long one says that it matters,
the short one that it still goes on, so that an alert ends soon after its cause. 10 % is a burn rate of 10 against a goal
of 99 % good requests, which spends a month's budget in three days. It ends at half of that in the short window, or when
nothing is asked any more. Below fifty requests a share says nothing.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from guard.events import ContractStorm, ContractStormEnded
from guard.proxy.values import Record, Route

BUCKET: Final = 10.0
LONG: Final = 30
"""Buckets: five minutes."""
SHORT: Final = 6
"""One minute."""
SHARE: Final = 0.10
OVER: Final = 0.05
LEAST: Final = 50
MOST_CAUSES: Final = 64


class Window(NamedTuple):
    """Violations of a route's contract in a period of time. `field`, `code`: the most frequent one."""

    share: float
    requests: int
    field: str
    code: str


class _Bucket:
    __slots__ = ("broken", "causes", "number", "requests")

    def __init__(self, number: int) -> None:
        self.number, self.requests, self.broken = number, 0, 0
        self.causes: Counter[tuple[str, str]] = Counter()


class ViolationRateMonitor:
    """A Sink. Requests are counted by route; what breaks the contract is a declared field and a code."""

    def __init__(self) -> None:
        self._routes: dict[str, list[_Bucket]] = {}
        self._raging: set[str] = set()

    def take(self, records: Iterator[Record]) -> None:
        """Count those whose contract was looked at."""
        before, until = None, 0.0
        for record in records:
            matched = record.matched
            if matched is None or not matched.judges or (record.code and record.code != "contract"):
                continue
            if matched is not before or record.ended_at >= until:
                bucket = self._bucket(matched, int(record.ended_at / BUCKET))
                before, until = matched, (bucket.number + 1) * BUCKET
            bucket.requests += 1
            if record.violations:
                bucket.broken += 1
                first = record.violations[0]
                cause = (first.field or matched.field_of(first.pointer, False), first.code)
                if cause in bucket.causes or len(bucket.causes) < MOST_CAUSES:
                    bucket.causes[cause] += 1

    def _bucket(self, matched: Route, number: int) -> _Bucket:
        buckets = self._routes.setdefault(matched.key, [])
        if not buckets or buckets[-1].number < number:
            buckets.append(_Bucket(number))
            del buckets[:-LONG]
        return buckets[-1]

    def evaluate(self, now: float) -> Iterator[ContractStorm | ContractStormEnded]:
        """The events that are due."""
        for route, buckets in self._routes.items():
            number = int(now / BUCKET)
            short, long = _seen(buckets, number - SHORT), _seen(buckets, number - LONG)
            if route in self._raging:
                if short.share < OVER:
                    self._raging.discard(route)
                    yield ContractStormEnded(route=route)
            elif long.requests >= LEAST and long.share >= SHARE and short.share >= SHARE:
                self._raging.add(route)
                yield ContractStorm(
                    route=route,
                    share=round(long.share, 4),
                    requests=long.requests,
                    field=long.field,
                    code=long.code,
                )

    def keep(self, routes: frozenset[str]) -> None:
        """Forget routes that the policy does not name any more."""
        for route in [route for route in self._routes if route not in routes]:
            del self._routes[route]
            self._raging.discard(route)


def _seen(buckets: list[_Bucket], after: int) -> Window:
    counted = [bucket for bucket in buckets if bucket.number > after]
    requests, broken = sum(bucket.requests for bucket in counted), sum(bucket.broken for bucket in counted)
    causes = sum((bucket.causes for bucket in counted), Counter[tuple[str, str]]())
    field, code = max(causes, key=causes.__getitem__) if causes else ("", "")
    return Window(broken / requests if requests else 0.0, requests, field, code)
