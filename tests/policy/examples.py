"""An example of every policy key: what its part looks like with it, and a whole policy in which that part stands."""

from collections.abc import Callable, Mapping

FIELD = {
    "type": "type: number",
    "unit": "type: number, unit: EUR/month",
    "zone": "type: timestamp, zone: Europe/Vienna",
    "description": "type: string, description: as the customer wrote it",
    "min": "type: integer, min: 18",
    "max": "type: integer, max: 120",
    "enum": "enum: [retail, business]",
    "required": "type: string, required: false",
    "nullable": "type: number, nullable: true",
    "default": "type: integer, default: 0",
    "example": "type: integer, min: 18, example: 34",
    "pattern": "type: string, pattern: '^[A-Z]{2}-[0-9]{6}$'",
    "min_length": "type: string, min_length: 2",
    "max_length": "type: string, max_length: 2000",
    "min_items": "type: array, items: {type: number}, min_items: 1",
    "max_items": "type: array, items: {type: number}, max_items: 24",
    "items": "type: array, items: {type: number, min: 0}",
    "fields": "type: object, fields: {city: {type: string}}",
    "nan": "type: number, nan: reject",
    "sensitivity": "type: number, sensitivity: financial",
    "treatment": "type: string, sensitivity: personal, treatment: hash",
    "detect": "type: string, detect: [email, phone]",
}
TENSOR = {"datatype": "type: number, datatype: FP32", "shape": "type: array, items: {type: number}, shape: [-1, 4]"}
CALL = {"connect": "connect: 500ms", "attempt": "attempt: 2s", "idle": "idle: 30s"}
LIMITS = {"concurrency": "concurrency: 16", "queue": "queue: 32", "queue_timeout": "queue_timeout: 200ms"}

DIGEST = f"sha256:{'0' * 64}"

EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "Policy": {
        "version": "version: guard/v1",
        "extends": "extends: org.yaml",
        "service": "service: credit-risk",
        "listen": "listen: {data: '127.0.0.1:8900'}",
        "state_dir": "state_dir: /var/lib/guard",
        "state": "state: required",
        "kill_file": "kill_file: /etc/guard/kill/KILL",
        "trusted_proxies": "trusted_proxies: [10.0.0.0/8]",
        "cors": "cors: {origins: ['https://app.example.com']}",
        "drain": "drain: 5s",
        "ready": "ready: any",
        "expose_reason": "expose_reason: false",
        "upstream": "upstream: http://127.0.0.1:8080",
        "release": "release: {model: credit-risk, version: '2.3'}",
        "candidate": "candidate: {release: {version: '2.4'}, url: 'http://127.0.0.1:8082', canary: {steps: [1%, 25%]}}",
        "routes": "routes: {GET /health: passthrough}",
        "privacy": "privacy: {traces: off}",
        "telemetry": "telemetry: {trace_sample: 5%}",
        "monitor": "monitor: {season: week}",
        "targets": "targets: {latency_p95: 300ms}",
        "owners": "owners: {serving: platform}",
        "webhooks": "webhooks: [{url: {env: GUARD_ALERT_URL}}]",
        "labels": "labels: {key: {env: GUARD_RECEIPT_KEY}}",
        "admin": "admin: {tokens: {file: /etc/guard/tokens}}",
    },
    "Labels": {
        "key": "key: {env: GUARD_RECEIPT_KEY}",
        "output": "output: label",
        "score": "score: score",
        "positive": "positive: approve",
        "share": "share: 5%",
        "expire": "expire: 45d",
        "maturity": "maturity: 30d",
        "segments": "segments: [channel]",
        "after": "after: {30d: approve}",
    },
    "Listen": {
        "data": "data: '0.0.0.0:8900'",
        "admin": "admin: '127.0.0.1:8901'",
        "ops": "ops: '0.0.0.0:8902'",
        "tls": "tls: {cert: cert.pem, key: key.pem}",
        "limits": "limits: {connections: 1000}",
    },
    "ListenTls": {"cert": "cert: cert.pem, key: key.pem", "key": "cert: cert.pem, key: key.pem"},
    "ListenLimits": {
        "connections": "connections: 1000",
        "buffered": "buffered: 128MiB",
        "head": "head: 5s",
        "body": "body: 30s",
        "write_stall": "write_stall: 10s",
        "keep_alive": "keep_alive: 60s",
        "headers": "headers: 50",
        "header_bytes": "header_bytes: 16KiB",
        "target": "target: 2KiB",
        "chunk_extensions": "chunk_extensions: 1KiB",
    },
    "Cors": {
        "origins": "origins: ['https://app.example.com']",
        "headers": "origins: ['https://app.example.com'], headers: [content-type]",
        "expose": "origins: ['https://app.example.com'], expose: [x-guard-source]",
        "credentials": "origins: ['https://app.example.com'], credentials: true",
        "max_age": "origins: ['https://app.example.com'], max_age: 1h",
    },
    "Upstream": {
        "url": "url: 'http://127.0.0.1:8080'",
        "probe": "url: 'http://127.0.0.1:8080', probe: /health",
        "tls": "url: 'https://model.internal', tls: {ca: ca.pem}",
        "limits": "url: 'http://127.0.0.1:8080', limits: {concurrency: 16}",
    },
    "TargetTls": {
        "ca": "ca: ca.pem",
        "cert": "cert: cert.pem, key: key.pem",
        "key": "cert: cert.pem, key: key.pem",
        "server_name": "server_name: model.internal",
    },
    "TargetLimits": {
        **LIMITS,
        "max_connection_age": "max_connection_age: 1m",
        "idle": "idle: 4s",
        "headers": "headers: 64",
        "header_bytes": "header_bytes: 32KiB",
    },
    "Route": {
        "dialect": "dialect: oip",
        "rows": "rows: /instances, input: {x: {type: number}}",
        "columns": "columns: [age, income], input: {age: {type: integer}, income: {type: number}}",
        "enforcement": "enforcement: observe, input: {x: {type: number}}",
        "undeclared": "undeclared: reject, input: {x: {type: number}}",
        "integers": "integers: exact, input: {id: {type: integer}}",
        "max_body": "max_body: 8MiB",
        "max_answer": "max_answer: 32MiB",
        "max_elements": "max_elements: 100000, input: {x: {type: number}}",
        "max_rows": "max_rows: 16, rows: /instances, input: {x: {type: number}}",
        "max_searched": "max_searched: 100000, input: {note: {type: string, detect: [email]}}",
        "max_finds": "max_finds: 100, input: {note: {type: string, detect: [email]}}",
        "stream": "stream: true",
        "repeatable": "repeatable: true",
        "heartbeat": "dialect: openai, heartbeat: 15s",
        "timeout": "timeout: {attempt: 2s, request: 5s}",
        "deadline_header": "deadline_header: x-deadline",
        "limits": "limits: {concurrency: 4}",
        "content": "content: [image/jpeg, image/png]",
        "input": "input: {age: {type: integer, min: 18}}",
        "output": "output: {score: {type: number, min: 0, max: 1}}",
        "fallback": "output: {score: {type: number}}, fallback: {score: 0.5}",
        "breaker": "breaker: {consecutive_failures: 3}",
        "targets": "targets: {cost: {per_request: 0.0004 EUR, daily: 5 EUR}}",
    },
    "InputField": {
        **FIELD,
        **TENSOR,
        "at": "type: integer, at: /customer/age",
        "send": "type: string, send: false",
        "missing": "type: number, missing: fall",
        "freshness": "type: timestamp, freshness: {warn: 1h, stale: 24h}",
        "log": "enum: [retail, business], log: true",
        "derived": "type: number, derived: true",
    },
    "OutputField": {
        **{key: text for key, text in FIELD.items() if key not in {"default", "detect"}},
        **TENSOR,
        "treatment": "type: number, treatment: drop",
        "at": "type: number, at: /predictions/*/score",
        "meaning": "type: number, meaning: probability of repayment",
        "calibration": "type: number, calibration: {ece: 0.03, report: calibration.json}",
        "from": "type: number, from: model",
    },
    "NestedField": FIELD,
    "Freshness": {"warn": "warn: 1h", "stale": "stale: 24h", "skew": "skew: 1m"},
    "Calibration": {"ece": "ece: 0.03", "report": "ece: 0.03, report: calibration.json"},
    "SchemaFile": {"schema": "schema: request.json"},
    "Timeout": {**CALL, "request": "attempt: 2s, request: 5s"},
    "RouteLimits": LIMITS,
    "Fallback": {
        "previous": "- previous: http://127.0.0.1:8081",
        "cached": "- cached: {max_age: 1h}",
        "rules": "- rules: [{when: age < 21, answer: {score: 0.1}}, {answer: {score: 0.5}}]",
        "disabled": "- disabled: {status: 503, retry_after: 30s}",
    },
    "Previous": {
        "url": "url: 'http://127.0.0.1:8081'",
        "limits": "url: 'http://127.0.0.1:8081', limits: {concurrency: 8}",
        "timeout": "url: 'http://127.0.0.1:8081', timeout: {attempt: 1s}",
        "tls": "url: 'https://previous.internal', tls: {ca: ca.pem}",
        "dialect": "url: 'http://127.0.0.1:8081', dialect: json",
        "version": "url: 'http://127.0.0.1:8081', version: '2.2'",
        "cost": "url: 'http://127.0.0.1:8081', cost: {per_request: 0.0002 EUR}",
    },
    "CallTimeout": CALL,
    "Cached": {
        "max_age": "max_age: 10m",
        "entries": "entries: 5000",
        "bytes": "bytes: 32MiB",
        "key": "key: [age]",
        "scope": "scope: [authorization]",
    },
    "Rule": {
        "when": "when: age < 21, answer: {score: 0.1}",
        "answer": "answer: {score: {cel: 'age > 60 ? 0.2 : 0.5'}}",
    },
    "Disabled": {
        "status": "status: 503",
        "body": "status: 503, body: {error: closed}",
        "retry_after": "status: 503, retry_after: 30s",
    },
    "Breaker": {
        "window": "window: 1m",
        "minimum_calls": "minimum_calls: 50",
        "failure_rate": "failure_rate: 25%",
        "consecutive_failures": "consecutive_failures: 3",
        "slow": "slow: {duration: 500ms}",
        "open_for": "open_for: 5s",
        "max_open_for": "max_open_for: 1m",
        "half_open_calls": "half_open_calls: 2",
        "close_after": "close_after: 5",
    },
    "Slow": {"duration": "duration: 500ms", "rate": "duration: 500ms, rate: 50%"},
    "Release": {
        "model": "model: credit-risk",
        "version": "version: '2.3'",
        "commit": "commit: 4f1c2aa",
        "lockfile": f"lockfile: '{DIGEST}'",
        "parts": "parts: {preprocessing: in_code, rules: none}",
        "contract": f"contract: '{DIGEST}'",
        "configuration": "configuration: {threshold: '0.7'}",
        "evaluation": "evaluation: {metrics: {auc: 0.87}}",
        "approved_by": "approved_by: risk-lead",
        "approved_at": "approved_at: '2026-11-03T09:00:00Z'",
        "pipeline": "pipeline: 'https://ci.example/runs/17'",
        "previous": "previous: '2.2'",
        "strict": "version: '2.3', strict: true",
    },
    "Candidate": {
        "release": "release: {version: '2.4'}",
        "url": "url: 'http://127.0.0.1:8082'",
        "tls": "url: 'https://next.internal', tls: {ca: ca.pem}",
        "engine": "engine: {compose: {file: compose.yaml, service: model-next}}",
        "key": "key: 'header:x-customer-id'",
        "shadow": "shadow: {share: 5%, side_effects: none, daily: 20 EUR}",
        "compare": "compare: {POST /p: {invalid: 0.5%, failed: 0.5%}}",
        "canary": "canary: {steps: [1%, 5%, 25%, 50%]}",
        "abort": "abort: {false_alarm: 1%}",
        "pass": "pass: {false_pass: 5%}",
        "promote": "promote: manual",
        "retain": "retain: 24h",
    },
    "CandidateEngine": {
        "compose": "compose: {file: compose.yaml, service: model-next}",
        "kubernetes": "kubernetes: {manifest: next.yaml, deployment: model-next, namespace: risk}",
        "mlflow": "mlflow: {url: 'http://127.0.0.1:5000', model: credit-risk, alias: candidate}",
        "command": "command: [./start-next, --port, '8082']",
    },
    "ComposeEngine": {"file": "file: compose.yaml, service: next", "service": "file: compose.yaml, service: next"},
    "KubernetesEngine": {
        "manifest": "manifest: next.yaml, deployment: model-next",
        "deployment": "deployment: model-next",
        "namespace": "deployment: model-next, namespace: risk",
    },
    "MlflowEngine": {
        "url": "url: 'http://127.0.0.1:5000', model: credit-risk",
        "model": "url: 'http://127.0.0.1:5000', model: credit-risk",
        "alias": "url: 'http://127.0.0.1:5000', model: credit-risk, alias: candidate",
    },
    "Shadow": {
        "share": "share: 5%, side_effects: none",
        "side_effects": "side_effects: none",
        "rate": "side_effects: none, rate: 20/s",
        "concurrency": "side_effects: none, concurrency: 4",
        "load_below": "side_effects: none, load_below: 70%",
        "daily": "side_effects: none, daily: 20 EUR",
    },
    "Compare": {
        "label": "label: {field: decision, disagree: 2%}",
        "score": "score: {field: score, within: 0.05, disagree: 5%}",
        "invalid": "invalid: 0.5%",
        "failed": "failed: 0.5%",
        "slow": "slow: {over: 250ms, by: 1%}",
    },
    "CompareLabel": {"field": "field: decision, disagree: 2%", "disagree": "field: decision, disagree: 2%"},
    "CompareScore": {
        "field": "field: score, within: 0.05, disagree: 5%",
        "within": "field: score, within: 0.05, disagree: 5%",
        "disagree": "field: score, within: 0.05, disagree: 5%",
    },
    "CompareSlow": {"over": "over: 250ms, by: 1%", "by": "over: 250ms, by: 1%"},
    "Canary": {
        "steps": "steps: [1%, 5%, 25%, 50%]",
        "step": "steps: [1%, 25%], step: {at_least: 15m, requests: 500}",
    },
    "CanaryStep": {"at_least": "at_least: 15m", "requests": "requests: 500"},
    "CandidateAbort": {"false_alarm": "false_alarm: 1%"},
    "CandidatePass": {"false_pass": "false_pass: 5%"},
    "ReleasePart": {
        "path": f"path: model.onnx, digest: '{DIGEST}'",
        "digest": f"path: model.onnx, digest: '{DIGEST}'",
    },
    "Earlier": {
        "version": "version: '2.2'",
        "commit": "version: '2.2', commit: 9d0e4b1",
        "digest": f"version: '2.2', digest: '{DIGEST}'",
        "record": "version: '2.2', record: releases/2.2.yaml",
    },
    "Evaluation": {
        "report": "report: evaluation.json, metrics: {auc: 0.87}",
        "digest": f"report: evaluation.json, digest: '{DIGEST}'",
        "data_set": "data_set: holdout-2026-10",
        "date": "date: '2026-11-01'",
        "metrics": "metrics: {auc: 0.87}",
    },
    "Privacy": {
        "traces": "traces: off",
        "hash_key": "hash_key: {env: GUARD_HASH_KEY}",
        "baggage": "baggage: [tenant]",
    },
    "Telemetry": {
        "trace_sample": "trace_sample: 5%",
        "prometheus": "prometheus: false",
        "gen_ai": "gen_ai: true",
    },
    "Targets": {
        "latency_p95": "latency_p95: 300ms",
        "error_rate": "error_rate: 1%",
        "availability": "availability: 99.5%",
        "model_share": "model_share: 95%",
        "expected_rate": "expected_rate: 50/s",
        "quality": "quality: {auc: 0.85}",
        "cost": "cost: {per_request: 0.0004 EUR}",
        "burn": "burn: {act: [freeze]}",
    },
    "Monitor": {
        "false_alarms": "false_alarms: 1 in 1d",
        "replicas": "replicas: 3",
        "tolerate": "tolerate: 0.05",
        "season": "season: week",
        "rate": "rate: 100/s",
        "reference": "reference: reference.json",
        "references": "references: {POST /p: reference.json}",
        "fields": "fields: {age: 0.1}",
        "expect": "expect: [{from: 2026-12-24T00:00:00Z, until: 2026-12-27T00:00:00Z, why: holidays}]",
    },
    "Expected": {
        "from": "from: 2026-12-24T00:00:00Z, until: 2026-12-27T00:00:00Z, why: holidays",
        "until": "from: 2026-12-24T00:00:00+01:00, until: 2026-12-27T00:00:00+01:00, why: holidays",
        "why": "from: 2026-12-31T00:00:00Z, until: 2027-01-02T00:00:00Z, why: end of the year",
    },
    "Burn": {
        "window": "window: 7d",
        "act": "act: [freeze, abort]",
        "descend": "act: [descend], descend: rules",
        "for": "act: [descend], descend: cached, for: 30m",
        "at_least": "at_least: 20",
    },
    "Cost": {
        "per_request": "per_request: 0.0004 EUR",
        "per_million_input_tokens": "per_million_input_tokens: 2 EUR",
        "per_million_output_tokens": "per_million_output_tokens: 8 EUR",
        "daily": "per_request: 0.0004 EUR, daily: 20 EUR",
        "alert_at": "per_request: 0.0004 EUR, daily: 20 EUR, alert_at: [50%, 80%, 95%]",
        "on_spent": "per_request: 0.0004 EUR, daily: 20 EUR, on_spent: next",
        "strict": "per_request: 0.0004 EUR, daily: 20 EUR, on_spent: next, strict: false",
        "max_output_tokens": "per_million_output_tokens: 8 EUR, max_output_tokens: 4096",
    },
    "RouteTargets": {"cost": "cost: {per_request: 0.0004 EUR, daily: 5 EUR, on_spent: deny}"},
    "Prices": {
        "per_request": "per_request: 0.0002 EUR",
        "per_million_input_tokens": "per_million_input_tokens: 1 EUR",
        "per_million_output_tokens": "per_million_output_tokens: 4 EUR",
    },
    "Owners": {
        "model_quality": "model_quality: risk-ds",
        "serving": "serving: platform",
        "data_freshness": "data_freshness: data-eng",
        "approvals": "approvals: risk-lead",
        "retraining": "retraining: risk-ds",
        "incidents": "incidents: {team: sre}",
    },
    "Incidents": {
        "team": "team: sre",
        "page": "team: sre, page: 'https://pager.example/risk'",
        "runbook": "team: sre, runbook: 'https://wiki.example/risk'",
        "dashboard": "team: sre, dashboard: 'https://grafana.example/risk'",
    },
    "Webhook": {
        "url": "url: {env: GUARD_ALERT_URL}",
        "format": "url: 'https://alerts.example/api/v2/alerts', format: alertmanager",
    },
    "Admin": {
        "tokens": "tokens: {file: /etc/guard/tokens}",
        "tls": "tokens: {file: /etc/guard/tokens}, tls: {cert: cert.pem, key: key.pem}",
        "console": "console: true",
        "hosts": "console: true, hosts: [guard.example.org]",
        "proxy": "console: true, proxy: {from: [10.0.0.7/32], operators: [sre]}",
    },
    "AdminProxy": {
        "from": "from: [10.0.0.7/32]",
        "user": "from: [10.0.0.7/32], user: x-forwarded-email",
        "groups": "from: [10.0.0.7/32], groups: x-forwarded-groups, operators: [sre]",
        "operators": "from: [10.0.0.7/32], operators: [sre, on-call]",
    },
    "Secret": {"env": "env: GUARD_HASH_KEY", "file": "file: /etc/guard/hash-key"},
}
"""By part and key. A key that needs a companion has it beside it."""


def _policy(top: str = "", route: str = "input: {age: {type: integer}}", upstream: str = "http://127.0.0.1:8080") -> str:
    return f"version: guard/v1\nservice: s\nupstream: {upstream}\n{top}\nroutes:\n  POST /p: {{{route}}}\n"


def _top(key: str) -> Callable[[str], str]:
    return lambda text: _policy(f"{key}: {{{text}}}")


def _in_route(around: str) -> Callable[[str], str]:
    return lambda text: _policy(route=around.replace("@", text))


def _with_oip(inner: Callable[[str], str]) -> Callable[[str], str]:
    """Tensors are the dialect oip's."""
    return lambda text: (
        inner(text).replace("{", "{dialect: oip, ", 1) if "datatype" in text or "shape" in text else inner(text)
    )


def _whole(text: str) -> str:
    minimal = {
        "version": "version: guard/v1",
        "service": "service: s",
        "upstream": "upstream: http://127.0.0.1:8080",
        "routes": "routes: {POST /p: passthrough}",
    }
    return "\n".join((*(line for key, line in minimal.items() if key != text.partition(":")[0]), text, ""))


def _ladder(text: str) -> str:
    ask = "    input: {age: {type: integer}}\n    output: {score: {type: number}}\n    fallback:\n"
    return f"version: guard/v1\nservice: s\nupstream: http://127.0.0.1:8080\nroutes:\n  POST /p:\n{ask}      {text}\n"


def _candidate(text: str) -> str:
    release = "" if text.startswith("release:") else "release: {version: 2}, "
    outputs = "decision: {enum: [yes, no]}, score: {type: number}"
    return _policy(f"candidate: {{{release}{text}}}", route=f"input: {{age: {{type: integer}}}}, output: {{{outputs}}}")


def _in_candidate(around: str) -> Callable[[str], str]:
    return lambda text: _candidate(around.replace("@", text))


WHERE: Mapping[str, Callable[[str], str]] = {
    "Policy": _whole,
    "Listen": _top("listen"),
    "ListenTls": lambda text: _policy(f"listen: {{tls: {{{text}}}}}"),
    "ListenLimits": lambda text: _policy(f"listen: {{limits: {{{text}}}}}"),
    "Cors": _top("cors"),
    "Upstream": lambda text: _policy(upstream=f"{{{text}}}"),
    "TargetTls": lambda text: _policy(upstream=f"{{url: 'https://model.internal', tls: {{{text}}}}}"),
    "TargetLimits": lambda text: _policy(upstream=f"{{url: 'http://127.0.0.1:8080', limits: {{{text}}}}}"),
    "Route": _in_route("@"),
    "InputField": _with_oip(_in_route("input: {x: {@}}")),
    "OutputField": _with_oip(_in_route("output: {x: {@}}")),
    "NestedField": _in_route("input: {x: {type: object, fields: {y: {@}}}}"),
    "Freshness": _in_route("input: {x: {type: timestamp, freshness: {@}}}"),
    "Calibration": _in_route("output: {x: {type: number, calibration: {@}}}"),
    "SchemaFile": _in_route("input: {@}"),
    "Timeout": _in_route("timeout: {@}"),
    "RouteLimits": _in_route("limits: {@}"),
    "Fallback": _ladder,
    "Previous": lambda text: _ladder(f"- previous: {{{text}}}"),
    "CallTimeout": lambda text: _ladder(f"- previous: {{url: 'http://127.0.0.1:8081', timeout: {{{text}}}}}"),
    "Cached": lambda text: _ladder(f"- cached: {{{text}}}"),
    "Rule": lambda text: _ladder(f"- rules: [{{{text}}}]"),
    "Disabled": lambda text: _ladder(f"- disabled: {{{text}}}"),
    "Breaker": _in_route("breaker: {@}"),
    "Slow": _in_route("breaker: {slow: {@}}"),
    "Release": lambda text: _policy(f"release: {{{text if 'version:' in text else f'version: 2, {text}'}}}"),
    "Candidate": _candidate,
    "CandidateEngine": _in_candidate("engine: {@}"),
    "ComposeEngine": _in_candidate("engine: {compose: {@}}"),
    "KubernetesEngine": _in_candidate("engine: {kubernetes: {@}}"),
    "MlflowEngine": _in_candidate("engine: {mlflow: {@}}"),
    "Shadow": _in_candidate("shadow: {@}"),
    "Compare": _in_candidate("compare: {POST /p: {@}}"),
    "CompareLabel": _in_candidate("compare: {POST /p: {label: {@}}}"),
    "CompareScore": _in_candidate("compare: {POST /p: {score: {@}}}"),
    "CompareSlow": _in_candidate("compare: {POST /p: {slow: {@}}}"),
    "Canary": _in_candidate("canary: {@}"),
    "CanaryStep": _in_candidate("canary: {steps: [1%], step: {@}}"),
    "CandidateAbort": _in_candidate("abort: {@}"),
    "CandidatePass": _in_candidate("pass: {@}"),
    "ReleasePart": lambda text: _policy(f"release: {{version: 2, lockfile: {{{text}}}}}"),
    "Earlier": lambda text: _policy(f"release: {{version: 2, previous: {{{text}}}}}"),
    "Evaluation": lambda text: _policy(f"release: {{version: 2, evaluation: {{{text}}}}}"),
    "Privacy": _top("privacy"),
    "Telemetry": _top("telemetry"),
    "Targets": _top("targets"),
    "Cost": lambda text: _policy(f"targets: {{cost: {{{text}}}}}"),
    "Monitor": _top("monitor"),
    "Expected": lambda text: _policy(f"monitor: {{expect: [{{{text}}}]}}"),
    "Burn": lambda text: _policy(f"targets: {{burn: {{{text}}}}}"),
    "RouteTargets": _in_route("targets: {@}"),
    "Prices": lambda text: _ladder(f"- previous: {{url: 'http://127.0.0.1:8081', cost: {{{text}}}}}"),
    "Owners": _top("owners"),
    "Incidents": lambda text: _policy(f"owners: {{incidents: {{{text}}}}}"),
    "Webhook": lambda text: _policy(f"webhooks: [{{{text}}}]"),
    "Labels": lambda text: _policy(f"labels: {{{text if 'key:' in text else f'key: {{env: K}}, {text}'}}}"),
    "Admin": _top("admin"),
    "AdminProxy": lambda text: _policy(f"admin: {{console: true, proxy: {{{text}}}}}"),
    "Secret": lambda text: _policy(f"privacy: {{hash_key: {{{text}}}}}"),
}
"""By part: a whole policy in which an example of the part stands."""
