"""5. Monitoring: each minimum signal was seen on the ops page of a guard that runs this policy."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from guard.kit.checklist import reference
from guard.kit.checklist.live import Live
from guard.kit.checklist.values import Facts, Item, Part
from guard.kit.checklist.words import field, judged, named, policy
from guard.policy import disclosure
from guard.proxy.values import MODEL


class Signal(NamedTuple):
    """A metric that must be on the page: any of `names`, with all `labels`. `how`: the way to make it appear."""

    id: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    how: str


_DURATION: Final = "http_server_request_duration_seconds_count"
SIGNALS: Final = (
    Signal("requests", ("guard_requests_total",), ("guard_source",), "send a request"),
    Signal("latency", (_DURATION,), ("http_route",), "send a request"),
    Signal("errors", (_DURATION,), ("http_response_status_code",), "send a request"),
    Signal("violations", ("guard_violations_total",), ("guard_code",), "send a request that breaks the contract"),
    Signal("fallbacks", ("guard_fallbacks_total",), ("guard_reason",), "run `guard drill POLICY --data URL`"),
)
"""The model's version, predictions and freshness depend on what is declared, and are functions below."""


def _items(facts: Facts) -> Iterator[Item]:
    live = facts.live
    yield from _alert_items(facts)
    yield _reached(facts, live)
    if live is not None and not live.trouble:
        yield _same(facts, live)
        yield _state(facts, live)
    for signal in SIGNALS:
        how = signal.how.replace("POLICY", facts.name)
        labels = dict.fromkeys(signal.labels, "")
        seen = live is not None and any(True for name in signal.names for _ in live.seen(name, **labels))
        yield _signal(facts, signal.id, signal.names[0], how, seen=seen)
    yield _version(facts, live)
    yield _predictions(facts, live)
    yield _freshness(facts, live)
    yield from reference.items(facts)


def _alert_items(facts: Facts) -> Iterator[Item]:
    off = (
        [] if facts.loaded.policy.telemetry.prometheus else ["telemetry.prometheus is false, so nobody can scrape /metrics"]
    )
    yield judged("monitoring.page", off, "/metrics is served", policy(facts, telemetry={"prometheus": True}))


def _live_command(facts: Facts) -> str:
    return f"`guard checklist {facts.name} --live http://HOST:{facts.loaded.policy.listen.ops.port}`"


def _reached(facts: Facts, live: Live | None) -> Item:
    if live is None:
        return Item("monitoring.live", "warn", "no running guard was inspected", f"run {_live_command(facts)}")
    if live.trouble or not live.ready:
        fix = f"start `guard serve {facts.name}` and its model server, then give its ops listener: {_live_command(facts)}"
        return Item("monitoring.live", "fail", live.trouble or live.waiting, fix)
    return Item("monitoring.live", "pass", f"{live.url} is ready")


def _same(facts: Facts, live: Live) -> Item:
    service, digest = facts.loaded.policy.service, facts.loaded.digest
    wrong = []
    info = [dict(row.labels) for row in live.seen("guard_policy_info")]
    if not any(row.get("guard_service") == service for row in info):
        wrong.append(f"guard serves {', '.join(row.get('guard_service', 'nobody') for row in info)[:60]}, not {service}")
    elif not any(row.get("guard_policy_digest") == digest[:19] for row in info):
        wrong.append(
            f"guard runs {', '.join(row.get('guard_policy_digest', '') for row in info)[:60]}, this policy is {digest[:19]}"
        )
    elif live.status is not None and _member(live.status, "policy", "digest") != digest:
        wrong.append("its ops listener and its admin API report different policies")
    return judged(
        "monitoring.policy",
        wrong,
        f"guard runs {digest[:19]}",
        f"deploy this policy there, or give the guard that runs it: {_live_command(facts)}",
    )


def _state(facts: Facts, live: Live) -> Item:
    """Nothing is lowered, forced or refused. Passes without a token: the ops page says as much, and less of why."""
    wrong = [
        f"{item.labels.get('http_route', '')} is lowered to {item.labels.get('guard_mode', '')}"
        for item in live.seen("guard_mode", guard_mode="")
        if item.value == 1 and item.labels["guard_mode"] != "normal"
    ]
    wrong += ["guard refuses the policy on its disk" for item in live.seen("guard_policy_refused") if item.value]
    wrong += [
        f"the breaker of {item.labels.get('http_route', '')} is {item.labels['guard_state']}"
        for item in live.seen("guard_breaker_state", guard_state="")
        if item.value == 1 and item.labels["guard_state"] == "open"
    ]
    good = "no route is lowered"
    back = "`guard status` says why and how to go back"
    if live.status is not None:
        member = _member(live.status, "back")
        if isinstance(member, str):
            wrong = wrong or ["it is lowered"]
            back = next((f"`{way}`" if way.startswith("guard") else way for way in _ways(facts) if way == member), back)
        if live.status.get("durable") is False:
            wrong.append("guard cannot write its state folder, so a restart forgets orders")
        good += ", by its admin API too"
    if live.status_trouble:
        wrong.append(live.status_trouble)
    return judged("monitoring.state", wrong, good, back, "warn")


def _ways(facts: Facts) -> Iterator[str]:
    """Guard's own instruction to go back. No other text of a server is repeated as a thing to do."""
    yield from ("guard restore --reason '…'", "remove the kill file")
    yield from (f"guard restore --route '{key}' --reason '…'" for key in facts.loaded.policy.routes)


def _member(document: object, *names: str) -> object:
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _signal(facts: Facts, name: str, metric: str, how: str, *, seen: bool) -> Item:
    item = f"monitoring.{name}"
    if seen:
        return Item(item, "pass", f"{metric} is on the page")
    if facts.live is None:
        return Item(item, "warn", f"{metric} was not checked", f"run {_live_command(facts)}")
    return Item(item, "fail", f"{metric} is not on the page", f"{how}, then run again: {_live_command(facts)}")


def _version(facts: Facts, live: Live | None) -> Item:
    record = facts.loaded.policy.release
    if record is None or not named(record.version):
        fix = f"run `guard release --policy {facts.name} --version VERSION`, and {policy(facts, release='release.yaml')}"
        return Item("monitoring.model_version", "fail", "no release names the version that answers", fix)
    served = live.seen("guard_model_served", guard_target=MODEL, guard_model_version="") if live is not None else ()
    if others := {sample.labels["guard_model_version"] for sample in served} - {record.version}:
        text = f"a model server reports version {', '.join(sorted(others))[:60]}, but the release is {record.version}"
        return Item(
            "monitoring.model_version",
            "fail",
            text,
            f"deploy release {record.version} there, or release the version that runs there",
        )
    seen = live is not None and any(live.seen("guard_model_info", guard_model_version=record.version))
    return _signal(facts, "model_version", "guard_model_info", f"deploy release {record.version} there", seen=seen)


def _predictions(facts: Facts, live: Live | None) -> Item:
    """An output above internal is not measured, so nobody would see a model that has collapsed."""
    measured = [
        (key, name.name) for key, route in facts.routes for name in disclosure.measures(route.outputs) if not route.stream
    ]
    if not measured:
        route, name = next(
            ((key, name) for key, route in facts.routes for name in route.outputs), ("POST /ROUTE", "OUTPUT")
        )
        fix = "if the output may be measured: " + field(facts, route, ("output", name), sensitivity="internal")
        return Item("monitoring.predictions", "fail", "no output is measured, so no distribution is visible", fix)
    names = ("guard_predictions_total", "guard_prediction_value_count")
    seen = live is not None and any(True for name in names for _ in live.seen(name, guard_source=MODEL))
    return _signal(facts, "predictions", names[0], "send a request that the model answers", seen=seen)


def _freshness(facts: Facts, live: Live | None) -> Item:
    times = [
        (key, name, item) for key, route in facts.routes for name, item in route.inputs.items() if item.type == "timestamp"
    ]
    bare = [(key, name) for key, name, time in times if time.freshness is None]
    if bare:
        key, name = bare[0]
        fix = field(facts, key, ("input", name), freshness={"warn": "1h", "stale": "24h"})
        return judged(
            "monitoring.freshness",
            [name for _, name in bare],
            "",
            fix,
            "warn",
            why="timestamps without a limit on their age",
        )
    if not times:
        return Item("monitoring.freshness", "pass", "no field is a timestamp, so no feature can be too old")
    seen = live is not None and any(live.seen("guard_feature_age_seconds_count", guard_field=""))
    return _signal(facts, "freshness", "guard_feature_age_seconds", "send a request", seen=seen)


SECTION = Part("monitoring", "Monitoring", _items)
