"""Step 5: what monitoring watches of a route: its declared inputs, and the outputs that may be reported."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from guard.contract.input import InputContract
from guard.contract.watched import Age, WatchedInputs
from guard.monitoring.cells import FieldSpec, Kind
from guard.monitoring.monitor import MonitorConfig
from guard.monitoring.reference import Reference, ReferenceInvalid, cells_from
from guard.monitoring.watch import RouteWatch
from guard.policy.compiling.context import Compilation
from guard.policy.fields import InputField, most_sensitive
from guard.policy.monitor import ONLY, Monitor
from guard.policy.route import Route
from guard.privacy.sensitivity import MEASURED
from guard.proxy.values import Measure

MOST_CLASSES: Final = 1000
"""Classes of an input; one with more is watched for its presence."""


def compile_watch(
    key: str, route: Route, contract: InputContract | None, measures: tuple[Measure, ...], context: Compilation
) -> RouteWatch | None:
    """The watch of a route; None where monitoring is off, or nothing can be watched."""
    declared = context.policy.monitor
    if isinstance(declared, str) or not (measures or contract is not None):
        return None
    specs, ages = _inputs(route.inputs if contract is not None else {}, declared)
    inputs = len(specs)
    outputs = tuple(place for place, measure in enumerate(measures) if declared.fields.get(measure.name) != 0.0)
    specs += [_output(measures[place], declared) for place in outputs]
    if not specs:
        return None
    reference = _reference(key, specs, declared, context)
    config = MonitorConfig(
        tuple(specs),
        threshold=declared.false_alarms * context.watched_routes * declared.replicas,
        season=declared.season or "unset",
        tolerate=declared.tolerate,
        reference=reference,
    )
    rate = round(declared.rate)
    watch = context.draft.watches.take(
        key,
        (config, rate, inputs, outputs),
        lambda: RouteWatch(config, partial(context.monitor, key, config), inputs, outputs, rate),
    )
    if contract is not None and inputs:
        contract.watched = WatchedInputs(watch, contract.reading([spec.name for spec in specs[:inputs]]), ages)
    return watch


def _reference(key: str, specs: Sequence[FieldSpec], declared: Monitor, context: Compilation) -> Reference | None:
    """The reference of a route; None without one, and where it does not fit, which is reported."""
    named = declared.reference_files
    if ONLY in named and context.watched_routes > 1:
        context.report(("monitor", "reference"), "several routes are watched: write `references: {ROUTE: FILE}`")
        return None
    path = ("monitor", "reference") if ONLY in named else ("monitor", "references", key)
    file = named.get(ONLY) or named.get(key)
    if file is None:
        return None
    reference = context.loaded.references[file.path]
    try:
        for spec in specs:
            if (field := reference.field(spec)) is not None:
                cells_from(spec, field)
    except ReferenceInvalid as invalid:
        context.report(path, f"{invalid}: make the reference again")
        return None
    if not any(reference.field(spec) for spec in specs):
        context.report(path, "the reference has none of the watched fields")
    return reference


def watched_inputs(fields: Mapping[str, InputField], declared: Monitor) -> list[FieldSpec]:
    """The inputs that monitoring counts, as it counts them."""
    return _inputs(fields, declared)[0]


def _inputs(fields: Mapping[str, InputField], declared: Monitor) -> tuple[list[FieldSpec], list[Age]]:
    specs: list[FieldSpec] = []
    ages: list[Age] = []
    for name, field in fields.items():
        tolerance = declared.fields.get(name)
        if tolerance == 0.0:
            continue
        kind, classes = _kind(field)
        if kind == "age":
            ages.append(Age(len(specs), field.unit, field.zone))
        bounded = kind == "number"
        specs.append(
            FieldSpec(
                name, "input", kind, classes,
                low=_number(field.min) if bounded else None, high=_number(field.max) if bounded else None,
                private=most_sensitive(field) not in MEASURED, tolerate=tolerance,
            )
        )  # fmt: skip
    return specs, ages


def _kind(field: InputField) -> tuple[Kind, tuple[Any, ...]]:
    if field.enum is not None and len(field.enum) <= MOST_CLASSES:
        return "class", tuple(field.enum)
    if field.type == "boolean":
        return "class", (False, True)
    if field.type in ("integer", "number"):
        return "number", ()
    if field.type == "timestamp":
        return "age", ()
    if field.type == "array" and field.items is not None and field.items.type in ("integer", "number"):
        return "vector", ()
    return "presence", ()


def _output(measure: Measure, declared: Monitor) -> FieldSpec:
    return FieldSpec(
        measure.name, "output", measure.kind, measure.classes, low=measure.low, high=measure.high,
        tolerate=declared.fields.get(measure.name) or None,
    )  # fmt: skip


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
