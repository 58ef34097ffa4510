"""The telemetry of one process: sinks for the records, a page for scrapers, and exporters where they are asked for."""

import asyncio
import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from guard import __version__
from guard.control.budgets import BudgetKeeper
from guard.control.duration_bounds import duration_bounds
from guard.control.ops import Making, Page
from guard.control.own_health import OwnHealth
from guard.control.place import place_of_error
from guard.control.process_collector import ProcessCollector
from guard.control.source_window import SourceWindow
from guard.control.worker import Worker
from guard.events import Exporting, TelemetryCrashed, TelemetryLost, TelemetrySetting
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.models import Policy
from guard.policy.route import Route
from guard.privacy.fence import fence
from guard.proxy.tracing import Sampler
from guard.proxy.values import Sink, Tracer
from guard.telemetry import instruments as of
from guard.telemetry.accumulators import Counter as Counted
from guard.telemetry.accumulators import Histogram, Series
from guard.telemetry.cost import Cost, Price
from guard.telemetry.environment import SIGNALS, Signal, read
from guard.telemetry.exchanges import Exchanges
from guard.telemetry.family import Family, Point, counted
from guard.telemetry.generative import Generative
from guard.telemetry.log import Log
from guard.telemetry.meters import Meters
from guard.telemetry.prometheus import TEXT, Exposition, wanted
from guard.telemetry.record_batcher import NOTABLE_TOGETHER, NOTABLE_WITHIN, BatchSink, NotableFilter, RecordBatcher
from guard.telemetry.versions import Versions

if TYPE_CHECKING:
    from guard.telemetry.otlp import Otlp

LAG_EVERY: Final = 0.25
CLOSE_WITHIN: Final = 3.0
"""Seconds that the last deliveries may take."""
WITHOUT_PAUSE: Final = 64
"""Outputs whose top share is computed in one go: some tenths of a millisecond."""
MOST_PLACES: Final = 100
"""Places in the code whose crashes are said."""
EXPORT_AFTER: Final = 0.25
"""Seconds. Importing the SDK takes a fifth of a second of the interpreter: the first answers go first (80 ms)."""


class Telemetry:
    """`sink` takes every record. Nothing of it fails a request, and what it loses it counts, by (signal, why) in `lost`.

    `alerts` counts notices that webhooks took, by (kind, format).
    """

    def __init__(
        self,
        log: Log,
        health: OwnHealth,
        shares: SourceWindow,
        versions: Versions,
        wall: Callable[[], float],
        environ: Mapping[str, str],
    ) -> None:
        self._log, self._health, self._wall, self._publish = log, health, wall, health.bus.publish
        self._environ, self._environment = environ, read(environ)
        self.budgets = BudgetKeeper(self._publish, wall)
        self._meters = Meters(exemplars=self._environment.exemplars)
        self._cost = Cost()
        self._lag = Histogram(of.LOOP_LAG.buckets)
        self.lost: Counter[tuple[str, str]] = Counter()
        self.alerts: Counter[tuple[str, str]] = Counter()
        self._generative, self._versions = Generative(), versions
        self._notable = RecordBatcher(
            [Exchanges(log, fence)], self._later, NOTABLE_TOGETHER, NOTABLE_WITHIN, self._sink_crashed
        )
        sinks: list[BatchSink] = [
            shares,
            self._meters,
            self._cost,
            self._generative,
            self._versions,
            NotableFilter(self._notable),
        ]
        self._batcher = RecordBatcher(sinks, self._later, crashed=self._sink_crashed)
        if self._environment.delta:
            for series in self._series():
                series.ended = deque()
        self._places: set[str] = set()
        self._process_collector: ProcessCollector
        self._resource: dict[str, str] = {}
        self._exposition = Exposition({}, partial(self._crashed, "metrics"))
        self._scraped = True
        self._otlp: Otlp | None = None
        self._exporter = Worker("guard-exporter")
        self._refused: Callable[[], bool] = lambda: False
        self._admin: Callable[[], Iterator[Family]] = lambda: iter(())

    @property
    def sink(self) -> Sink:
        """The outbox to which the pipeline publishes."""
        return self._batcher

    def also(self, *sinks: BatchSink) -> None:
        """More that take every record."""
        self._batcher.sinks = [*self._batcher.sinks, *sinks]

    def add_sink(self, sink: BatchSink) -> None:
        """One more that takes those that are worth a line or a trace."""
        self._notable.sinks = [*self._notable.sinks, sink]

    def flush(self) -> None:
        """Pass on to all sinks what waits."""
        self._batcher.flush()
        self._notable.flush()

    def tracer(self, share: float, traces: bool) -> Tracer:  # noqa: FBT001 — see CompileContext
        """Samples that share of exchanges, unless the environment says another."""
        ratio = self._environment.ratio
        propagated = traces and self._environment.on("traces")
        return Sampler(
            share if ratio is None else ratio, parented=self._environment.parented, propagated=propagated, draw=os.urandom
        )

    # ── the life of the process ───────────────────────────────────────────────────────────────────────────────────

    def begin(
        self,
        loaded: Loaded,
        address: str,
        process_collector: ProcessCollector,
        refused: Callable[[], bool],
        admin: Callable[[], Iterator[Family]],
    ) -> None:
        """The policy is there, and the listeners are. `address`: where clients are served."""
        self._process_collector, self._refused, self._admin = process_collector, refused, admin
        self._resource = self._described(loaded, address)
        self._exposition = Exposition(self._resource, partial(self._crashed, "metrics"))
        for problem in self._environment.problems:
            self._publish(TelemetrySetting(message=problem))
        asyncio.get_running_loop().call_later(LAG_EVERY, self._lateness, monotonic() + LAG_EVERY)

    def adopt(self, loaded: Loaded, plan: CompiledPlan) -> None:
        """A policy is in force."""
        self._batcher.flush()  # what waits was answered under the policy before
        at, routes = self._wall(), frozenset((route.method, route.template) for route in plan.routes)
        self._meters.declare(plan.routes, at, duration_bounds(loaded.policy))
        self._cost.declare(_price(loaded.policy), routes, at)
        self.budgets.adopt(plan.budgets)
        self._generative.on = loaded.policy.telemetry.gen_ai
        release = loaded.policy.release
        self._versions.expected = release.version if release is not None else ""
        self._scraped = loaded.policy.telemetry.prometheus
        self._versions.keep(frozenset(route.key for route in plan.routes))

    async def export(self) -> None:
        """Begin to export, in a thread, where a variable asks for it."""
        if not any(map(self._environment.on, SIGNALS)):
            return
        await asyncio.sleep(EXPORT_AFTER)
        otlp = await self._exporter.submit(self._exporters)
        try:
            spans = (
                otlp.spans(fence, lambda now: now - monotonic() + self._wall()) if self._environment.on("traces") else None
            )
            logs = otlp.logs(fence) if self._environment.on("logs") else None
            if self._environment.on("metrics"):
                otlp.metrics(self._families)
        except Exception:
            otlp.close()  # the supervisor begins again, and two exporters would send everything twice
            raise
        self._otlp = otlp
        if spans is not None:
            self.add_sink(spans)
        if logs is not None:
            self._log.also(logs)
        self._publish(Exporting(signals=tuple(signal for signal in SIGNALS if self._environment.on(signal))))

    def _exporters(self) -> "Otlp":
        """Start in a thread, imports included."""
        from guard.telemetry.otlp import Otlp  # noqa: PLC0415

        means = (self._environment, self._environ, self._resource, __version__)
        return Otlp(*means, self.lost, self._crashed, lambda: round(self._wall() * 1e9))

    async def keep(self) -> None:
        """Keep what a restart must know, for ever."""
        await self.budgets.keep()

    async def close(self) -> None:
        """The last deliveries, for a moment: neither a disk nor a collector that hangs holds the process."""
        self.flush()
        if self._otlp is not None:
            with suppress(TimeoutError):
                await self._exporter.run(self._otlp.close, CLOSE_WITHIN)
        await self.budgets.close()
        if self.lost:
            self._publish(TelemetryLost(lost=dict(self.lost)))

    def _later(self, delay: float, work: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay, work)

    def _lateness(self, due: float) -> None:
        now = monotonic()
        asyncio.get_running_loop().call_later(LAG_EVERY, self._lateness, now + LAG_EVERY)  # first: a bug ends no loop
        self._lag.record(max(0.0, now - due) + self._process_collector.waited(now))
        self._meters.offset = self._wall() - now

    # ── what is told ──────────────────────────────────────────────────────────────────────────────────────────────

    def _described(self, loaded: Loaded, address: str) -> dict[str, str]:
        """The resource attributes of OpenTelemetry. The environment overrides guard's own."""
        policy = loaded.policy
        release = policy.release
        ours = {
            "service.name": policy.service,
            "service.version": release.version if release else "",
            "service.instance.id": f"{socket.gethostname()}:{address.rpartition(':')[2]}",
            "deployment.environment.name": self._environ.get("GUARD_ENVIRONMENT", ""),
            "vcs.ref.head.revision": (release.commit or "") if release else "",
            "telemetry.distro.name": "guard",
            "telemetry.distro.version": __version__,
        }
        return {**{name: value for name, value in ours.items() if value}, **self._environment.attributes}

    def page(self, accept: str) -> Making:
        """`/metrics`."""
        if not self._scraped:
            return Page(404, TEXT, b"telemetry.prometheus is false\n")
        content_type = wanted(accept)
        self.flush()
        pieces: list[bytes] = []
        for piece in self._exposition.pieces(self._families(), content_type):
            if piece:
                pieces.append(piece)
            else:
                yield
        return Page(200, content_type, b"".join(pieces))

    def _series(self) -> list[Series[Counted] | Series[Histogram]]:
        return [*self._meters.series(), self._cost.spent, *self._generative.series()]

    def _families(self) -> Iterator[Family | None]:
        """Everything that is exported. A source that crashes is counted, and the others are asked."""
        process_collector = self._process_collector
        sources: list[Callable[[], Iterator[Family | None]]] = [partial(counted, [series]) for series in self._series()]
        for source in (
            *sources,
            self._measured,
            self._own,
            process_collector.identity,
            process_collector.ladder,
            process_collector.clients,
            process_collector.process,
        ):
            try:
                yield from source()
            except Exception as error:  # noqa: BLE001 — see above
                self._crashed("metrics", error)

    def _crashed(self, signal: Signal, error: Exception) -> None:
        """Count what a bug, of guard or of an exporter, cost. From any thread."""
        self.lost[signal, "crashed"] += 1
        self._report_failure(signal, error)

    def _sink_crashed(self, error: Exception) -> None:
        self._report_failure("records", error)  # the batcher counts them

    def _report_failure(self, signal: str, error: Exception) -> None:
        """Publish where it happened, once for each place."""
        place = place_of_error(error)
        if place not in self._places and len(self._places) < MOST_PLACES:
            self._places.add(place)
            self._publish(TelemetryCrashed(signal=signal, error=type(error).__name__, place=place))

    def _measured(self) -> Iterator[Family | None]:
        now = monotonic()
        shares: list[Point] = []
        for number, (labels, top) in enumerate(self._meters.top_shares(now), 1):
            if top is not None:
                shares.append((labels, top))
            if number % WITHOUT_PAUSE == 0:
                yield None
        if shares:
            yield Family(of.TOP_SHARE, shares)
        yield from self.budgets.families(self._wall())
        yield Family(of.MODEL_SERVED, [(labels, 1) for labels in self._versions.served_now()])

    def _own(self) -> Iterator[Family]:
        yield Family(of.LOOP_LAG, [((), self._lag)])
        yield from self._health.families()
        yield Family(of.POLICY_REFUSED, [((), int(self._refused()))])
        yield from self._admin()
        yield Family(of.ALERTS, list(self.alerts.copy().items()))
        dropped = {
            **self.lost,
            ("logs", "lines_dropped"): self._log.dropped,
            ("logs", "crashed"): self._log.crashes,
            ("metrics", "series_ended"): sum(series.lost for series in self._series()),
            ("records", "outbox_full"): self._batcher.dropped + self._notable.dropped,
        }
        yield Family(of.DROPPED, list(dropped.items()))
        boxes = (self._batcher, self._notable)
        yield Family(of.CRASHES, [((sink,), box.crashes[sink]) for box in boxes for sink in box.names()])
        yield Family(of.SLOW_SINKS, [((sink,), box.slow[sink]) for box in boxes for sink in box.names()])


def _price(policy: Policy) -> Price | None:
    """`targets.cost` as numbers; None where nothing has a price, on no route either."""
    costs = [policy.targets.cost]
    costs += [route.cost for route in policy.routes.values() if isinstance(route, Route)]
    declared = [cost for cost in costs if cost is not None]
    names = ("per_request", "per_million_input_tokens", "per_million_output_tokens")
    priced = [price for cost in declared for name in names if (price := getattr(cost, name)) is not None]
    if not priced:
        return None
    cost = policy.targets.cost
    if cost is None:
        return Price(0.0, priced[0].currency)
    return Price(
        per_request=cost.per_request.amount if cost.per_request else 0.0,
        currency=priced[0].currency,
        per_input_token=cost.per_million_input_tokens.amount / 1e6 if cost.per_million_input_tokens else 0.0,
        per_output_token=cost.per_million_output_tokens.amount / 1e6 if cost.per_million_output_tokens else 0.0,
    )
