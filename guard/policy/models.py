"""The policy as typed, frozen models (docs/policy.md). Every default stands here or in the models it is made of.

Where a value can only be an example (`upstream.probe`, `privacy.hash_key`, `targets`, `owners`,
`release`), the default is none: a probe of a path that the model server does not have would keep guard unready.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Discriminator, Field, Tag

from guard.policy.admin import AdminProxy
from guard.policy.burn import Burn
from guard.policy.candidate import Candidate
from guard.policy.document import Text, Tree
from guard.policy.errors import shown
from guard.policy.labels import Labels
from guard.policy.ladder import Secret, TargetLimits, TargetTls
from guard.policy.monitor import AnyMonitor, Monitor
from guard.policy.policy_model import PolicyModel, Report
from guard.policy.release import FIRST, Evaluation, Release
from guard.policy.route import MAPPING, WORD, AnyRoute, Denied, Passthrough, Route, is_word
from guard.policy.routes import RouteInvalid, Template, template, ties
from guard.policy.scalars import (
    Address,
    Boolean,
    Duration,
    File,
    Header,
    Listener,
    LocalPath,
    Misread,
    Name,
    Network,
    Number,
    PolicyFile,
    Positive,
    Rate,
    Server,
    Share,
    Size,
    Span,
    String,
)
from guard.policy.targets import Cost
from guard.webhooks import DEFAULT, FORMATS

if TYPE_CHECKING:
    WebhookFormat = str
else:
    WebhookFormat = Literal[tuple(FORMATS)]

__all__ = ["FIRST", "Denied", "Evaluation", "Passthrough", "Policy", "Release", "Route"]

VERSION: Final = "guard/v1"
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?\Z")
_WEBHOOK: Final = re.compile(r"https?://[^/?#@\s]+(?:[/?][!\"$-~]*)?\Z")


class ListenTls(PolicyModel):
    """Server certificate of a listener. TLS requires both files."""

    cert: File
    key: File


class ListenLimits(PolicyModel):
    """Limits of the data listener for its clients."""

    connections: Positive = 4096
    buffered: Size = Field(
        default=64 * 1024 * 1024,
        description="Bytes buffered at once for all clients: bodies, and data that arrives before it can be handled.",
    )
    head: Span = 10.0
    body: Span = 60.0
    write_stall: Span = 30.0
    keep_alive: Span = 75.0
    headers: Positive = 100
    header_bytes: Size = 32 * 1024
    target: Size = 8 * 1024
    chunk_extensions: Size = Field(default=4 * 1024, description="Bytes of chunk extensions and trailers in one body.")


class Listen(PolicyModel):
    """The three listeners."""

    data: Listener = Address("0.0.0.0", 8900)  # noqa: S104 — clients are elsewhere
    admin: Listener = Address("127.0.0.1", 8901)
    ops: Listener = Address("0.0.0.0", 8902)  # noqa: S104
    tls: ListenTls | None = None
    limits: ListenLimits = ListenLimits.model_construct()

    def finish(self, report: Report) -> Self:
        """Checks that the three ports differ."""
        for name, others in (("admin", ("data",)), ("ops", ("data", "admin"))):
            for other in others:
                port = getattr(self, name).port
                if port and port == getattr(self, other).port:
                    key = name if self.is_set(name) else other
                    report((key,), f"{name} and {other} listen on the same port {port}", "three ports")
        return self


class Cors(PolicyModel):
    """Browser pages that may call the routes. Guard answers preflights itself; they reach no model server."""

    origins: tuple[String, ...] = Field(
        min_length=1, description="Origins such as https://app.example.com; `*` alone allows every page."
    )
    headers: tuple[Header, ...] = Field(
        default=("content-type", "authorization"), description="Headers that a page may send besides the safelisted ones."
    )
    expose: tuple[Header, ...] = Field(
        default=("x-guard-source", "x-guard-reason", "x-guard-model-version", "x-guard-request-id", "retry-after"),
        description="Response headers that a page may read.",
    )
    credentials: Boolean = Field(default=False, description="Whether a page may send cookies; not allowed with `*`.")
    max_age: Span = Field(default=600.0, description="Time for which a browser caches a preflight.")

    def finish(self, report: Report) -> Self:
        """Checks that origins are written as browsers write them (RFC 6454 §6.2)."""
        for index, origin in enumerate(self.origins):
            if origin != "*" and not _ORIGIN.match(origin):
                report(
                    ("origins", index),
                    f"{shown(origin)} is not an origin",
                    "scheme://HOST, a port that is not its own, no path",
                )
        if "*" in self.origins and (len(self.origins) > 1 or self.credentials):
            report(("origins",), "`*` is every page: no other origin beside it, and no credentials", "a list of origins")
        return self


class Upstream(PolicyModel):
    """The model server."""

    url: Server
    probe: LocalPath | None = Field(
        default=None, description="Path of the readiness probe (GET); without it, guard connects."
    )
    tls: TargetTls | None = None
    limits: TargetLimits = TargetLimits.model_construct()

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """A bare URL is enough."""
        del report
        return Tree(data.place, [("url", data)]) if isinstance(data, Text) else data


class Privacy(PolicyModel):
    """Rules for data that leaves the process in telemetry."""

    traces: Literal["off", "metadata"] = "metadata"
    hash_key: Secret | None = Field(default=None, description="Key of the hashes; without it, [redacted] replaces them.")
    baggage: tuple[String, ...] = ()


class Telemetry(PolicyModel):
    """Settings of metrics and traces."""

    trace_sample: Share = 0.01
    prometheus: Boolean = True
    gen_ai: Boolean = Field(default=False, description="Whether generative routes have gen_ai metrics (experimental).")


class Targets(PolicyModel):
    """Service targets."""

    latency_p95: Span | None = None
    error_rate: Share | None = None
    availability: Share | None = None
    model_share: Share | None = Field(default=None, description="Minimum share of answers that come from the model itself.")
    expected_rate: Rate | None = None
    quality: dict[str, Number] = Field(default_factory=dict)
    cost: Cost | None = None
    burn: Burn | None = None


class Incidents(PolicyModel):
    """The team on call, and its links."""

    team: String
    page: String | None = None
    runbook: String | None = None
    dashboard: String | None = None


class Owners(PolicyModel):
    """Owners of the service by responsibility."""

    model_quality: String | None = None
    serving: String | None = None
    data_freshness: String | None = None
    approvals: String | None = None
    retraining: String | None = None
    incidents: Incidents | None = None

    def named(self) -> Iterator[tuple[str, str]]:
        """Each role that has an owner, and the owner."""
        for role in type(self).model_fields:
            if (name := self.of(role)) is not None:
                yield role, name

    def of(self, role: str) -> str | None:
        """The owner of a role."""
        owner = getattr(self, role)
        return owner.team if isinstance(owner, Incidents) else owner


class Webhook(PolicyModel):
    """A receiver of alerts."""

    url: Annotated[Annotated[Secret, Tag(MAPPING)] | Annotated[String, Tag(WORD)], Discriminator(is_word)]
    format: WebhookFormat = DEFAULT

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """Refused without repeating it: a bare URL may be a secret."""
        del report
        if not isinstance(data, Tree):
            raise Misread("a webhook is a mapping", "{url: https://HOST/PATH} or {url: {env: NAME}}")
        return data

    def finish(self, report: Report) -> Self:
        """A URL that is no secret can be judged now; it is not repeated, as it may be one all the same."""
        if isinstance(self.url, str) and not _WEBHOOK.match(self.url):
            report(("url",), "not the URL of a webhook", "http:// or https:// with host and path, without user or fragment")
        return self


class Admin(PolicyModel):
    """Access to the admin listener."""

    tokens: Secret | None = Field(
        default=None, description="Tokens, one line `name role sha256:HEX` each; without it, guard makes a token at start."
    )
    tls: ListenTls | None = None
    console: Boolean = False
    hosts: tuple[Name, ...] = ()
    proxy: AdminProxy | None = None


class Policy(PolicyModel):
    """The whole policy."""

    version: Literal["guard/v1"]
    extends: File | None = Field(
        default=None, description="Relative path of a base policy without routes. Mappings are merged, lists are replaced."
    )
    service: Name
    listen: Listen = Listen.model_construct()
    state_dir: File = PolicyFile("/var/lib/guard", Path("/var/lib/guard"))
    state: Literal["optional", "required"] = "optional"
    kill_file: File | None = None
    trusted_proxies: tuple[Network, ...] = ()
    cors: Cors | None = Field(default=None, description="Browser pages that may call the routes; none without it.")
    drain: Duration = 5.0
    ready: Literal["model", "any"] = "model"
    expose_reason: Boolean = True
    upstream: Upstream
    release: Release | None = Field(default=None, description="Path of release.yaml, or its content.")
    candidate: Candidate | None = Field(default=None, description="The next release, before it answers everybody.")
    routes: dict[str, AnyRoute] = Field(
        min_length=1,
        max_length=2000,
        description="Routes by METHOD /path: a mapping, or the word passthrough or denied. `{x}` matches a part of a "
        "segment, `{+x}` one that may hold %2F, and a final `/*` everything below.",
    )
    privacy: Privacy = Privacy.model_construct()
    telemetry: Telemetry = Telemetry.model_construct()
    monitor: AnyMonitor = Monitor.model_construct()
    targets: Targets = Targets.model_construct()
    owners: Owners = Owners.model_construct()
    webhooks: tuple[Webhook, ...] = ()
    labels: Labels | None = None
    admin: Admin = Admin.model_construct()

    @property
    def contracts(self) -> Iterator[Route]:
        """The routes that may declare inputs and outputs."""
        return (route for route in self.routes.values() if isinstance(route, Route))

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """Keys of routes can be judged before anything else, and are."""
        routes = data.get("routes") if isinstance(data, Tree) else None
        if isinstance(routes, Tree):
            _check_keys(routes, report)
        return data

    def finish(self, report: Report) -> Self:
        """The candidate is compared, and monitoring set, on routes and by fields that are declared."""
        if self.candidate is not None:
            self.candidate.check(self.routes, report)
        if isinstance(self.monitor, Monitor):
            self.monitor.check(self.routes, report)
        return self


def _check_keys(routes: Tree, report: Report) -> None:
    read: dict[str, Template] = {}
    for key, value in routes.items():
        try:
            read[key] = template(key)
        except RouteInvalid as error:
            report(("routes", key), str(error), error.expected, key=True)
            continue
        if key.startswith("GET ") and isinstance(value, Tree) and ("input" in value or "content" in value):
            report(("routes", key), "a GET request has no body", "no input and no content, or another method")
    for later, earlier in ties(read):
        message = f'"{later}" could match the same requests as "{earlier}"'
        report(("routes", later), message, "templates that differ in a word", key=True)
