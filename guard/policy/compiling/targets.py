"""The model servers that rungs call: connections, slots and breakers, kept over a reload that changes nothing for them."""

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

from guard.candidate.release_state import Roles
from guard.dialects import DIALECTS
from guard.ladder.breaker import Breaker, Config
from guard.ladder.limits import ConcurrencyLimiter
from guard.ladder.model import Model, Purse
from guard.policy.candidate import Candidate
from guard.policy.ladder import Breaker as BreakerPolicy
from guard.policy.ladder import Previous, RouteLimits, TargetTls
from guard.policy.models import Policy
from guard.policy.route import Route as RoutePolicy
from guard.policy.runtime import ConnectionPool, Draft, PoolKey, TargetKey
from guard.policy.scalars import Origin, origin
from guard.proxy.values import CANDIDATE, MODEL, PREVIOUS, RungLimit, Source, Target

if TYPE_CHECKING:
    from guard.policy.compiling.context import CompileContext

NEVER = 1 << 62
LEAST_ATTEMPT = 0.1
"""Seconds that the candidate has for an answer, however little the route leaves."""
LEASE = 30.0
"""Seconds after which a call that a half-open breaker let through is given up for lost."""


class Targets:
    """Makes the targets of one policy. Raises OSError for certificates that cannot be used."""

    def __init__(self, policy: Policy, context: "CompileContext", draft: Draft, roles: Roles | None = None) -> None:
        """`roles`: in place of the policy's own."""
        self.upstream = context.upstream or policy.upstream.url if roles is None else origin(roles.model.url)
        self._roles = roles
        self._policy, self._context, self._draft = policy, context, draft

    def model(
        self, key: str, route: RoutePolicy, rung_limit: RungLimit, *, collect: int, eager: bool = False,
        purse: Purse | None = None,
    ) -> Model:  # fmt: skip
        """The model server of this release."""
        pool = self._pool(self.upstream, self._tls())
        target = self._target(MODEL, key, route, self.upstream, pool, rung_limit)
        release = self._policy.release
        version = self._roles.model.version if self._roles is not None else release.version if release else ""
        breaker = self._breaker(MODEL, key, self.upstream, route, trips=not eager)
        repeatable = route.repeatable
        return Model(target, breaker, collect=collect, repeatable=repeatable, version=version, eager=eager, purse=purse)

    def previous(
        self, key: str, route: RoutePolicy, previous: Previous, rung_limit: RungLimit, *, collect: int,
        purse: Purse | None = None,
    ) -> Model:  # fmt: skip
        """The one that still runs the release before, with limits, times and a breaker of its own."""
        url, tls = previous.url, previous.tls
        before = release.before if (release := self._policy.release) is not None else None
        version = previous.version or (before.version if before is not None else "")
        if self._roles is not None:
            url, tls, version = origin(self._roles.previous.url), self._policy.upstream.tls, self._roles.previous.version
        pool = self._pool(url, tls)
        target = self._target(PREVIOUS, key, route, url, pool, rung_limit, previous)
        breaker = self._breaker(PREVIOUS, key, url, route)
        return Model(target, breaker, collect=collect, repeatable=route.repeatable, version=version, purse=purse)

    def candidate(
        self, key: str, route: RoutePolicy, candidate: Candidate, rung_limit: RungLimit, *, collect: int,
        purse: Purse | None = None,
    ) -> Model:  # fmt: skip
        """The next release, with slots and a breaker of its own. It leaves the model the time of a call."""
        assert candidate.url is not None
        target = self._target(CANDIDATE, key, route, candidate.url, self._pool(candidate.url, candidate.tls), rung_limit)
        times = route.timeout
        target.attempt = max(min(times.attempt, times.request - times.connect - times.attempt), LEAST_ATTEMPT)
        breaker, version = self._breaker(CANDIDATE, key, candidate.url, route), candidate.release.version
        return Model(target, breaker, collect=collect, repeatable=route.repeatable, version=version, purse=purse)

    def _tls(self) -> TargetTls | None:
        """The settings for the model's server: of the policy, or of the candidate that became the model."""
        candidate = self._policy.candidate
        promoted = self._roles is not None and candidate is not None and candidate.url == self.upstream
        return candidate.tls if promoted and candidate is not None else self._policy.upstream.tls

    def probe(self) -> Target:
        """The target of readiness probes: the model server."""
        pool = self._pool(self.upstream, self._tls())
        return self._target(MODEL, "", RoutePolicy(), self.upstream, pool, RungLimit())

    def _target(
        self, source: Source, key: str, route: RoutePolicy, origin: Origin, pool: ConnectionPool, rung_limit: RungLimit,
        own: Previous | None = None,
    ) -> Target:  # fmt: skip
        def pick(part: str, name: str, *fallbacks: object) -> Any:
            """The first value that is set: the target's own, the route's, the upstream's."""
            parts = (getattr(own, part, None), getattr(route, part), *fallbacks)
            return next(value for part in parts if (value := getattr(part, name, None)) is not None)

        common, dialect, template = self._policy.upstream.limits, DIALECTS[route.dialect], key.partition(" ")[2]
        limits = (pick("limits", "concurrency", common), pick("limits", "queue", common))
        return Target(
            source=source,
            url=str(origin),
            host=authority(origin),
            pool=pool,
            limiter=self._draft.limiters.take(
                TargetKey(key, source), limits, lambda: ConcurrencyLimiter(*limits, self._context.defer)
            ),
            connect=pick("timeout", "connect"),
            attempt=pick("timeout", "attempt"),
            idle=pick("timeout", "idle"),
            queue_timeout=pick("limits", "queue_timeout", common),
            rung_limit=rung_limit,
            version=dialect.version(template) or (self._context.deployed if source == MODEL and dialect.deployed else ""),
        )

    def _breaker(self, source: Source, key: str, origin: Origin, route: RoutePolicy, *, trips: bool = True) -> Breaker:
        """The breaker of one server: another one at `origin` begins with a breaker of its own, closed.

        A passthrough route has one that only operators open: it may cover many paths, and one would close all.
        """
        declared = route.breaker or BreakerPolicy()
        slow = declared.slow
        config = Config(
            window=declared.window,
            minimum_calls=declared.minimum_calls if trips else NEVER,
            failure_rate=declared.failure_rate,
            consecutive_failures=declared.consecutive_failures if trips else NEVER,
            slow_duration=slow.duration if slow else None,
            slow_rate=slow.rate if slow else 1.0,
            open_for=declared.open_for,
            max_open_for=declared.max_open_for,
            half_open_calls=declared.half_open_calls,
            close_after=declared.close_after,
            lease=max(LEASE, route.timeout.request) if not route.stream else LEASE + route.timeout.idle,
        )
        changed = partial(self._context.changed, key, source)  # and not `self`, which would be a cycle through the draft
        make = partial(Breaker, config, changed=changed)
        return self._draft.breakers.take(TargetKey(key, source), (origin, config), make)

    def _pool(self, origin: Origin, tls: TargetTls | None) -> ConnectionPool:
        """The connections to an origin, shared by all routes."""
        files = [file.path for file in (tls.ca, tls.cert, tls.key) if file is not None] if tls is not None else []
        digests = tuple(hashlib.sha256(self._context.certificate(path)).digest() for path in files)
        limits = self._policy.upstream.limits
        bounds = tuple(value for name, value in limits if name not in RouteLimits.model_fields)
        key = PoolKey(origin, str(tls) if tls is not None else "", digests, bounds)
        return self._draft.pools.take(key, None, lambda: self._context.pool(origin, tls, limits))


def authority(origin: Origin) -> bytes:
    """The Host header for an origin (RFC 9112 §3.2); for a unix socket there is no better word than localhost."""
    if origin.socket:
        return b"localhost"
    default = 443 if origin.scheme == "https" else 80
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return (host if origin.port == default else f"{host}:{origin.port}").encode()
