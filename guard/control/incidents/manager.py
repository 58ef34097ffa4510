"""The incidents of one process: subscribes to events by their type, keeps the ledger, and notifies webhooks."""

import asyncio
import json
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from time import monotonic
from typing import Final

from guard.control.event_bus import EventBus
from guard.control.incidents.alerts import Around, alert
from guard.control.incidents.events import SOURCES, Ends, Source, changes
from guard.control.incidents.ledger import Ledger, Notice
from guard.control.incidents.notifier import TRIES, Delivery, Receiver, WebhookNotifier
from guard.control.incidents.violation_rate import ViolationRateMonitor
from guard.control.place import place_of_error
from guard.control.secrets import resolve
from guard.control.worker import Worker
from guard.events import IncidentFailed
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.models import Webhook
from guard.policy.runtime import Runtime
from guard.privacy.fence import fence
from guard.proxy.values import LEVEL
from guard.webhooks import FORMATS
from guard.webhooks.values import REPEAT

EVERY: Final = 0.25
RATES_EVERY: Final = 10.0
LATELY: Final = 200
"""Notices that are kept for whoever asks."""
MOST: Final = 256
"""Events that wait for the next turn of the manager; a quarter of a second of them."""
SILENT: Final = "GUARD_WEBHOOKS"
"""`off`: nobody is told, whatever the policy says: for rehearsals, which would page people."""


class IncidentManager:
    """Queues events as they are published; `watch` turns them into incidents and notices, four times a second."""

    def __init__(
        self,
        bus: EventBus,
        runtime: Runtime,
        in_force: Callable[[], tuple[Loaded, CompiledPlan]],
        *,
        wall: Callable[[], float],
        environ: Mapping[str, str],
        delivered: "Counter[tuple[str, str]]",
        lost: "Counter[tuple[str, str]]",
    ) -> None:
        self.violation_rates = ViolationRateMonitor()
        self._publish, self._runtime, self._in_force, self._wall, self._environ = (
            bus.publish,
            runtime,
            in_force,
            wall,
            environ,
        )
        self._delivered, self._lost = delivered, lost
        self._queue: deque[Source] = deque(maxlen=MOST)
        self._ledger = Ledger()
        self._notifier: WebhookNotifier | None = None
        self._routes: frozenset[str] = frozenset()
        self._receivers: dict[Webhook, Receiver] = {}
        self._replica = socket.gethostname()
        self._lately: deque[Mapping[str, object]] = deque(maxlen=LATELY)
        bus.subscribe("incidents", self.take, *SOURCES)

    def take(self, event: Source) -> None:
        """Queue an event; from any thread."""
        if len(self._queue) == MOST:
            self._lost["alerts", "events_full"] += 1
        self._queue.append(event)

    async def watch(self) -> None:
        """Run until cancelled."""
        rates = monotonic()
        repeat = rates + REPEAT
        while True:
            await asyncio.sleep(EVERY)
            now = monotonic()
            if now >= rates:
                rates = now + RATES_EVERY
                for event in self.violation_rates.evaluate(now):
                    self._publish(event)
                self._notify(self._replaced_breakers())
            self._notify(self._due())
            if now >= repeat:
                repeat = now + REPEAT
                self._notify(self._ledger.standing(self._wall()), again=True)

    async def end(self) -> None:
        """The last deliveries, for a moment."""
        self._notify(self._due())
        if self._notifier is not None:
            await Worker("guard-end").submit(self._notifier.close)

    def _due(self) -> Iterator[Notice]:
        wall, plan = self._wall(), self._in_force()[1]
        routes = frozenset(route.key for route in plan.routes)
        if routes and routes != self._routes:
            self._routes = routes
            self.violation_rates.keep(routes)
            yield from self._ledger.keep(routes, wall)
        while self._queue:
            event = self._queue.popleft()
            try:
                for change in changes(event, wall):
                    yield from self._ledger.change(change, wall)
            except Exception as error:  # noqa: BLE001 — a bug of guard loses this event, and not those after it
                self._failed(event.name, error)
        yield from self._ledger.tick(wall)

    def _replaced_breakers(self) -> Iterator[Notice]:
        """A reload may replace an open breaker, and nothing is published of the new one, which is closed."""
        shut, wall = self._shut(), self._wall()
        for subject in self._ledger.subjects("breaker"):
            if (subject.route, subject.target) not in shut:
                yield from self._ledger.change(Ends(subject), wall)

    def _failed(self, event: str, error: Exception) -> None:
        """Count and publish what was lost by a bug of guard; the rest goes on."""
        self._lost["alerts", "crashed"] += 1
        self._publish(IncidentFailed(event=event, error=type(error).__name__, place=place_of_error(error)))

    def _shut(self) -> set[tuple[str, str]]:
        """Route and target of every breaker that is not closed."""
        return {(route, target) for (route, target), breaker in self._runtime.breakers.items() if breaker.state != "closed"}

    # ── notices ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _notify(self, notices: Iterable[Notice], *, again: bool = False) -> None:
        """`again`: a repetition, for receivers that forget."""
        loaded, plan = self._in_force()
        hooks = loaded.policy.webhooks if self._environ.get(SILENT) != "off" else ()
        for notice in notices:
            if not again:
                self._keep_lately(loaded, plan, notice, alone=not hooks)
            for index, hook in enumerate(hooks):
                if again and not FORMATS[hook.format].repeats:
                    continue
                try:
                    self._send(index, hook, notice, self._around(loaded, plan, notice), tries=1 if again else TRIES)
                except Exception as error:  # noqa: BLE001 — a bug of guard loses this notice, and not those after it
                    self._failed(notice.opens.subject.kind, error)

    def _send(self, index: int, hook: Webhook, notice: Notice, around: Around, *, tries: int) -> None:
        body = FORMATS[hook.format].body(alert(notice, around))
        if self._notifier is None:
            self._notifier = WebhookNotifier(self._publish, self._delivered, self._lost)
        delivery = Delivery(notice.opens.subject.kind, json.dumps(body).encode(), tries)
        self._notifier.put(self._receiver(index, hook), delivery)

    def view(self) -> Callable[[], bytes]:
        """The open incidents, and the latest notices, the newest first; the function writes them."""
        loaded, plan = self._in_force()
        document = {
            "format": "guard/incidents/v1",
            "open": [self._document(loaded, plan, notice) for notice in self._ledger.standing(self._wall())],
            "lately": [*reversed(self._lately)],
        }
        return lambda: json.dumps(document, ensure_ascii=False).encode()

    def _keep_lately(self, loaded: Loaded, plan: CompiledPlan, notice: Notice, *, alone: bool) -> None:
        """Keep a notice for the console. `alone`: no webhook gets it, whose own failure would be published."""
        try:
            self._lately.append(self._document(loaded, plan, notice))
        except Exception as error:  # noqa: BLE001 — a bug of guard loses this notice, and not those after it
            if alone:
                self._failed(notice.opens.subject.kind, error)

    def _document(self, loaded: Loaded, plan: CompiledPlan, notice: Notice) -> Mapping[str, object]:
        return alert(notice, self._around(loaded, plan, notice)).document

    def _receiver(self, index: int, hook: Webhook) -> Receiver:
        """One for each webhook, as long as it is declared so: its queue goes with it."""
        hooks = self._in_force()[0].policy.webhooks
        if self._notifier is not None and not self._receivers.keys() <= set(hooks):
            self._receivers = {key: receiver for key, receiver in self._receivers.items() if key in hooks}
            self._notifier.keep(self._receivers.values())
        if hook not in self._receivers:
            self._receivers[hook] = Receiver(index, hook.format, partial(address, hook, self._environ))
        return self._receivers[hook]

    def _around(self, loaded: Loaded, plan: CompiledPlan, notice: Notice) -> Around:
        policy, route = loaded.policy, notice.opens.subject.route
        now = self._answers_now(plan, route)
        return Around(policy.service, loaded.environment, self._replica, policy.owners, now, fence)

    def _answers_now(self, plan: CompiledPlan, route: str | None) -> str | None:
        """The highest rung that neither an operator nor its breaker closes."""
        shut = self._shut()
        sources: list[str] = []
        for item in plan.routes:
            if route is None or item.key == route:
                rungs = [rung.source for rung in item.ladder if LEVEL[rung.source] >= item.rung_limit.level]
                sources += [source for source in rungs if (item.key, source) not in shut][:1]
        return ", ".join(sorted(set(sources), key=lambda source: LEVEL[source])) or None  # type: ignore[index]


def address(hook: Webhook, environ: Mapping[str, str]) -> str | None:
    """The webhook's URL as it is now; None if it is missing or invalid."""
    if isinstance(hook.url, str):
        url = hook.url
    else:
        secret = resolve(hook.url, environ)
        url = secret.decode("utf-8", "replace") if secret is not None else ""
    if not url.startswith(("http://", "https://")):
        return None
    return FORMATS[hook.format].endpoint(url)
