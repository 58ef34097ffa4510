"""The objectives for people and for scrapers: `GET /admin/v1/slo`, and `guard.slo.*`."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from guard.control.slo.scope import SERVICE, Scope
from guard.policy.scalars import write_duration
from guard.targets.burn import PAIRS, STATES, WINDOWS, Objective, Rules
from guard.targets.rings import BUCKET
from guard.telemetry import instruments as of
from guard.telemetry.family import Family, Point

if TYPE_CHECKING:
    from guard.control.slo.keeper import SloKeeper

FORMAT: Final = "guard/slo/v1"


def document(keeper: "SloKeeper") -> dict[str, Any]:
    """Everything that is measured, the service first. `route` null is the service; shares and rates are numbers."""
    keys = sorted(keeper.scopes, key=lambda key: (key != SERVICE, list(keeper.counter.tallies).index(key) if key else 0))
    return {
        "format": FORMAT,
        "objectives": {name: 1 - rule.budget for name, rule in keeper.rules.items()},
        "factors": {
            name: {pair.state: rule.factor(pair) for pair in reversed(PAIRS)} for name, rule in keeper.rules.items()
        },
        "window": keeper.burn.window,
        "act": list(keeper.burn.act),
        "volume": {
            "expected": keeper.volume.expected,
            "recent": keeper.volume.recent() / 300,
            "state": keeper.volume.state,
        },
        "scopes": [_scope(keeper, key, keeper.scopes[key]) for key in keys],
    }


def _scope(keeper: "SloKeeper", key: str, scope: Scope) -> dict[str, Any]:
    time = int(keeper.time / BUCKET)
    return {
        "route": key or None,
        "state": scope.state(),
        "frozen": keeper.frozen(key or None) or None,
        "descent": _descent(keeper, key),
        "objectives": [
            _objective(name, scope, rule, time)
            for name, rule in keeper.rules_of(key).items()
            if name in scope.series and name in scope.readings
        ],
    }


def _objective(name: Objective, scope: Scope, rules: Rules, time: int) -> dict[str, Any]:
    series, reading = scope.series[name], scope.readings[name]
    series.advance(time)
    measured = (time - scope.began + 1) * BUCKET
    windows: dict[str, dict[str, Any]] = {}
    for word, seconds in (*WINDOWS, (write_duration(rules.period), rules.period)):
        bad, total = counts = series.window(seconds)
        rate = round(rules.burn(counts), 4)
        windows[word] = {"burn": rate, "bad": bad, "total": total, "partial": measured < seconds}
    return {
        "objective": name,
        "share": 1 - rules.budget,
        "state": reading.state,
        "spent": reading.spent,
        "left": round(reading.left, 4),
        "windows": windows,
    }


def _descent(keeper: "SloKeeper", key: str) -> dict[str, Any] | None:
    descent = keeper.descents.routes.get(key)
    if descent is None or not descent.lowered:
        return None
    probes = keeper.descents.probes.get(key)
    bad, total = probes.window(1800) if probes is not None else (0, 0)
    return {
        "to": descent.to,
        "objective": descent.objective,
        "since": _written(keeper.to_wall(descent.since)),
        "until": None if descent.held else _written(keeper.to_wall(descent.until)),
        "held": descent.held,
        "today": len(descent.begun),
        "probes": {"bad": bad, "total": total},
        "back": f"guard restore --route '{key}' --reason '…'",
    }


def _written(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def families(keeper: "SloKeeper") -> Iterator[Family]:
    """The metrics; none while nothing is measured."""
    burn: list[Point] = []
    left: list[Point] = []
    states: list[Point] = []
    lowered: list[Point] = []
    for key, scope in list(keeper.scopes.items()):
        method, _, template = key.partition(" ")
        for name, rules in keeper.rules_of(key).items():
            series, reading = scope.series.get(name), scope.readings.get(name)
            if series is None or reading is None:
                continue
            for word, seconds in WINDOWS:
                burn.append(((method, template, name, word), rules.burn(series.window(seconds))))
            left.append(((method, template, name), reading.left))
            states += [((method, template, name, state), int(state == reading.state)) for state in STATES]
        descent = keeper.descents.routes.get(key)
        if descent is not None:
            lowered.append(((method, template), int(descent.lowered)))
    for instrument, points in ((of.SLO_BURN, burn), (of.SLO_LEFT, left), (of.SLO_STATE, states), (of.SLO_LOWERED, lowered)):
        if points:
            yield Family(instrument, points)


def line(keeper: "SloKeeper") -> Mapping[str, Any]:
    """The objectives in a status: the most urgent state, what is not kept, and the routes that are lowered for it."""
    burning = [
        {"route": key or None, "objective": name, "state": reading.state, "left": round(reading.left, 4)}
        for key, scope in keeper.scopes.items()
        for name, reading in scope.readings.items()
        if reading.state != "ok"
    ]
    burning.sort(key=lambda item: STATES.index(item["state"]))
    return {
        "state": burning[0]["state"] if burning else "ok",
        "measured": bool(keeper.rules),
        "volume": keeper.volume.state,
        "burning": burning[:10],
        "lowered": [{"route": key, **found} for key in keeper.descents.routes if (found := _descent(keeper, key))],
    }
