"""The service behind the admin API: orders, breakers and the policy of a running guard, and reports on them."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final, Unpack

from guard import __version__
from guard.control import audit_reader
from guard.control.admin import Status
from guard.control.keys import Keys
from guard.control.labels.account import quality_document
from guard.control.labels.intake import Label
from guard.control.labels.keeper import LabelKeeper, as_json
from guard.control.monitoring import MonitorKeeper
from guard.control.order_store import OrderStore, Refused, WantedMode, listed
from guard.control.policy_view import View
from guard.control.reload import Reloader
from guard.control.slo.keeper import SloKeeper
from guard.control.source_window import SourceWindow
from guard.events import Enforcement
from guard.ladder.mode import Order, Orders
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded
from guard.policy.loading.digest import release_digest
from guard.policy.models import FIRST, Release
from guard.policy.runtime import Runtime, TargetKey
from guard.proxy.values import MODEL, TARGETS
from guard.telemetry.versions import Versions

SLICE: Final = 32
"""Routes that a status describes in one turn of the loop."""


class AdminService:
    """Implements `admin.Service`. `now_in_force` gives the policy and plan of this moment."""

    def __init__(
        self,
        operations: OrderStore,
        runtime: Runtime,
        reloader: Reloader,
        shares: SourceWindow,
        versions: Versions,
        audit_folder: Path | None,
        now_in_force: Callable[[], tuple[Loaded, CompiledPlan]],
        written: Callable[[str, Loaded, CompiledPlan], str],
        keys: Keys,
        views: Mapping[str, View],
        slo: SloKeeper,
        labels: LabelKeeper,
        monitoring: MonitorKeeper,
        budgets: Callable[[], list[dict[str, object]]] = list,
    ) -> None:
        """`written`: a contract in one of its forms; handed down, as the control plane does not know the kit.

        `views`: by name, what copies the facts of a view and returns what writes them.
        """
        self._operations, self._runtime, self._reloader = operations, runtime, reloader
        self._source_window, self._versions, self._now_in_force = shares, versions, now_in_force
        self._audit_folder, self._keys, self._slo, self._monitoring = audit_folder, keys, slo, monitoring
        self._written, self._views, self._budgets, self._labels = written, views, budgets, labels

    # ── orders ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def set_mode(self, **wanted: Unpack[WantedMode]) -> dict[str, Any]:
        """Set a mode. Raises Refused."""
        document = await self._operations.set_mode(**wanted)
        if wanted["mode"] == "normal":
            self._slo.release(wanted["route"])
        return {**document, "source": self._source_window.latest(monotonic())}

    async def set_breaker(self, *, route: str, target: str, state: str, reason: str, actor: str) -> dict[str, Any]:
        """Force a breaker, or let it go. Raises Refused."""
        if TargetKey(route, target) not in self._runtime.breakers:  # type: ignore[arg-type]
            known = [f"{key.route} {key.target}" for key, _ in self._runtime.breakers.items()]
            raise Refused(404, "route", f"the policy has no such route and target; breakers are {listed(known)}")
        return await self._operations.set_breaker(route=route, target=target, state=state, reason=reason, actor=actor)

    async def set_enforcement(
        self, *, route: str, enforcement: Enforcement, reason: str, ttl: float | None, actor: str
    ) -> dict[str, Any]:
        """Observe a contract for a time, or enforce it again. Raises Refused."""
        return await self._operations.set_enforcement(
            route=route, enforcement=enforcement, reason=reason, ttl=ttl, actor=actor
        )

    async def reload(self, *, actor: str) -> dict[str, Any]:
        """Read the policy now."""
        outcome = await self._reloader.reload(actor)
        return {"ok": outcome.ok, "digest": outcome.digest, "errors": outcome.errors}

    async def labels(self, labels: Sequence[Label], source: str) -> dict[str, Any]:
        """Count labels. Raises Refused."""
        return await self._labels.take(labels, source)

    async def quality(self) -> bytes:
        """The figures of labels, as a JSON document. Raises Refused."""
        return as_json(await quality_document(self._labels))

    def audit(self, limit: int) -> bytes:
        """The newest entries, as a JSON document. Called in a thread."""
        if self._audit_folder is None:
            return b'{"entries": [], "complete": true}'
        try:
            return audit_reader.newest(self._audit_folder, limit)
        except OSError as error:
            raise Refused(503, "audit_unreadable", error.strerror or "the audit cannot be read") from None

    def monitor(self) -> dict[str, Any]:
        """The state of monitoring of each route, with its alarms."""
        return self._monitoring.document()

    async def order_monitor(self, *, route: str, order: str, ttl: float | None, reason: str, actor: str) -> dict[str, Any]:
        """End a route's alarm, expect a change, or save the learned reference. Raises Refused."""
        if order == "save":
            return await self._monitoring.keep_reference(route, self._versions.served(route, MODEL), reason, actor)
        return self._monitoring.order(route, order, ttl, reason, actor)

    def slo(self) -> dict[str, Any]:
        """The objectives, their burn rates and the routes that are lowered for them."""
        return {**self._slo.document(), "budgets": self._budgets()}

    def view(self, name: str) -> Callable[[], bytes]:
        """A copy of what a view shows at this moment; the function writes it, called in a thread. Raises Refused."""
        if name not in self._views:
            raise Refused(404, "not_found", f"{name} is kept while the console is on: `admin: {{console: true}}`")
        return self._views[name]()

    def policy(self) -> object:
        """The policy in force: the same object while it is the same."""
        return self._now_in_force()[0]

    def contract(self, form: str) -> str:
        """The contract of the routes in force, in one of `admin.FORMS`.

        Made beside the loop, and again where a reload let go of the policy meanwhile.
        """
        while True:
            loaded, plan = self._now_in_force()
            try:
                text = self._written(form, loaded, plan)
            except (RuntimeError, LookupError):
                if self._now_in_force()[0] is loaded:
                    raise
            else:
                if self._now_in_force()[0] is loaded:
                    return text

    # ── the account ───────────────────────────────────────────────────────────────────────────────────────────────

    async def status(self) -> Status:
        """Everything that an operator needs to know, most urgent first, the routes last.

        Many routes are described in several turns of the loop, all by the orders of the first.
        """
        loaded, plan = self._now_in_force()
        orders = self._operations.orders
        before = json.dumps(self._service_status(loaded, orders), ensure_ascii=False)
        routes: list[str] = []
        for number, route in enumerate(plan.routes, 1):
            key = f"{route.method} {route.template}"
            routes.append(json.dumps(self._route(key, orders, monotonic()), ensure_ascii=False))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return Status(f'{before[:-1]}, "routes": [{", ".join(routes)}]}}'.encode(), orders.epoch)

    def _service_status(self, loaded: Loaded, orders: Orders) -> dict[str, Any]:
        now = monotonic()
        counts = self._source_window.counts(now)
        total = sum(counts.values())
        order = (
            orders.file if orders.file is not None and orders.file.level >= orders.everywhere.level else orders.everywhere
        )
        incidents = loaded.policy.owners.incidents
        release = loaded.policy.release
        return {
            "answers_now": self._source_window.latest(now),
            "shares": {source: round(count / total, 4) for source, count in counts.most_common()},
            "answers": total,
            **_order(order),
            "epoch": orders.epoch,
            "durable": self._operations.durable,
            "kill_file": orders.file is not None,
            "back": back(self._operations),
            "tokens": self._keys.status(),
            "slo": self._slo.status(),
            "monitor": self._monitoring.status(),
            "owner": incidents.model_dump() if incidents is not None else None,
            "policy": {
                "service": loaded.policy.service,
                "digest": loaded.digest,
                "ok": self._reloader.outcome.ok,
                "errors": self._reloader.outcome.errors,
                "attempts": self._reloader.outcome.attempts,
                "refused": self._reloader.outcome.refused,
            },
            "budgets": self._budgets(),
            "release": _release(loaded, release) if release is not None else None,
            "guard": __version__,
        }

    def _route(self, key: str, orders: Orders, now: float) -> dict[str, Any]:
        order, why = orders.in_force(key)
        own = ((target, self._runtime.breakers.get(TargetKey(key, target))) for target in TARGETS)
        breakers = {target: breaker.snapshot(now) for target, breaker in own if breaker is not None}
        observed = (orders.observed or {}).get(key)
        enforcement = {"observed": _order(observed)} if observed is not None else {}
        return {
            **enforcement,
            "route": key,
            **_order(order),
            "why": why if order.mode != "normal" else None,
            "breakers": breakers,
            "served": {target: version for target in breakers if (version := self._versions.served(key, target))},
        }


def back(operations: OrderStore) -> str | None:
    """The exact words that lead back up; None where nothing is lowered."""
    orders = operations.orders
    if orders.file is not None:
        return "remove the kill file"
    if orders.everywhere.mode != "normal":
        return "guard restore --reason '…'"
    for route in orders.routes or {}:
        return f"guard restore --route '{route}' --reason '…'"
    return None


def _release(loaded: Loaded, release: Release) -> dict[str, Any]:
    """The deployed release. `contract`: whether the routes still keep the release's contract; None if it names none."""
    differs = any(warning.path == ("release", "contract") for warning in loaded.warnings)
    before = release.before
    return {
        "model": release.model,
        "version": release.version,
        "commit": release.commit,
        "digest": release_digest(release),
        "contract": None if release.contract is None else "differs" if differs else "same",
        "approved_by": release.approved_by,
        "approved_at": release.approved_at,
        "pipeline": release.pipeline,
        "previous": before.version if before is not None else None,
        "first": release.previous == FIRST,
    }


def _order(order: Order) -> dict[str, Any]:
    since = order.since or None
    return {
        "mode": order.mode,
        "since": _written(since),
        "reason": order.reason or None,
        "who": order.who or None,
        "until": _written(order.until),
    }


def _written(wall: float | None) -> str | None:
    return None if wall is None else datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
