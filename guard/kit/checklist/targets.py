"""4. Good enough: targets are declared, and agree with the policy's times and limits, the evaluation and the rehearsal."""

import math
from collections.abc import Iterator
from typing import Final

from guard.kit.checklist.values import Facts, Item, Part
from guard.kit.checklist.words import field, judged, policy, release
from guard.kit.evidence import Evidence
from guard.policy.scalars import write_duration
from guard.policy.target_warnings import late

DAY: Final = 86400
NEARLY: Final = 0.95
"""Tolerance of the expected rate: a load sent at exactly that rate is measured a little below it."""
LESS_IS_BETTER: Final = frozenset(
    {
        "mae", "mse", "rmse", "mape", "smape", "msle", "loss", "log_loss", "logloss", "cross_entropy", "brier",
        "brier_score", "ece", "error", "error_rate", "wer", "cer", "perplexity", "fpr", "fnr", "hamming_loss",
        "pinball_loss", "crps",
    }
)  # fmt: skip
"""Metrics of which a target is an upper bound; of all others it is a lower one."""


def _items(facts: Facts) -> Iterator[Item]:
    yield _latency(facts)
    yield _errors(facts)
    yield _availability(facts)
    yield _volume(facts)
    yield _quality(facts)
    yield _cost(facts)


def _undeclared(facts: Facts, item: str, key: str, example: object) -> Item:
    return Item(item, "fail", f"targets.{key} is not declared", policy(facts, targets={key: example}))


def _measured(facts: Facts, name: str) -> float | None:
    """A number of the rehearsal; None where there is none that can be read."""
    evidence = facts.evidence["rehearse"]
    measured = evidence.result.get("measured") if isinstance(evidence, Evidence) else None
    value = measured.get(name) if isinstance(measured, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _held(facts: Facts, item: str, wrong: list[str], good: str, measured: float | None, shown: str) -> Item:
    """Fails on a contradiction, warns where nobody measured, passes with both numbers."""
    again = f"improve the service or correct the target, then run `guard rehearse {facts.name}`"
    if wrong:
        return judged(item, wrong, good, again)
    if measured is None:
        return Item(item, "warn", f"{good}; not measured by a rehearsal", f"run `guard rehearse {facts.name}`")
    return Item(item, "pass", f"{good}; measured in the rehearsal: {shown}")


def _latency(facts: Facts) -> Item:
    target = facts.loaded.policy.targets.latency_p95
    if target is None:
        return _undeclared(facts, "targets.latency", "latency_p95", "300ms")
    wrong = [
        f"{key} times out after {write_duration(route.timeout.request)}, less than the target {write_duration(target)}"
        for key, route in facts.routes
        if route.timeout.request < target
    ]
    wrong += [f"{key}: {message}" for key, route in facts.routes for _, message in late(facts.loaded.policy, route)]
    measured = _measured(facts, "latency_p95")
    shown = f"{measured * 1e3:.0f} ms" if measured is not None else ""
    if measured is not None and measured > target:
        wrong.append(f"p95 was {shown} in the rehearsal; the target is {write_duration(target)}")
    return _held(facts, "targets.latency", wrong, f"p95 within {write_duration(target)}", measured, shown)


def _errors(facts: Facts) -> Item:
    target = facts.loaded.policy.targets.error_rate
    if target is None:
        return _undeclared(facts, "targets.errors", "error_rate", "1%")
    return _answered(facts, "targets.errors", f"at most {target:.2%} errors", target)


def _availability(facts: Facts) -> Item:
    target = facts.loaded.policy.targets.availability
    if target is None:
        return _undeclared(facts, "targets.availability", "availability", "99.5%")
    return _answered(facts, "targets.availability", f"{target:.2%} available", 1 - target)


def _answered(facts: Facts, item: str, good: str, most: float) -> Item:
    """Holds the share of errors that was measured against `most`."""
    measured = _measured(facts, "error_rate")
    errors = f"{measured:.2%} of the answers were errors" if measured is not None else ""
    wrong = [f"{errors} in the rehearsal; the target is {good}"] if measured is not None and measured > most else []
    return _held(facts, item, wrong, good, measured, errors)


def _volume(facts: Facts) -> Item:
    """Little's law: rate × time = how many are under way, which the slots of a route must hold."""
    targets, common = facts.loaded.policy.targets, facts.loaded.policy.upstream.limits
    rate = targets.expected_rate
    if rate is None:
        return _undeclared(facts, "targets.volume", "expected_rate", "50/s")
    slots = {key: route.limits.concurrency for key, route in facts.routes if route.limits and route.limits.concurrency}
    most = max((slots.get(key, common.concurrency) for key, _ in facts.routes), default=common.concurrency)
    under_way = math.ceil(rate * targets.latency_p95) if targets.latency_p95 is not None else 0
    if under_way > most:
        own = next((key for key, count in slots.items() if count == most), None)
        limits = {"limits": {"concurrency": under_way}}
        fix = (
            field(facts, own, (), **limits)
            if own is not None
            else policy(facts, upstream={"url": str(facts.loaded.policy.upstream.url), **limits})
        )
        text = f"{rate:g}/s at a p95 of {write_duration(targets.latency_p95 or 0)} mean {under_way} calls in flight"
        wanted = (
            f"{fix}, if the model server can handle so many at once; or lower latency_p95 until {most} slots are enough"
        )
        return Item("targets.volume", "fail", f"{text}, but there are only {most} slots", wanted)
    measured = _measured(facts, "rate")
    shown = f"{measured:.1f}/s" if measured is not None else ""
    short = [f"the rehearsal reached {shown}; the target is {rate:g}/s"]
    wrong = short if measured is not None and measured < rate * NEARLY else []
    return _held(facts, "targets.volume", wrong, f"{rate:g} requests a second, {most} slots", measured, shown)


def _quality(facts: Facts) -> Item:
    declared, record = facts.loaded.policy.targets.quality, facts.loaded.policy.release
    if not declared:
        return _undeclared(facts, "targets.quality", "quality", {"METRIC": "NUMBER"})
    metrics = record.evaluation.metrics if record is not None and record.evaluation is not None else {}
    wrong, unknown = [], [name for name in declared if name not in metrics]
    for name, target in declared.items():
        if name in metrics and (metrics[name] > target if name.lower() in LESS_IS_BETTER else metrics[name] < target):
            wrong.append(f"{name} is {metrics[name]} in the evaluation; the target is {target}")
    good = ", ".join(f"{name} {metrics.get(name)} ({target})" for name, target in declared.items())
    if wrong:
        fix = "use a better model, or correct the target in " + policy(facts, targets={"quality": {"METRIC": "NUMBER"}})
        return judged("targets.quality", wrong, good, fix)
    fix = release(facts, " ".join(f"--metric {name}=NUMBER" for name in unknown))
    return judged("targets.quality", unknown, good, fix, why="not in the evaluation")


def _cost(facts: Facts) -> Item:
    targets = facts.loaded.policy.targets
    cost = targets.cost
    if cost is None or (cost.per_request is None and cost.daily is None and not cost.by_token):
        return _undeclared(facts, "targets.cost", "cost", {"per_request": "0.0004 EUR", "daily": "20 EUR"})
    wrong = []
    if cost.per_request is not None and cost.daily is not None and targets.expected_rate is not None:
        day = cost.per_request.amount * targets.expected_rate * DAY
        if day > cost.daily.amount:
            wrong.append(
                f"the expected volume costs {day:.2f} {cost.daily.currency} a day; the budget is {cost.daily.amount:g}"
            )
    prices = (
        (cost.per_request, "a request"),
        (cost.per_million_input_tokens, "a million tokens in"),
        (cost.per_million_output_tokens, "a million tokens out"),
        (cost.daily, "a day"),
    )
    shown = [f"{price.amount:g} {price.currency} {unit}" for price, unit in prices if price]
    fix = (
        policy(facts, targets={"cost": {"daily": "AMOUNT CURRENCY"}}) + ", an amount that the expected volume stays within"
    )
    return judged("targets.cost", wrong, ", ".join(shown), fix)


SECTION = Part("targets", "Good enough", _items)
