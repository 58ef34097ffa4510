"""The incidents of one process: hears events by their name, keeps the ledger, and tells webhooks."""

import asyncio
import json
import logging
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from time import monotonic
from typing import Any, Final

from guard.control.incidents.alerts import Around, alert
from guard.control.incidents.events import READERS, changes
from guard.control.incidents.ledger import Ledger, Notice
from guard.control.incidents.mail import TRIES, Letter, Mail, Receiver
from guard.control.incidents.storms import Storms
from guard.control.secrets import resolve
from guard.ladder.mode import Orders
from guard.policy.compiled import CompiledPlan
from guard.policy.load import Loaded
from guard.policy.models import Webhook
from guard.policy.runtime import Runtime
from guard.privacy.fence import fence
from guard.proxy.values import LEVEL
from guard.telemetry.log import Line, Log
from guard.webhooks import FORMATS
from guard.webhooks.values import REPEAT

EVERY: Final = 0.25
STORMS_EVERY: Final = 10.0
MOST: Final = 256
"""Events that were heard and not looked at yet; a quarter of a second of them."""
SILENT: Final = "GUARD_WEBHOOKS"
"""`off`: nobody is told, whatever the policy says: for rehearsals, which would page people."""


class Desk:
    """A handler of the log, which only takes note; `watch` does the rest, four times a second."""

    def __init__(
        self,
        log: Log,
        runtime: Runtime,
        in_force: Callable[[], tuple[Loaded, CompiledPlan]],
        *,
        wall: Callable[[], float],
        environ: Mapping[str, str],
        delivered: "Counter[tuple[str, str]]",
        lost: "Counter[tuple[str, str]]",
    ) -> None:
        self.storms = Storms()
        self._log, self._runtime, self._in_force, self._wall, self._environ = log, runtime, in_force, wall, environ
        self._delivered, self._lost = delivered, lost
        self._heard: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=MOST)
        self._ledger = Ledger()
        self._mail: Mail | None = None
        self._routes: frozenset[str] = frozenset()
        self._receivers: dict[Webhook, Receiver] = {}
        self._replica = socket.gethostname()
        log.also(self.hear)

    def hear(self, line: Line) -> None:
        """Take note of an event that says something of incidents."""
        if line.event in READERS:
            if len(self._heard) == MOST:
                self._lost["alerts", "events_full"] += 1
            self._heard.append((line.event, line.fields))

    def recall(self, orders: Orders) -> None:
        """What was ordered before a restart is still an incident; it has the key that it had."""
        standing = [(None, orders.everywhere), *(orders.routes or {}).items()]
        for route, order in standing:
            if order.mode != "normal":
                self._heard.append(("mode", {"route": route, "to": order.mode, "who": order.who, "why": order.reason}))

    async def watch(self) -> None:
        """For ever."""
        storms = monotonic()
        repeat = storms + REPEAT
        while True:
            await asyncio.sleep(EVERY)
            now = monotonic()
            if now >= storms:
                storms = now + STORMS_EVERY
                for name, fields in self.storms.look(now):
                    self._log.event(name, logging.WARNING, **fields)
                self._reconcile()
            self._tell(self._due())
            if now >= repeat:
                repeat = now + REPEAT
                self._tell(self._ledger.standing(self._wall()), again=True)

    def end(self) -> None:
        """The last deliveries, for a moment."""
        self._tell(self._due())
        if self._mail is not None:
            self._mail.close()

    def _due(self) -> Iterator[Notice]:
        wall, plan = self._wall(), self._in_force()[1]
        routes = frozenset(route.key for route in plan.routes)
        if routes and routes != self._routes:
            self._routes = routes
            self.storms.keep(routes)
            yield from self._ledger.keep(routes, wall)
        while self._heard:
            name, fields = self._heard.popleft()
            for change in changes(name, fields, wall):
                yield from self._ledger.change(change, wall)
        yield from self._ledger.tick(wall)

    def _reconcile(self) -> None:
        """A reload may replace a breaker, and nobody says that the new one is closed."""
        shut = self._shut()
        for subject in self._ledger.subjects("breaker"):
            if (subject.route, subject.target) not in shut:
                ended = {"route": subject.route, "target": subject.target, "after": "closed"}
                self._heard.append(("breaker", ended))

    def _shut(self) -> set[tuple[str, str]]:
        """Route and target of every breaker that is not closed."""
        return {(route, target) for (route, target), breaker in self._runtime.breakers.items() if breaker.state != "closed"}

    # ── telling ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, notices: Iterable[Notice], *, again: bool = False) -> None:
        """`again`: a repetition, for receivers that forget."""
        loaded, plan = self._in_force()
        hooks = loaded.policy.webhooks if self._environ.get(SILENT) != "off" else ()
        for notice in notices:
            for index, hook in enumerate(hooks):
                written_as = FORMATS[hook.format]
                if again and not written_as.repeats:
                    continue
                body = json.dumps(written_as.body(alert(notice, self._around(loaded, plan, notice)))).encode()
                letter = Letter(notice.opens.subject.kind, body, 1 if again else TRIES)
                self._send(self._receiver(index, hook), letter)

    def _send(self, receiver: Receiver, letter: Letter) -> None:
        if self._mail is None:
            self._mail = Mail(self._log.event, self._delivered, self._lost)
        self._mail.put(receiver, letter)

    def _receiver(self, index: int, hook: Webhook) -> Receiver:
        """One for each webhook, as long as it is declared so: its queue goes with it."""
        hooks = self._in_force()[0].policy.webhooks
        if self._mail is not None and not self._receivers.keys() <= set(hooks):
            self._receivers = {one: made for one, made in self._receivers.items() if one in hooks}
            self._mail.keep(self._receivers.values())
        if hook not in self._receivers:
            self._receivers[hook] = Receiver(index, hook.format, partial(address, hook, self._environ))
        return self._receivers[hook]

    def _around(self, loaded: Loaded, plan: CompiledPlan, notice: Notice) -> Around:
        policy, route = loaded.policy, notice.opens.subject.route
        now = self._answers_now(plan, route)
        return Around(policy.service, loaded.environment, self._replica, policy.owners, now, fence)

    def _answers_now(self, plan: CompiledPlan, route: str | None) -> str | None:
        """Who is asked first now: of the rungs, the highest that neither operators nor its breaker close."""
        shut = self._shut()
        found: list[str] = []
        for one in plan.routes:
            if route is None or one.key == route:
                rungs = [rung.source for rung in one.ladder if LEVEL[rung.source] >= one.ceiling.level]
                found += [source for source in rungs if (one.key, source) not in shut][:1]
        return ", ".join(sorted(set(found), key=lambda source: LEVEL[source])) or None  # type: ignore[index]


def address(hook: Webhook, environ: Mapping[str, str]) -> str | None:
    """Where to send to, looked up now; None where it is not there, or no URL."""
    if isinstance(hook.url, str):
        url = hook.url
    else:
        found = resolve(hook.url, environ)
        url = found.decode("utf-8", "replace") if found is not None else ""
    if not url.startswith(("http://", "https://")):
        return None
    return FORMATS[hook.format].endpoint(url)
