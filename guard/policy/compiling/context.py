"""State that all steps of a compilation share: their environment, and the mistakes that they find."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Protocol

from guard.candidate.release_state import Roles, Served
from guard.contract.fields import ContractInvalid
from guard.contract.strict import parse_file
from guard.events import Publish
from guard.labels.layout import Layout
from guard.ladder.rules import RuleInvalid
from guard.ladder.trial import CandidateShare
from guard.monitoring.monitor import MonitorConfig, RouteMonitor
from guard.policy.compiled import WallClock
from guard.policy.compiling.budgets import service_budget
from guard.policy.compiling.targets import Targets
from guard.policy.errors import Path, PolicyError
from guard.policy.fields import SchemaFile
from guard.policy.ladder import Secret, TargetLimits, TargetTls
from guard.policy.loading import Loaded
from guard.policy.loading.digest import release_digest
from guard.policy.models import Policy
from guard.policy.route import Route
from guard.policy.runtime import ConnectionPool, Draft, NoPool
from guard.policy.scalars import Origin
from guard.policy.targets import Prices
from guard.privacy.treatment import Hasher
from guard.proxy.tracing import Untraced
from guard.proxy.values import Receipts, RungLimit, Sink, Tracer
from guard.targets.budgets import Budget

if TYPE_CHECKING:
    from guard.labels.receipt import Keyring


class Releases(Protocol):
    """The decisions about releases while guard runs."""

    share: CandidateShare

    def roles(self, declared: Served) -> Roles | None:
        """The roles in place of what the policy declares; None where the policy's own hold."""


class Undecided:
    """Nothing was decided about releases."""

    def __init__(self) -> None:
        self.share = CandidateShare()

    def roles(self, declared: Served) -> Roles | None:
        """See Releases."""
        del declared
        return None


@dataclass(frozen=True, slots=True)
class CompileContext:
    """The environment of a Plan: parts of the process in which it will run. `check` and `explain` use the defaults."""

    pool: Callable[[Origin, TargetTls | None, TargetLimits], ConnectionPool] = lambda _origin, _tls, _limits: NoPool()
    """Makes the connection pool of an origin, with its TLS and limits. May raise OSError."""
    defer: Callable[[Callable[[], None]], object] = lambda waiter: waiter()
    certificate: Callable[[FilePath], bytes] = lambda _path: b""
    """Reads a file of `tls`. Raises OSError."""
    upstream: Origin | None = None  # in place of the policy's
    clock: WallClock = field(default_factory=WallClock)
    observed: Callable[[], frozenset[str]] = frozenset
    """Keys of routes whose contract operators do not enforce for now."""
    changed: Callable[[str, str, object], None] = lambda _route, _target, _change: None
    """Receives every change of a breaker."""
    sinks: Sequence[Sink] = ()
    tracer: Callable[[float, bool], Tracer] = lambda _share, _traces: Untraced()
    """Makes a tracer from the share of sampled exchanges and whether their traces may be exported."""
    secret: Callable[[Secret], bytes | None] = lambda _secret: None
    """Reads a secret from the place that the policy names; None if nothing is there."""
    publish: Publish = lambda _event: None
    """Receives what happens to budgets."""
    issuer: Callable[..., Receipts | None] = lambda *_layout: None
    """Makes what hands out receipts: see `LabelKeeper.issuer`."""
    releases: Releases = field(default_factory=Undecided)
    monitor: Callable[[str, MonitorConfig], RouteMonitor | None] = lambda _route, _config: None
    """Makes a route's monitor at its first request that is looked at; None where guard watches no more routes."""
    deployed: str = ""
    """The version that Vertex AI says a container was deployed as."""


class Compilation:
    """One compilation of one policy. `errors` are the mistakes found so far."""

    def __init__(self, loaded: Loaded, context: CompileContext, draft: Draft) -> None:
        self.loaded = loaded
        self.policy = loaded.policy
        self.draft = draft
        self.errors: list[PolicyError] = []
        self.releases = context.releases
        self.declared = declared_release(loaded.policy, context.upstream)
        self.roles = context.releases.roles(self.declared)
        self.targets = Targets(loaded.policy, context, draft, self.roles)
        self.observed = context.observed()
        self.baggage = frozenset(name.encode() for name in self.policy.privacy.baggage)
        self.clock, self.publish = context.clock, context.publish
        self.metered = self.policy.telemetry.gen_ai or _by_token(self.policy)
        """Whether tokens are counted."""
        release = self.policy.release
        self.version = self.roles.model.version if self.roles is not None else self.declared.version
        """The version of the release; empty without one."""
        self.strict_version = release is not None and release.strict
        self.hasher = self._hasher(context)
        self.budgets: dict[str, Budget] = {}
        """Budgets by route key; that of the service by the empty key."""
        self.service_budget = service_budget(self)
        self.issuer = context.issuer
        self.layouts: list[Layout] = []
        """Layouts of the routes with receipts, so far."""
        self.keyring = self._keyring(context)
        self.monitor = context.monitor
        self.watched_routes = max(1, sum(bool(route.inputs or route.outputs) for route in self.policy.contracts))
        """Routes that share the false alarms of `monitor`."""

    def report(self, path: Path, message: str, expected: str = "") -> None:
        """Add a mistake, at its place in the policy."""
        self.errors.append(self.loaded.error(path, message, expected))

    @contextmanager
    def reporting(self, *path: str | int) -> Iterator[None]:
        """Report what a family's compiler refuses below `path`."""
        try:
            yield
        except (ContractInvalid, RuleInvalid) as error:
            self.report((*path, *error.path), str(error))
        except OSError as error:  # certificates
            self.report(path, str(error))

    def schema(self, file: SchemaFile) -> Any:
        """The JSON Schema in a file that the policy names."""
        return parse_file(self.loaded.schemas[file.schema_.path])

    def rung_limit(self, key: str) -> RungLimit:
        """The rungs that operators allow this route. Operators change it, so it outlives every reload."""
        return self.draft.rung_limits.take(key, None, RungLimit)

    def _keyring(self, context: CompileContext) -> "Keyring | None":
        """The keys of receipts. None without `labels`, or if no key is there."""
        declared = self.policy.labels
        secret = context.secret(declared.key) if declared is not None else None
        if not secret:
            return None
        from guard.labels.receipt import Keyring, split_keys  # noqa: PLC0415 — few policies have labels

        try:
            return Keyring(split_keys(secret))
        except ValueError as error:
            self.report(("labels", "key"), str(error))
            return None

    def _hasher(self, context: CompileContext) -> Hasher:
        """The hasher with the policy's key. Without a key it writes `[redacted]` in place of a hash."""
        declared = self.policy.privacy.hash_key
        key = context.secret(declared) if declared is not None else None
        try:
            return Hasher(key)
        except ValueError as error:
            self.report(("privacy", "hash_key"), str(error))
            return Hasher(None)


def declared_release(policy: Policy, upstream: Origin | None = None) -> Served:
    """The release that a policy declares for the model, and its server."""
    release = policy.release
    version = release.version if release is not None else ""
    return Served(version, release_digest(release) or "", str(upstream or policy.upstream.url))


def declared_candidate(policy: Policy) -> Served | None:
    """The candidate that a policy declares, where it has a server."""
    candidate = policy.candidate
    if candidate is None or candidate.url is None:
        return None
    return Served(candidate.release.version, release_digest(candidate.release) or "", str(candidate.url))


def _by_token(policy: Policy) -> bool:
    """Whether the tokens of any call are paid for."""
    costs: list[Prices | None] = [policy.targets.cost]
    for route in policy.routes.values():
        if isinstance(route, Route):
            previous = route.fallback.previous
            costs += [route.cost, previous.cost if previous is not None else None]
    return any(cost is not None and cost.by_token for cost in costs)
