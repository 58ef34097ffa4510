"""Alerts besides those on error budgets; one function for each matter, in the order of a night on call.

Thresholds that no policy declares stand here, each with its reason. Windows come in pairs, as in `slo`: the long one says
that it matters, the short one that it still goes on. `wait` outlasts one failed scrape.
"""

from collections.abc import Callable, Iterator
from typing import Final

from guard.kit.export.drift import drift
from guard.kit.export.own_health import own_health
from guard.kit.export.scope import (
    ANSWERED,
    COUNTED,
    FAILED,
    ROUTE,
    Scope,
    matcher,
    number,
    routes,
    share,
    share_by,
)
from guard.kit.export.slo import EVIDENCE, burning, slos
from guard.kit.export.values import Alert, Gap, Severity
from guard.policy.loading.warn import SILENCE, USUAL, longest_request
from guard.policy.scalars import write_duration
from guard.telemetry import instruments as of

DENIED: Final = 0.05
"""Requests of a route that break the contract: single callers always err; five in a hundred is a release gone wrong."""
BROKEN: Final = 0.01
"""Answers of a model, or values of a feature, that break the contract: a model that is well breaks it never."""
AGING: Final = 0.5
"""Values past `freshness.warn`: half of them is not one late customer but a pipeline that stands."""
QUIET: Final = 0.01
"""Share of the expected rate below which traffic is gone, and not only low at night."""


def alerts(scope: Scope) -> Iterator[Alert | Gap]:
    """Everything that the policy gives a reason for."""
    for matter in MATTERS:
        yield from matter(scope)


def availability(scope: Scope) -> Iterator[Alert | Gap]:
    """`targets.availability`, as a budget."""
    declared = {slo.name: slo for slo in slos(scope)}
    if "availability" not in declared:
        yield Gap("targets.availability is not declared: no burn-rate alerts")
        return
    yield from burning(declared["availability"])


def error_rate(scope: Scope) -> Iterator[Alert | Gap]:
    """`targets.error_rate`, a bound at any time; where the availability's budget pages already it is a ticket."""
    targets = scope.policy.targets
    if targets.error_rate is None:
        yield Gap("targets.error_rate is not declared: no alert on it")
        return
    if targets.error_rate >= 1:
        yield Gap("targets.error_rate is 100%: no more can fail, so no alert can be made of it")
        return

    def failing(window: str) -> str:
        errors = scope.rate(of.SERVER_DURATION, window, scope.promised, FAILED, part="_count")
        return share(errors, scope.rate(of.SERVER_DURATION, window, scope.promised, COUNTED, part="_count"))

    failed = f"increase({scope.series(of.SERVER_DURATION, scope.promised, FAILED, part='_count')}[30m])"
    yield Alert(
        name="GuardErrorRate",
        expr=_twice(failing, number(targets.error_rate), f"sum({failed}) >= {EVIDENCE}"),
        wait="2m",
        severity="page" if targets.availability is None else "ticket",
        summary=f"{scope.service}: more than {number(targets.error_rate * 100)}% of requests get 5xx",
        description="{{ $value | humanizePercentage }} of the last five minutes' requests failed.",
    )


def latency(scope: Scope) -> Iterator[Alert | Gap]:
    """`targets.latency_p95`. Fewer than a hundred requests have fewer than five beyond their 95th percentile."""
    target = scope.policy.targets.latency_p95
    if target is None:
        yield Gap("targets.latency_p95 is not declared: no alert on it")
        return
    longest = longest_request(scope.policy)
    if longest is not None and target >= longest:
        yield Gap(
            f"targets.latency_p95: no request takes longer than timeout.request, {write_duration(longest)}: "
            "no alert can be made of it"
        )
        return

    def p95(window: str) -> str:
        buckets = scope.rate(of.SERVER_DURATION, window, scope.promised, COUNTED, part="_bucket")
        return f"histogram_quantile(0.95, sum by (le) ({buckets}))"

    counted = f"increase({scope.series(of.SERVER_DURATION, scope.promised, COUNTED, part='_count')}[30m])"
    yield Alert(
        name="GuardLatency",
        expr=_twice(p95, number(target), f"sum({counted}) >= {EVIDENCE * 20}"),
        wait="2m",
        severity="page",
        summary=f"{scope.service}: the 95th percentile of latency is above {write_duration(target)}",
        description="p95 is {{ $value | humanizeDuration }}. guard_overhead_duration_seconds and "
        "http_client_request_duration_seconds say whether guard or the model server takes it.",
    )


def fallbacks(scope: Scope) -> Iterator[Alert | Gap]:
    """`targets.model_share`: clients get answers, but not the model's."""
    target = scope.policy.targets.model_share
    if target is None:
        yield Gap("targets.model_share is not declared: no alert on the share of fallbacks")
        return
    slo = next(slo for slo in slos(scope) if slo.name == "model-share")
    if slo.budget >= 1:
        yield Gap("targets.model_share is 0%: every answer may be a lower rung's, so no alert can be made of it")
        return

    def lowered(window: str) -> str:
        return f"max without (sloth_window) ({slo.recorded(f'slo:sli_error:ratio_rate{window}')})"

    yield Alert(
        name="GuardFallbackShare",
        expr=_twice(lowered, number(slo.budget), f"{slo.failures('30m')} >= {EVIDENCE}"),
        wait="2m",
        severity="page",
        role="incidents",
        summary=f"{scope.service}: the model gives less than {number(target * 100)}% of the answers",
        description="{{ $value | humanizePercentage }} of answers come from a lower rung; guard_fallbacks_total says why.",
    )


def traffic(scope: Scope) -> Iterator[Alert | Gap]:
    """`targets.expected_rate`: nothing fails where nobody asks."""
    expected = scope.policy.targets.expected_rate
    if expected is None:
        yield Gap("targets.expected_rate is not declared: no alert when traffic stays away")
        return
    if expected * SILENCE < USUAL:
        yield Gap(
            f"targets.expected_rate makes {number(expected * SILENCE)} requests in 30 minutes: silence is no sign of "
            "trouble, so no alert can be made of it"
        )
        return
    rate = scope.rate(of.REQUESTS, "15m", scope.promised)
    there = scope.series(of.POLICY_INFO)
    yield Alert(
        name="GuardTrafficGone",
        # A guard that was started since has no series of requests yet; one that is not there is another alert's matter.
        expr=f"(sum({rate}) or vector(0)) < {number(expected * QUIET)}\nand on ()\ncount({there}) > 0",
        wait="15m",
        summary=f"{scope.service}: hardly any requests, where {number(expected)}/s are expected",
        description="{{ $value | humanize }} requests a second over fifteen minutes.",
    )


def breakers(scope: Scope) -> Iterator[Alert | Gap]:
    """A breaker that does not close. A page where no `model_share` would page for what follows from it."""
    severity: Severity = "page" if scope.policy.targets.model_share is None else "ticket"
    states = scope.series(of.BREAKER_STATE, 'guard_state!="closed"')
    yield Alert(
        name="GuardBreakerOpen",
        expr=f"max by ({ROUTE}, guard_target) ({states}) == 1",
        wait="2m",
        severity=severity,
        summary=f"{scope.service}: the breaker of {{{{ $labels.guard_target }}}} is open on {{{{ $labels.http_route }}}}",
        description="The target fails, or is too slow; lower rungs answer. It is asked again on its own.",
    )


def mode(scope: Scope) -> Iterator[Alert | Gap]:
    """An alert on a lowered ladder. It fires at once, because it silences the alerts that follow from it."""
    lowered = scope.series(of.MODE, 'guard_mode!="normal"')
    yield Alert(
        name="GuardModeLowered",
        expr=f"max by ({ROUTE}, guard_mode) ({lowered}) == 1",
        role="incidents",
        summary=f"{scope.service}: {{{{ $labels.http_route }}}} answers from {{{{ $labels.guard_mode }}}} or below",
        description="An operator or the kill file lowered it; `guard status` says who, why, and how to go back.",
    )


def violations(scope: Scope) -> Iterator[Alert | Gap]:
    """Callers, or the model, break the contract."""
    if not any(route.input is not None for _, route in routes(scope.policy)):
        yield Gap("no route declares an input: no alert on requests that break the contract")
    else:
        reason = 'guard_reason="contract"'
        denied = scope.increase(of.REQUESTS, "15m", scope.promised, reason)
        requests = scope.increase(of.REQUESTS, "15m", scope.promised)
        yield Alert(
            name="GuardContractStorm",
            expr=f"(\n{_indented(share_by(ROUTE, denied, requests, ROUTE))}\n) > {number(DENIED)}\n"
            f"and\nsum by ({ROUTE}) ({denied}) >= {EVIDENCE * 4}",
            wait="5m",
            summary=f"{scope.service}: many requests to {{{{ $labels.http_route }}}} break the contract",
            description="{{ $value | humanizePercentage }} of them in fifteen minutes; guard_violations_total names the "
            "fields. A caller changed, or the contract is wrong (`guard observe`).",
        )
    if not any(route.output is not None for _, route in routes(scope.policy)):
        yield Gap("no route declares an output: no alert on answers that break the contract")
        return
    broken = scope.increase(of.VIOLATIONS, "15m", scope.promised, 'guard_direction="output"')
    answered = scope.increase(of.REQUESTS, "15m", scope.promised, ANSWERED)
    yield Alert(
        name="GuardAnswersInvalid",
        expr=f"(\n{_indented(share_by(f'{ROUTE}, guard_field', broken, answered, ROUTE))}\n) > {number(BROKEN)}\n"
        f"and\nsum by ({ROUTE}, guard_field) ({broken}) >= {EVIDENCE}",
        wait="5m",
        role="model_quality",
        summary=f"{scope.service}: answers break the contract of {{{{ $labels.guard_field }}}}",
        description="{{ $value | humanize }} violations a request in fifteen minutes on {{ $labels.http_route }}; "
        "guard_violations_total by guard_code says which.",
    )


def freshness(scope: Scope) -> Iterator[Alert | Gap]:
    """Features that are too old, and before that: features that will be."""
    declared = [field.freshness for _, route in routes(scope.policy) for field in route.inputs.values() if field.freshness]
    if not declared:
        yield Gap("no field declares freshness: no alert on old features")
        return
    rows = scope.increase(of.INSTANCES, "15m", scope.promised)
    stale = scope.increase(of.VIOLATIONS, "15m", scope.promised, 'guard_code="stale"')
    aging = scope.increase(of.FEATURES, "15m", scope.promised, 'guard_state="aging"')
    kinds = (
        (
            "GuardFeatureStale", stale, BROKEN, any(field.stale is not None for field in declared),
            "is too old to be used", "Rungs that read it are closed, lower ones answer",
        ),
        (
            "GuardFeatureAging", aging, AGING, any(field.warn is not None for field in declared),
            "gets old", "Past `freshness.warn`: its pipeline is late, and past `stale` the model will not be asked",
        ),
    )  # fmt: skip
    for name, seen, most, wanted, summary, description in kinds:
        if wanted:
            ratio = share_by(f"{ROUTE}, guard_field", seen, rows, ROUTE)
            yield Alert(
                name=name,
                expr=f"(\n{_indented(ratio)}\n) > {number(most)}\n"
                f"and\nsum by ({ROUTE}, guard_field) ({seen}) >= {EVIDENCE}",
                wait="5m",
                role="data_freshness",
                summary=f"{scope.service}: {{{{ $labels.guard_field }}}} {summary}",
                description=f"{{{{ $value | humanizePercentage }}}} of instances on {{{{ $labels.http_route }}}}. "
                f"{description}.",
            )


def cost(scope: Scope) -> Iterator[Alert | Gap]:
    """The day's budget. Each replica counts its own spending, so they are added."""
    declared = scope.policy.targets.cost
    if declared is None or declared.daily is None or not declared.priced:
        yield Gap("targets.cost has no price of a request or a token with a daily budget: no alert on cost")
        return
    if not declared.daily.amount:
        yield Gap("targets.cost.daily is 0: it has no share that is spent, so no alert can be made of it")
        return
    yield Alert(
        name="GuardBudget",
        expr=f"sum by (guard_currency) ({scope.series(of.BUDGET_SHARE)}) >= {number(declared.shares[0])}",
        wait="1m",
        summary=f"{scope.service}: {number(declared.shares[0] * 100)}% of the day's budget is spent",
        description=f"{{{{ $value | humanizePercentage }}}} of {number(declared.daily[0])} {declared.daily[1]} since "
        "midnight UTC, over the replicas that run now.",
    )


def quality(scope: Scope) -> Iterator[Alert | Gap]:
    """`targets.quality` needs labels; no rule is made of them."""
    if scope.policy.targets.quality:
        yield Gap(
            f"targets.quality ({', '.join(scope.policy.targets.quality)}): it needs true outcomes, see `guard quality`"
        )


def policy(scope: Scope) -> Iterator[Alert | Gap]:
    """The policy on disk is not the one in force."""
    yield Alert(
        name="GuardPolicyRefused",
        expr=f"sum({scope.series(of.POLICY_REFUSED)}) > 0",
        wait="2m",
        summary=f"{scope.service}: the policy on disk is refused, the one before is in force",
        description="{{ $value }} replicas; `guard status` and the event policy_refused in the log say why.",
    )


def tokens(scope: Scope) -> Iterator[Alert | Gap]:
    """An alert on token files that lock an operator out."""
    yield Alert(
        name="GuardTokensRefused",
        expr=f"sum({scope.series(of.TOKENS_REFUSED)}) > 0",
        wait="2m",
        summary=f"{scope.service}: the token file of the admin API, or a line of it, cannot be read",
        description="{{ $value }} replicas; `guard check` names the lines, and the events tokens_refused and "
        "tokens_unreadable in the log say why.",
    )


def presence(scope: Scope) -> Iterator[Alert | Gap]:
    """Nobody is there to be asked. `up` is the scraper's own; who pushes by OTLP has only the second."""
    if not scope.policy.telemetry.prometheus:
        yield Gap("telemetry.prometheus is false: /metrics is off, so these series must come by OTLP, and `up` does not")
    yield Alert(
        name="GuardDown",
        expr=f"up{{{scope.selector}}} == 0",
        wait="2m",
        summary=f"{scope.service}: guard on {{{{ $labels.instance }}}} cannot be scraped",
        description="It is down, or its ops listener (8902) cannot be reached. Its clients get connection errors.",
    )
    yield Alert(
        name="GuardAbsent",
        expr=f"absent({scope.series(of.POLICY_INFO, matcher('guard_service', '=', scope.service))})",
        wait="5m",
        severity="page",
        role="incidents",
        summary=f"{scope.service}: no guard tells anything",
        description="Every replica is gone, or telemetry is, or the selector of these rules fits nothing "
        "(it is a choice of `guard export --selector`).",
    )


MATTERS: Final[tuple[Callable[[Scope], Iterator[Alert | Gap]], ...]] = (
    availability, error_rate, fallbacks, latency, presence, breakers, mode, policy, tokens, violations, freshness, drift,
    traffic, cost, own_health, quality,
)  # fmt: skip


def _twice(ratio: Callable[[str], str], most: str, evidence: str) -> str:
    """Above a bound over five and over thirty minutes, with enough requests to say so."""
    both = "\nand\n".join(f"(\n{_indented(ratio(window))}\n) > {most}" for window in ("5m", "30m"))
    return f"{both}\nand on ()\n{evidence}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
