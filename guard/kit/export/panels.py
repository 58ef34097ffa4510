"""Panels of the dashboard, one function for each row, in the order of the questions of a night on call.

Rows and panels about what the policy does not declare are left out. `$__rate_interval` is Grafana's, and at least four
scrapes long.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from guard.kit.export.drift import panels as drift
from guard.kit.export.layout import Panel, Query, Row
from guard.kit.export.scope import ANSWERED, COUNTED, LOWERED, ROUTE, Scope, matcher, number, routes, share
from guard.kit.export.slo import WINDOWS, slos
from guard.policy.disclosure import measures
from guard.policy.fields import SchemaFile
from guard.proxy.values import Measure
from guard.telemetry import instruments as of
from guard.telemetry.accumulators import Instrument

STEP: Final = "$__rate_interval"
WHERE: Final = "{{http_request_method}} {{http_route}}"
MOST_OUTPUTS: Final = 20
"""Highest number of outputs whose predictions the dashboard shows: up to four panels each."""
MODES: Final = {"1": ("lowered", "red")}
STATES: Final = {"0": ("closed", "green"), "1": ("half open", "yellow"), "2": ("open", "red")}


def rows(scope: Scope) -> Iterator[Row]:
    """All rows that have something to show."""
    for make in ROWS:
        row = make(scope)
        if row.panels:
            yield row


def now(scope: Scope) -> Row:
    """Panels on the sources that answer now."""
    answers = scope.rate(of.REQUESTS, "5m", scope.promised, ANSWERED)
    lowered = scope.series(of.MODE, 'guard_mode!="normal"')
    by_source = f"sum by (guard_source) ({answers})\n/ ignoring (guard_source) group_left ()\n(sum({answers}) > 0)"
    return Row("What answers now", [
        Panel(
            "bargauge", "Who answered, five minutes", "Shares of answers by rung; all but the model is a fallback.",
            [Query(by_source, "{{guard_source}}", now=True)], width=8, unit="percentunit", most=1,
        ),
        Panel(
            "stat", "Routes lowered", "Routes whose ladder an operator or the kill file lowered.",
            [Query(f"count(max by ({ROUTE}) ({lowered})) or vector(0)", now=True)], width=4, steps=[(1, "red")],
        ),
        Panel(
            "stat", "Breakers not closed", "Over all routes, targets and replicas.",
            [Query(f"count({scope.series(of.BREAKER_STATE, _not('closed'))}) or vector(0)", now=True)],
            width=4, steps=[(1, "red")],
        ),
        Panel(
            "stat", "Replicas", "Guards that tell something.",
            [Query(f"count({scope.series(of.POLICY_INFO)}) or vector(0)", now=True)], width=4,
        ),
        Panel(
            "stat", "Policies refused", "Replicas whose policy on disk is refused: they serve the one before.",
            [Query(f"sum({scope.series(of.POLICY_REFUSED)}) or vector(0)", now=True)], width=4, steps=[(1, "red")],
        ),
    ])  # fmt: skip


def traffic(scope: Scope) -> Row:
    """Panels on requests and their outcome."""
    expected = scope.policy.targets.expected_rate
    requests = scope.rate(of.REQUESTS, STEP)
    statuses = scope.rate(of.SERVER_DURATION, STEP, part="_count")
    refused = scope.rate(of.REQUESTS, STEP, 'guard_source="none"')
    shown = [Query(f"sum by (guard_source) ({requests})", "{{guard_source}}")]
    if expected is not None:
        shown.append(Query(f"vector({number(expected)})", "expected"))
    return Row("Traffic", [
        Panel(
            "timeseries", "Requests by who answered", "`none`: refused; `gone`: the client left.", shown, unit="reqps",
        ),
        Panel(
            "timeseries", "Requests by status", "As clients saw them.",
            [Query(f"sum by (http_response_status_code) ({statuses})", "{{http_response_status_code}}")],
            unit="reqps", stacked=True,
        ),
        Panel(
            "timeseries", "Refused, by code", "Requests that no rung was asked about.",
            [Query(f"sum by (guard_reason) ({refused})", "{{guard_reason}}")], unit="reqps", stacked=True,
        ),
    ])  # fmt: skip


def latency(scope: Scope) -> Row:
    """Panels on latency, of guard and of the model."""
    rate = scope.rate(of.SERVER_DURATION, STEP, scope.promised, COUNTED, part="_bucket")
    target = scope.policy.targets.latency_p95
    model = scope.rate(of.CLIENT_DURATION, STEP, 'guard_source="model"', part="_bucket")

    def mean(instrument: Instrument, *matchers: str) -> str:
        spent, counted = (scope.rate(instrument, STEP, *matchers, part=part) for part in ("_sum", "_count"))
        return f"sum({spent}) / (sum({counted}) > 0)"

    return Row("Latency", [
        Panel(
            "timeseries", "Of answers", "From a request's head to its answer's last byte; routes with a contract.",
            [Query(_quantile(share, rate), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)], unit="s",
            steps=[(target, "red")] if target is not None else [],
        ),
        Panel(
            "timeseries", "95th percentile: guard and model", "What guard adds, and what a call to the model server takes.",
            [Query(_quantile(0.95, scope.rate(of.OVERHEAD_DURATION, STEP, scope.promised, part="_bucket")), "guard"),
             Query(_quantile(0.95, model), "model server")], unit="s",
        ),
        Panel(
            "timeseries", "Mean: guard and model", "Means add up, percentiles do not.",
            [Query(mean(of.OVERHEAD_DURATION, scope.promised), "guard"),
             Query(mean(of.CLIENT_DURATION, 'guard_source="model"'), "model server")], unit="s", stacked=True,
        ),
    ])  # fmt: skip


def ladder(scope: Scope) -> Row:
    """Panels on the reasons for which the model does not answer."""
    target = scope.policy.targets.model_share
    answers = scope.rate(of.REQUESTS, STEP, scope.promised, ANSWERED)
    lowered = scope.rate(of.REQUESTS, STEP, scope.promised, LOWERED)
    descents = f"sum by (guard_source, guard_reason) ({scope.rate(of.FALLBACKS, STEP)})"
    states = " or ".join(
        f"max by ({ROUTE}, guard_target) ({scope.series(of.BREAKER_STATE, _is('guard_state', state))}) * {level}"
        for level, state in ((2, "open"), (1, "half_open"), (0, "closed"))
    )
    modes = f"max by ({ROUTE}) ({scope.series(of.MODE)} * 0)"
    lowest = f"max by ({ROUTE}) ({scope.series(of.MODE, _is_not('guard_mode', 'normal'))})"
    return Row("Ladder", [
        Panel(
            "timeseries", "Share of fallbacks", "Answers that the model did not give.",
            [Query(share(lowered, answers), "fallbacks")], unit="percentunit", most=1,
            steps=[(round(1 - target, 9), "red")] if target is not None else [],
        ),
        Panel(
            "timeseries", "Descents", "Rungs that did not answer, and why.",
            [Query(descents, "{{guard_source}}: {{guard_reason}}")], unit="reqps", stacked=True,
        ),
        Panel(
            "timeseries", "Calls under way and waiting", "Slots of each target, and its queue.",
            [Query(f"sum by (guard_target) ({scope.series(of.SLOTS)})", "{{guard_target}}: under way"),
             Query(f"sum by (guard_target) ({scope.series(of.QUEUED)})", "{{guard_target}}: waiting")],
        ),
        Panel(
            "state-timeline", "Breakers", "The worst of all replicas.", [Query(states, WHERE + " {{guard_target}}")],
            width=12, words=STATES,
        ),
        Panel(
            "state-timeline", "Mode", "Lowered where one replica is.", [Query(f"{lowest} or {modes}", WHERE)], width=12,
            words={"0": ("normal", "green"), **MODES},
        ),
    ])  # fmt: skip


def contract(scope: Scope) -> Row:
    """Panels on violations, and on valid values that are worth knowing."""
    panels: list[Panel] = []
    declared = routes(scope.policy)
    fields = [field for _, route in declared for field in route.inputs.values()]
    sides = (
        ("input", "Violations in requests", any(route.input is not None for _, route in declared)),
        ("output", "Violations in answers", any(route.output is not None for _, route in declared)),
    )
    for side, title, there in sides:
        if there:
            seen = scope.rate(of.VIOLATIONS, STEP, _is("guard_direction", side))
            panels.append(Panel(
                "timeseries", title, "By declared field and code.",
                [Query(f"sum by (guard_field, guard_code) ({seen})", "{{guard_field}}: {{guard_code}}")],
                stacked=True, unit="ops",
            ))  # fmt: skip
    if fields:
        noted = scope.rate(of.FEATURES, STEP)
        panels.append(Panel(
            "timeseries", "Features", "Values that keep the contract: missing, defaulted, at a bound, aging.",
            [Query(f"sum by (guard_field, guard_state) ({noted})", "{{guard_field}}: {{guard_state}}")],
            unit="ops",
        ))  # fmt: skip
    if any(field.detect for field in fields):
        redactions = scope.rate(of.REDACTIONS, STEP)
        panels.append(Panel(
            "timeseries", "Private data taken out", "Finds in texts, by field and detector.",
            [Query(f"sum by (guard_field, guard_detector) ({redactions})", "{{guard_field}}: {{guard_detector}}")],
            unit="ops",
        ))  # fmt: skip
    return Row("Contract", panels)


def predictions(scope: Scope) -> Row:
    """Panels on the model's predictions by version, without fallbacks."""
    return Row(
        "Predictions by version",
        [panel for key, measure in measured(scope)[:MOST_OUTPUTS] for panel in _prediction(scope, key, measure)],
    )


def measured(scope: Scope) -> list[tuple[str, Measure]]:
    """The outputs that may be told, each with its route's key."""
    return [
        (key, measure)
        for key, route in routes(scope.policy)
        if not isinstance(route.output, SchemaFile)
        for measure in measures(route.outputs)
    ]


def _prediction(scope: Scope, key: str, measure: Measure) -> Iterator[Panel]:
    template = key.partition(" ")[2]
    picked = (_is("http_route", template), _is("guard_output", measure.name), 'guard_source="model"')
    rate = scope.rate(of.PREDICTIONS, STEP, *picked)
    title = f"{measure.name} of {key}"
    classes, total = f"sum by (guard_class, guard_model_version) ({rate})", f"(sum by (guard_model_version) ({rate}) > 0)"
    by_version = f"{classes}\n/ on (guard_model_version) group_left ()\n{total}"
    yield Panel(
        "timeseries", f"{title}: what it says", "Shares of classes; <…> is a state in place of one.",
        [Query(by_version, "{{guard_class}} {{guard_model_version}}")],
        unit="percentunit", most=1, stacked=True,
    )  # fmt: skip
    if measure.kind in ("number", "vector"):
        instrument = of.PREDICTION_VALUE if measure.kind == "number" else of.PREDICTION_CONFIDENCE
        unit = "values" if measure.kind == "number" else "confidence"
        buckets = scope.rate(instrument, STEP, *picked, part="_bucket")
        yield Panel(
            "heatmap", f"{title}: {unit}", "How often each bucket of values is predicted.",
            [Query(f"sum by (le) ({buckets})", "{{le}}", form="heatmap")],
        )  # fmt: skip
        yield Panel(
            "timeseries", f"{title}: median and spread by version", "10th, 50th and 90th percentile of what is predicted.",
            [Query(_quantile(part, buckets, "guard_model_version"), f"p{part * 100:.0f} {{{{guard_model_version}}}}")
             for part in (0.1, 0.5, 0.9)],
        )  # fmt: skip
    if measure.kind != "presence":
        top = f"max by (guard_model_version) ({scope.series(of.TOP_SHARE, *picked)})"
        yield Panel(
            "timeseries", f"{title}: share of the most frequent", "Near 1 where it was not: a model that has collapsed.",
            [Query(top, "{{guard_model_version}}")], unit="percentunit", most=1,
        )  # fmt: skip


def freshness(scope: Scope) -> Row:
    """Panels on the age of features."""
    if not any(field.type == "timestamp" for _, route in routes(scope.policy) for field in route.inputs.values()):
        return Row("Freshness", [])
    ages = scope.rate(of.FEATURE_AGE, STEP, part="_bucket")
    stale = scope.rate(of.VIOLATIONS, STEP, 'guard_code=~"stale|future"')
    aging = scope.rate(of.FEATURES, STEP, 'guard_state="aging"')
    return Row("Freshness", [
        Panel(
            "timeseries", "Age of timestamps", "Median and 95th percentile by field, when the request arrives.",
            [Query(_quantile(part, ages, "guard_field"), f"{{{{guard_field}}}} p{part * 100:.0f}") for part in (0.5, 0.95)],
            width=12, unit="s",
        ),
        Panel(
            "timeseries", "Aging and stale", "Past `warn`, past `stale`, or from the future.",
            [Query(f"sum by (guard_field) ({aging})", "{{guard_field}} aging"),
             Query(f"sum by (guard_field, guard_code) ({stale})", "{{guard_field}} {{guard_code}}")],
            width=12, unit="ops",
        ),
    ])  # fmt: skip


def cost(scope: Scope) -> Row:
    """Panels on cost."""
    declared = scope.policy.targets.cost
    if declared is None or not declared.priced:
        return Row("Cost", [])
    spent = scope.increase(of.COST, "1h")
    panels = [Panel(
        "timeseries", "Spent in an hour", "What calls to the model cost, by `targets.cost`.",
        [Query(f"sum by (guard_currency) ({spent})", "{{guard_currency}}")], width=16,
    )]  # fmt: skip
    if declared.daily is not None:
        share_now = f"sum by (guard_currency) ({scope.series(of.BUDGET_SHARE)})"
        steps = [(declared.shares[0], "orange"), (1.0, "red")]
        panels.append(Panel(
            "stat", "Of the day's budget", "Since midnight UTC, all replicas that run now.",
            [Query(share_now, "{{guard_currency}}", now=True)], unit="percentunit", steps=steps,
        ))  # fmt: skip
    return Row("Cost", panels)


def budgets(scope: Scope) -> Row:
    """Targets, and how fast their budgets burn: what the rules of `guard export prometheus-rules` record."""
    panels: list[Panel] = []
    for slo in slos(scope):
        if not slo.budget:
            continue
        windows = [
            Query(f"max without (sloth_window) ({slo.recorded(f'slo:sli_error:ratio_rate{window}')})", window)
            for window in WINDOWS
        ]
        panels += [
            Panel(
                "stat", f"{slo.name}: {number(slo.objective * 100)}%", "What is left of the budget of thirty days.",
                [Query(slo.recorded("slo:period_error_budget_remaining:ratio"), now=True)], unit="percentunit",
            ),
            Panel(
                "timeseries", f"{slo.name}: burn rate", "1: the budget lasts exactly its thirty days.",
                [Query(slo.recorded("slo:current_burn_rate:ratio"), "five minutes")], steps=[(1, "orange"), (14.4, "red")],
            ),
            Panel(
                "timeseries", f"{slo.name}: failing, by window", "Of requests.", windows, unit="percentunit",
                steps=[(slo.budget, "red")],
            ),
        ]  # fmt: skip
    return Row("Targets and budgets", panels)


def process(scope: Scope) -> Row:
    """Guard itself."""
    cpu = scope.rate(of.CPU, STEP)
    lag = scope.rate(of.LOOP_LAG, STEP, part="_bucket")
    dropped = scope.rate(of.DROPPED, STEP)
    info = [Query(scope.series(identity), now=True, form="table") for identity in _identities(scope)]
    return Row("Guard itself", [
        Panel("timeseries", "Processor", "Cores.", [Query(f"sum by (instance) ({cpu})", "{{instance}}")]),
        Panel("timeseries", "Memory", "Resident.", [Query(scope.series(of.MEMORY), "{{instance}}")], unit="bytes"),
        Panel(
            "timeseries", "Event loop", "How late it comes to a timer, 99th percentile.",
            [Query(_quantile(0.99, lag, "instance"), "{{instance}}")], unit="s",
        ),
        Panel(
            "timeseries", "Stalls of the event loop", "Longer than 100 ms, by the place in the code.",
            [Query(f"sum by (guard_place) ({scope.increase(of.LOOP_STALLS, STEP)}) or vector(0)", "{{guard_place}}")],
        ),
        Panel(
            "timeseries", "Bugs survived", "Background tasks, subscribers and the event loop; the log names the place.",
            [Query(f"sum by (guard_task) ({scope.increase(of.TASK_CRASHES, STEP)})", "task {{guard_task}}"),
             Query(f"sum by (guard_subscriber) ({scope.increase(of.SUBSCRIBER_CRASHES, STEP)})", "{{guard_subscriber}}"),
             Query(f"sum({scope.increase(of.LOOP_ERRORS, STEP)})", "event loop")],
        ),
        Panel(
            "stat", "Files that cannot be read", "Files that guard watches; the last content of each stays in force.",
            [Query(f"sum(max by (guard_file) ({scope.series(of.FILE_UNREADABLE)})) or vector(0)", now=True)],
            steps=[(1, "red")],
        ),
        Panel(
            "timeseries", "Clients", "Connections, and requests under way.",
            [Query(f"sum({scope.series(of.CONNECTIONS)})", "connections"),
             Query(f"sum({scope.series(of.ACTIVE)})", "requests")],
        ),
        Panel(
            "timeseries", "Telemetry lost", "By signal and reason.",
            [Query(f"sum by (guard_signal, guard_reason) ({dropped})", "{{guard_signal}}: {{guard_reason}}")],
        ),
        Panel("table", "In force", "Policy, guard's version, and the release.", info),
    ])  # fmt: skip


def _identities(scope: Scope) -> Sequence[Instrument]:
    return (of.POLICY_INFO,) if scope.policy.release is None else (of.POLICY_INFO, of.MODEL_INFO)


ROWS: Final[tuple[Callable[[Scope], Row], ...]] = (
    now, traffic, latency, ladder, contract, predictions, freshness, drift, cost, budgets, process,
)  # fmt: skip


def _quantile(part: float, buckets: str, *by: str) -> str:
    return f"histogram_quantile({part}, sum by ({', '.join(('le', *by))}) ({buckets}))"


def _is(label: str, value: str) -> str:
    return matcher(label, "=", value)


def _is_not(label: str, value: str) -> str:
    return matcher(label, "!=", value)


def _not(state: str) -> str:
    return _is_not("guard_state", state)
