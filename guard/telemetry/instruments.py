"""Every instrument, in one table. docs/telemetry.md is made from it.

HTTP durations follow OpenTelemetry's HTTP conventions. For models that are not generative there is no convention
(semantic-conventions#3420), so the rest is `guard.*`, in its style. Units are seconds, bytes or {annotations}: an
annotation vanishes from a name in Prometheus, so that both names agree.
"""

from typing import Final

from guard.telemetry.accumulators import Instrument

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Advised by the HTTP conventions."""
OVERHEAD: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05)
AGES: Final = (
    1.0,
    10.0,
    60.0,
    300.0,
    900.0,
    3600.0,
    4 * 3600.0,
    12 * 3600.0,
    86400.0,
    3 * 86400.0,
    7 * 86400.0,
    30 * 86400.0,
)
TENTHS: Final = tuple(step / 20 for step in range(1, 20))

DECADES: Final = tuple(step * 10.0**power for power in range(-2, 6) for step in (1.0, 2.5, 5.0))

_ROUTE: Final = "http.route"
_METHOD: Final = "http.request.method"
_STATUS: Final = "http.response.status_code"

SERVER_DURATION: Final = Instrument(
    "http.server.request.duration", "histogram", "s", "Time from a request's head to its answer's last byte.",
    (_METHOD, _ROUTE, _STATUS, "url.scheme", "network.protocol.version", "error.type"), SECONDS,
)  # fmt: skip
CLIENT_DURATION: Final = Instrument(
    "http.client.request.duration", "histogram", "s", "Time of one call to a model server, from writing to last byte.",
    (_METHOD, "server.address", "server.port", "url.scheme", _STATUS, "error.type", "guard.source"), SECONDS,
)  # fmt: skip
OVERHEAD_DURATION: Final = Instrument(
    "guard.overhead.duration", "histogram", "s",
    "Time that guard itself added to a request: all but the client's sending, queues, connecting and the model server.",
    (_METHOD, _ROUTE), OVERHEAD,
)  # fmt: skip
REQUESTS: Final = Instrument(
    "guard.requests", "counter", "{request}",
    "Exchanges by the rung that answered and the reason why the first rung was left. Refused requests have source `none` "
    "and the error code; `gone` if the client left.",
    (_METHOD, _ROUTE, "guard.source", "guard.reason", "guard.model.version"),
)  # fmt: skip
FALLBACKS: Final = Instrument(
    "guard.fallbacks", "counter", "{descent}", "Rungs that did not answer, each with its reason.",
    (_METHOD, _ROUTE, "guard.source", "guard.reason"),
)  # fmt: skip
RULE_ERRORS: Final = Instrument(
    "guard.rules.errors", "counter", "{error}",
    "Rules, by their number from 1, whose condition or answer had no value for a row: the next rule was asked.",
    (_METHOD, _ROUTE, "guard.rule"),
)  # fmt: skip
VIOLATIONS: Final = Instrument(
    "guard.violations", "counter", "{violation}", "Breaches of the contract by declared field, of requests and answers.",
    (_METHOD, _ROUTE, "guard.direction", "guard.field", "guard.code"),
)  # fmt: skip
REDACTIONS: Final = Instrument(
    "guard.redactions", "counter", "{redaction}", "Matches in texts that were replaced by a word, by detector.",
    (_METHOD, _ROUTE, "guard.field", "guard.detector"),
)  # fmt: skip
INSTANCES: Final = Instrument(
    "guard.instances", "counter", "{instance}", "Instances in requests that the contract allowed: a batch counts its rows.",
    (_METHOD, _ROUTE),
)  # fmt: skip
FEATURES: Final = Instrument(
    "guard.features", "counter", "{value}",
    "Notable values of declared fields that keep the contract: missing, defaulted, at_min, at_max, aging. Values count as "
    "they were sent: a default is at no bound.",
    (_METHOD, _ROUTE, "guard.field", "guard.state"),
)  # fmt: skip
FEATURE_AGE: Final = Instrument(
    "guard.feature.age", "histogram", "s",
    "Age of a request's timestamps when it arrives; below zero for a time in the future.",
    (_METHOD, _ROUTE, "guard.field"), AGES,
)  # fmt: skip
PREDICTIONS: Final = Instrument(
    "guard.predictions", "counter", "{prediction}",
    "Answers for each declared output, one for each instance: a class of the contract, or <value>, <missing>, "
    "<not_finite>, <out_of_range>, <unseen>, <invalid>.",
    (_METHOD, _ROUTE, "guard.output", "guard.class", "guard.source", "guard.model.version"),
)  # fmt: skip
PREDICTION_VALUE: Final = Instrument(
    "guard.prediction.value", "histogram", "{value}",
    "Values of numeric outputs, in twenty buckets over the contract's bounds.",
    (_METHOD, _ROUTE, "guard.output", "guard.source", "guard.model.version"),
    (*(-step for step in reversed(DECADES)), 0.0, *DECADES),
)  # fmt: skip
PREDICTION_CONFIDENCE: Final = Instrument(
    "guard.prediction.confidence", "histogram", "{value}", "The largest value of outputs that are lists of numbers.",
    (_METHOD, _ROUTE, "guard.output", "guard.source", "guard.model.version"), TENTHS,
)  # fmt: skip
TOP_SHARE: Final = Instrument(
    "guard.prediction.top_share", "gauge", "{share}",
    "Share of the most frequent class, or bucket of values, among the model's predictions of the last five minutes.",
    (_METHOD, _ROUTE, "guard.output", "guard.source", "guard.model.version"),
)  # fmt: skip
COST: Final = Instrument(
    "guard.cost", "counter", "{currency}", "Cost of the calls, by `targets.cost`.",
    (_METHOD, _ROUTE, "guard.currency"),
)  # fmt: skip
BUDGET_SHARE: Final = Instrument(
    "guard.cost.budget.share", "gauge", "{share}",
    "Share of `targets.cost.daily` spent since midnight UTC.", ("guard.currency",),
)  # fmt: skip
_OBJECTIVE: Final = "guard.slo"
SLO_BURN: Final = Instrument(
    "guard.slo.burn", "gauge", "1",
    "How many times faster than allowed an objective of `targets` burns its budget, over a window. Without a route: of the "
    "whole service.",
    (_METHOD, _ROUTE, _OBJECTIVE, "guard.window"),
)  # fmt: skip
SLO_LEFT: Final = Instrument(
    "guard.slo.budget.left", "gauge", "1",
    "Share of an objective's budget that is left in `targets.burn.window`; below zero if more than all is spent.",
    (_METHOD, _ROUTE, _OBJECTIVE),
)  # fmt: skip
SLO_STATE: Final = Instrument(
    "guard.slo.state", "gauge", "{state}", "1 for the state that an objective is in: fast, brisk, spent, slow or ok.",
    (_METHOD, _ROUTE, _OBJECTIVE, "guard.state"),
)  # fmt: skip
SLO_LOWERED: Final = Instrument(
    "guard.slo.lowered", "gauge", "{state}", "1 while a route is lowered because it burns its budget.", (_METHOD, _ROUTE)
)
BUDGET_LIMIT: Final = Instrument(
    "guard.budget.limit", "gauge", "{currency}",
    "A day's budget, `targets.cost.daily`. Without a route it is the service's, like all guard.budget.*",
    (_METHOD, _ROUTE, "guard.currency"),
)  # fmt: skip
BUDGET_SPENT: Final = Instrument(
    "guard.budget.spent", "gauge", "{currency}", "Spent of a budget since midnight UTC.",
    (_METHOD, _ROUTE, "guard.currency"),
)  # fmt: skip
BUDGET_HELD: Final = Instrument(
    "guard.budget.held", "gauge", "{currency}", "Reserved of a budget for calls under way.",
    (_METHOD, _ROUTE, "guard.currency"),
)  # fmt: skip
_OPERATION: Final = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.response.model")
TOKEN_USAGE: Final = Instrument(
    "gen_ai.client.token.usage", "histogram", "{token}",
    "Tokens of one generative answer, as its model server counts them. Only with `telemetry.gen_ai`, like all gen_ai.*",
    (*_OPERATION, "gen_ai.token.type"), tuple(4.0**power for power in range(14)),
)  # fmt: skip
GENERATION_DURATION: Final = Instrument(
    "gen_ai.server.request.duration", "histogram", "s", "Time of one generative answer, to its last byte.",
    (*_OPERATION, "error.type"), tuple(0.01 * 2**power for power in range(14)),
)  # fmt: skip
FIRST_TOKEN: Final = Instrument(
    "gen_ai.server.time_to_first_token", "histogram", "s", "Time from the call of a stream to the first event with output.",
    _OPERATION, (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)  # fmt: skip
EACH_TOKEN: Final = Instrument(
    "gen_ai.server.time_per_output_token", "histogram", "s", "Time of a stream for each token after the first.",
    _OPERATION, (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)  # fmt: skip
MODE: Final = Instrument(
    "guard.mode", "gauge", "{state}", "1 for the highest rung that operators allow the route.",
    (_METHOD, _ROUTE, "guard.mode"),
)  # fmt: skip
BREAKER_STATE: Final = Instrument(
    "guard.breaker.state", "gauge", "{state}", "1 for the state that the breaker is in.",
    (_METHOD, _ROUTE, "guard.target", "guard.state"),
)  # fmt: skip
POLICY_INFO: Final = Instrument(
    "guard.policy.info", "gauge", "{info}", "1, with the policy in force, guard's version, and its form: compiled or not.",
    ("guard.service", "guard.policy.digest", "guard.version", "guard.form"),
)  # fmt: skip
MODEL_INFO: Final = Instrument(
    "guard.model.info", "gauge", "{info}", "1, with the release that the policy names.",
    ("guard.model", "guard.model.version", "vcs.ref.head.revision", "guard.release.digest"),
)  # fmt: skip
MODEL_SERVED: Final = Instrument(
    "guard.model.served", "gauge", "{info}", "1, with the version that a model server reported last.",
    (_METHOD, _ROUTE, "guard.target", "guard.model.version"),
)  # fmt: skip
POLICY_REFUSED: Final = Instrument(
    "guard.policy.refused", "gauge", "{state}", "1 while the policy on disk is refused and the one before is in force."
)
TOKENS_REFUSED: Final = Instrument(
    "guard.tokens.refused", "gauge", "{state}", "1 while the token file, or a line of it, cannot be read."
)
ATTEMPTS_REFUSED: Final = Instrument(
    "guard.admin.refused", "counter", "{request}", "Requests to the admin API without a valid token."
)
ACTIVE: Final = Instrument("http.server.active_requests", "updowncounter", "{request}", "Exchanges under way.")
CONNECTIONS: Final = Instrument("guard.connections", "updowncounter", "{connection}", "Clients of the data listener.")
TURNED_AWAY: Final = Instrument(
    "guard.connections.refused", "counter", "{connection}", "Connections closed as all places were taken."
)
QUEUED: Final = Instrument(
    "guard.queue.length", "gauge", "{call}", "Calls that wait for a slot.", (_METHOD, _ROUTE, "guard.target")
)
SLOTS: Final = Instrument("guard.slots.used", "gauge", "{call}", "Calls under way.", (_METHOD, _ROUTE, "guard.target"))
POOL: Final = Instrument(
    "http.client.open_connections", "updowncounter", "{connection}", "Connections to model servers that are idle.",
    ("server.address", "server.port", "http.connection.state"),
)  # fmt: skip
BUFFERED: Final = Instrument("guard.buffered", "gauge", "By", "Bytes of bodies held at this moment.")
CACHE: Final = Instrument("guard.cache.size", "gauge", "By", "Bytes of the cached rung's answers.", (_METHOD, _ROUTE))
LOOP_LAG: Final = Instrument(
    "guard.loop.lag",
    "histogram",
    "s",
    "How late the event loop comes to a timer, and then to the oldest request that it has read.",
    (),
    SECONDS,
)
ALERTS: Final = Instrument(
    "guard.alerts", "counter", "{alert}", "Incident notifications that a webhook accepted, repetitions included.",
    ("guard.incident", "guard.format"),
)  # fmt: skip
DROPPED: Final = Instrument(
    "guard.telemetry.dropped", "counter", "{item}", "Spans, log lines, metric exports and alerts given up, and why.",
    ("guard.signal", "guard.reason"),
)  # fmt: skip
CRASHES: Final = Instrument(
    "guard.sink.crashes", "counter", "{crash}", "Records on which a sink crashed, by sink.", ("guard.sink",)
)
SLOW_SINKS: Final = Instrument(
    "guard.sink.slow", "counter", "{batch}", "Batches of records that a sink held up for more than 5 ms.", ("guard.sink",)
)
LOOP_ERRORS: Final = Instrument(
    "guard.loop.errors", "counter", "{error}", "Errors that only the event loop caught: a bug of guard."
)
SUBSCRIBER_CRASHES: Final = Instrument(
    "guard.subscriber.crashes", "counter", "{crash}", "Events that a subscriber failed on, by subscriber: a bug of guard.",
    ("guard.subscriber",),
)  # fmt: skip
TASK_CRASHES: Final = Instrument(
    "guard.task.crashes", "counter", "{crash}",
    "Times that a background task of guard ended with an error, or stood still, and was started again.", ("guard.task",),
)  # fmt: skip
TASK_DOWN: Final = Instrument(
    "guard.task.down", "gauge", "{state}",
    "1 for a background task that could not be started again for 10 s; `/livez` fails meanwhile.", ("guard.task",),
)  # fmt: skip
LOOP_STALLS: Final = Instrument(
    "guard.loop.stalls", "counter", "{stall}",
    "Times that the event loop stood still for more than 100 ms, by the place in the code; beyond fifty places `other`.",
    ("guard.place",),
)  # fmt: skip
FILE_UNREADABLE: Final = Instrument(
    "guard.file.unreadable", "gauge", "{state}",
    "1 for a watched file that cannot be read, or hangs; its last content stays in force.", ("guard.file",),
)  # fmt: skip
LABELS: Final = Instrument(
    "guard.labels", "counter", "{label}",
    "Labels that were sent, by the token's name and what became of them; no route where a receipt tells none.",
    (_ROUTE, "guard.model.version", "guard.label.source", "guard.outcome"),
)  # fmt: skip
LABEL_DELAY: Final = Instrument(
    "guard.label.delay", "histogram", "s", "Time from a prediction to its label.", (_ROUTE,), AGES
)
LABEL_COVERAGE: Final = Instrument(
    "guard.label.coverage", "gauge", "{share}", "Share of mature predictions with a receipt that have a label.",
    (_ROUTE, "guard.model.version"),
)  # fmt: skip
_QUALITY: Final = (_ROUTE, "guard.model.version", "guard.segment", "guard.bound")
QUALITY_ACCURACY: Final = Instrument(
    "guard.quality.accuracy", "gauge", "{value}", "Accuracy by labels; bound: low, estimate, high of 95 %.", _QUALITY
)
QUALITY_BRIER: Final = Instrument("guard.quality.brier", "gauge", "{value}", "Brier score by labels.", _QUALITY)
QUALITY_CALIBRATION: Final = Instrument(
    "guard.quality.calibration_error", "gauge", "{value}", "Calibration error by labels, without the bias of few.", _QUALITY
)
QUALITY_AUC: Final = Instrument("guard.quality.auc", "gauge", "{value}", "Area under the ROC curve by labels.", _QUALITY)
QUALITY_MAE: Final = Instrument("guard.quality.mae", "gauge", "{value}", "Mean absolute error by labels.", _QUALITY)
EXPECTED_ACCURACY: Final = Instrument(
    "guard.expected.accuracy", "gauge", "{share}", "Accuracy that the scores promise, without labels.", _QUALITY
)
_SIGNAL: Final = (_METHOD, _ROUTE, "guard.signal")
DRIFT_EVIDENCE: Final = Instrument(
    "guard.drift.evidence", "gauge", "{evidence}",
    "Evidence that inputs or answers are no longer as the reference has them; an alarm at `guard.drift.threshold`.",
    (_METHOD, _ROUTE),
)  # fmt: skip
DRIFT_THRESHOLD: Final = Instrument(
    "guard.drift.threshold", "gauge", "{evidence}",
    "Evidence at which a route alarms: by it false alarms are as rare as `monitor.false_alarms` says.", (_METHOD, _ROUTE),
)  # fmt: skip
DRIFT_ALARM: Final = Instrument(
    "guard.drift.alarm", "gauge", "{state}", "1 while a route has an alarm, with its strongest signal; 0 without one.",
    (_METHOD, _ROUTE, "guard.signal", "guard.severity", "guard.topic"),
)  # fmt: skip
DRIFT_ALARMS: Final = Instrument(
    "guard.drift.alarms", "counter", "{alarm}", "Alarms that ended: by themselves (over), or by an order (accept, reset).",
    (*_SIGNAL, "guard.severity", "guard.verdict"),
)  # fmt: skip
DRIFT_STAGE: Final = Instrument(
    "guard.drift.stage", "gauge", "{state}", "1 for what a signal's reference allows to be claimed by now.",
    (*_SIGNAL, "guard.stage"),
)  # fmt: skip
DRIFT_EFFECT: Final = Instrument(
    "guard.drift.effect", "gauge", "{h}", "Largest change of a signal's cells in the last minutes, as Cohen's h.", _SIGNAL
)
DRIFT_PSI: Final = Instrument(
    "guard.drift.psi", "gauge", "{psi}", "Population stability index of a signal in the last minutes. No alarm uses it.",
    _SIGNAL,
)  # fmt: skip
DRIFT_DISPERSION: Final = Instrument(
    "guard.drift.dispersion", "gauge", "{ratio}", "How much more a signal varies than independent requests would.", _SIGNAL
)
REFERENCE_ROWS: Final = Instrument("guard.reference.rows", "gauge", "{row}", "Rows of a signal's reference.", _SIGNAL)
REFERENCE_AGE: Final = Instrument(
    "guard.reference.age", "gauge", "s", "Time since a route's reference was made or learned.",
    (_METHOD, _ROUTE, "guard.direction"),
)  # fmt: skip
CPU: Final = Instrument("process.cpu.time", "counter", "s", "Processor time of this process.", ("cpu.mode",))
MEMORY: Final = Instrument("process.memory.usage", "updowncounter", "By", "Resident memory.")
DESCRIPTORS: Final = Instrument(
    "guard.file_descriptors", "gauge", "{file_descriptor}",
    "Open file descriptors. The convention's name would end in `_count`, which Prometheus keeps for histograms.",
)  # fmt: skip
STARTED: Final = Instrument("process.start.time", "gauge", "s", "Start time of this process, in seconds since the epoch.")

INSTRUMENTS: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Instrument))
