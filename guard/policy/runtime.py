"""State that outlives a reload: breakers, concurrency limiters, connection pools, caches and what operators allow.

Each kind has a collection of its own with a typed key. An entry is kept where the configuration that it was made from is
unchanged. A draft reads the collections in force and changes nothing in them, so a plan that is not used leaves no trace.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from guard.ladder.breaker import Breaker
from guard.ladder.cached import Store
from guard.ladder.limits import ConcurrencyLimiter
from guard.monitoring.watch import RouteWatch
from guard.policy.scalars import Origin
from guard.proxy.values import RungLimit, Source
from guard.targets.estimates import Estimates
from guard.targets.ledger import Ledger

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class TargetKey(NamedTuple):
    """One model server as one route sees it. `route` is the route's key, and empty for the probe."""

    route: str
    target: Source


class PoolKey(NamedTuple):
    """Everything that a connection to a model server depends on."""

    origin: Origin
    tls: str
    """`tls` as declared; empty without it."""
    certificates: tuple[bytes, ...]
    """Digest of each file that `tls` names, in the order CA, certificate, key."""
    limits: tuple[float, ...]
    """Values of `upstream.limits` for connections and heads of answers; its other keys are limits of a route."""


class ConnectionPool(Protocol):
    """Connections to one origin."""

    @property
    def idle(self) -> int:
        """Open connections without a call."""

    @property
    def links(self) -> int:
        """Open connections."""

    def close(self) -> None:
        """Close idle connections now, and the others after their call."""


class NoPool:
    """The pool of a plan that is compiled only to be checked. It opens no connection."""

    idle: Final = 0
    links: Final = 0

    def close(self) -> None:
        """Do nothing."""


class Collection(Generic[Key, Value]):
    """Values by key, each with the configuration that it was made from."""

    def __init__(self, previous: Mapping[Key, tuple[Hashable, Value]] = MappingProxyType({})) -> None:
        """`previous`: entries that `take` may use again."""
        self._previous = previous
        self._entries: dict[Key, tuple[Hashable, Value]] = {}

    def draft(self) -> "Collection[Key, Value]":
        """An empty collection that takes what it can from this one, and does not change it."""
        return Collection(self._entries)

    def settled(self) -> "Collection[Key, Value]":
        """The collection, without its reference to the one that it was drafted from."""
        self._previous = MappingProxyType({})
        return self

    def take(self, key: Key, config: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`; made with `make` unless there is one of the same `config`."""
        entry = self._entries.get(key) or self._previous.get(key)
        if entry is None or entry[0] != config:
            entry = (config, make())
        self._entries[key] = entry
        return entry[1]

    def get(self, key: Key) -> Value | None:
        """The value of `key`."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None else None

    def items(self) -> Iterator[tuple[Key, Value]]:
        """All keys and values."""
        return ((key, value) for key, (_, value) in self._entries.items())

    def values(self) -> Iterator[Value]:
        """All values."""
        return (value for _, value in self._entries.values())

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)


@dataclass(frozen=True, slots=True)
class Draft:
    """The collections of the next plan."""

    breakers: Collection[TargetKey, Breaker]
    limiters: Collection[TargetKey, ConcurrencyLimiter]
    pools: Collection[PoolKey, ConnectionPool]
    caches: Collection[str, Store]
    """Caches by route key."""
    rung_limits: Collection[str, RungLimit]
    """Rung limits by route key."""
    ledgers: Collection[str, Ledger]
    """Ledgers by route key; that of the service by the empty key."""
    estimates: Collection[TargetKey, Estimates]
    watches: Collection[str, RouteWatch]
    """Watches of monitoring by route key."""


class Runtime:
    """The collections of the plan in force. `adopt` replaces them whole, so that another thread may read them."""

    def __init__(self) -> None:
        self.breakers: Collection[TargetKey, Breaker] = Collection()
        self.limiters: Collection[TargetKey, ConcurrencyLimiter] = Collection()
        self.pools: Collection[PoolKey, ConnectionPool] = Collection()
        self.caches: Collection[str, Store] = Collection()
        self.rung_limits: Collection[str, RungLimit] = Collection()
        self.ledgers: Collection[str, Ledger] = Collection()
        self.estimates: Collection[TargetKey, Estimates] = Collection()
        self.watches: Collection[str, RouteWatch] = Collection()

    def draft(self) -> Draft:
        """Begin the next plan."""
        return Draft(
            breakers=self.breakers.draft(),
            limiters=self.limiters.draft(),
            pools=self.pools.draft(),
            caches=self.caches.draft(),
            rung_limits=self.rung_limits.draft(),
            ledgers=self.ledgers.draft(),
            estimates=self.estimates.draft(),
            watches=self.watches.draft(),
        )

    def adopt(self, draft: Draft) -> list[ConnectionPool]:
        """Put the collections of `draft` in force. Returns the pools that no plan uses any more: the caller closes them."""
        before = self.pools
        self.breakers = draft.breakers.settled()
        self.limiters = draft.limiters.settled()
        self.pools = draft.pools.settled()
        self.caches = draft.caches.settled()
        self.rung_limits = draft.rung_limits.settled()
        self.ledgers = draft.ledgers.settled()
        self.estimates = draft.estimates.settled()
        self.watches = draft.watches.settled()
        used = {id(pool) for pool in self.pools.values()}
        return [pool for pool in before.values() if id(pool) not in used]
