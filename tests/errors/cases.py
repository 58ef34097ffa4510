"""What causes each error: the smallest input, by the name of the cause."""

HEAD = "version: guard/v1\nservice: s\nupstream: http://h:1\n"
ONE = "routes: {GET /: passthrough}\n"
IN = "input: {a: {type: number}, b: {type: string, required: false}}\n"
OUT = "output: {label: {enum: [x, y]}, score: {type: number, max: 1, from: model}}\n"


def field(text: str) -> str:
    """A policy with an input field."""
    return route("input: {f: {%s}}" % text)


def output(text: str) -> str:
    """A policy with an output."""
    return route("output: {f: {%s}}" % text)


def route(text: str, key: str = "POST /p") -> str:
    """A policy with a route."""
    body = "".join(f"    {line}\n" for line in text.strip("\n").split("\n"))
    return HEAD + f"routes:\n  '{key}':\n" + body


def top(text: str) -> str:
    """A policy with another value of a key."""
    key = text.partition(":")[0]
    lines = [line for line in (HEAD + ONE).splitlines() if not line.startswith(key + ":")]
    return "\n".join([*lines, text]) + "\n"


def rule(text: str, fields: str = IN) -> str:
    """A policy with a rule."""
    return route(fields + OUT + "fallback:\n  - rules: [%s]" % text)


def when(text: str) -> str:
    """A policy with a condition."""
    return rule("{when: '%s', answer: {label: x}}, {answer: {label: y}}" % text.replace("'", "''"))


def schema(text: str) -> tuple[str, dict[str, str]]:
    """A policy with a schema file."""
    return route("input: {schema: s.json}"), {"s.json": text}


POLICIES: dict[str, str | tuple[str, dict[str, str]]] = {
    # the file
    "nothing in the file": "",
    "a policy that is a list": "- a\n",
    "two documents": HEAD + ONE + "---\n" + HEAD + ONE,
    "an alias": HEAD + "routes: *a\n",
    "an anchor": HEAD + "routes: &a {GET /: passthrough}\n",
    "a tag": HEAD + "routes: !x {GET /: passthrough}\n",
    "a key twice": HEAD + ONE + "service: t\n",
    "a key that is a list": HEAD + ONE + "? [a]\n: b\n",
    "a character that is none": HEAD + ONE + "drain: \x01\n",
    "no YAML": HEAD + "routes: {\n",
    # the candidate
    "an engine that is two": top("candidate: {release: {version: '2'}, engine: {command: [./x], mlflow: {url: u, model: m}}}"),
    "a key that names nobody": top("candidate: {release: {version: '2'}, key: customer}"),
    "a key that no route declares": top("candidate: {release: {version: '2'}, key: 'field:customer'}"),
    "a key without its name": top("candidate: {release: {version: '2'}, key: 'header:'}"),
    "a route that is not compared": top("candidate: {release: {version: '2'}, compare: {POST /q: {invalid: 1%}}}"),
    "an output that is not compared": route(OUT)
    + "candidate: {release: {version: '2'}, compare: {POST /p: {label: {field: lable, disagree: 1%}}}}\n",
    "a step that does not rise": top("candidate: {release: {version: '2'}, canary: {steps: [5%, 5%]}}"),
    # keys and words
    "a key that is needed": "version: guard/v1\nservice: s\nroutes: {GET /: passthrough}\n",
    "an unknown key": top("drian: 5s"),
    "a key without a blank": field("type: string, min:1"),
    "an unknown word": route("enforcement: enforced"),
    "a word that is missing": route("enforcement:"),
    "a mapping that is a word": top("listen: x"),
    "a mapping that is a list": top("listen: []"),
    "a list that is a word": top("trusted_proxies: 10.0.0.0/8"),
    "a word that is a mapping": top("service: {a: b}"),
    "a word that is a list": top("service: [a]"),
    "an empty mapping of routes": top("routes: {}"),
    "a name that is none": top("service: a b"),
    # scalars
    "a duration without a unit": top("drain: 10"),
    "a duration out of range": top("drain: 4000d"),
    "a size without a unit that is known": route("max_body: 1MB"),
    "a size of a part of a byte": route("max_body: 0.3KiB"),
    "a size out of range": route("max_body: 0"),
    "a share that is none": top("telemetry: {trace_sample: 0.01}"),
    "a share over everything": top("targets: {availability: 101%}"),
    "a rate that is none": top("targets: {expected_rate: 50}"),
    "a price without a currency": top("targets: {cost: {daily: 20}}"),
    "an address that is none": top("listen: {data: 8900}"),
    "a port that is none": top("listen: {data: 0.0.0.0:99999}"),
    "a network that is none": top("trusted_proxies: [x]"),
    "a network with host bits": top("trusted_proxies: [10.0.0.1/8]"),
    "a boolean that is none": route("stream: maybe"),
    "a boolean in quotes": route("stream: 'true'"),
    "a whole number that is none": route("limits: {concurrency: many}"),
    "a whole number in quotes": route("limits: {concurrency: '1'}"),
    "a whole number out of range": route("limits: {concurrency: 0}"),
    "a number that is none": top("targets: {quality: {auc: high}}"),
    "a number in quotes": top("targets: {quality: {auc: '0.8'}}"),
    "a path that is empty": top("kill_file: ''"),
    "a path that no file has": top('kill_file: "a\\0"'),
    "a pointer that is none": field("type: string, at: x"),
    "a URL that is none": top("upstream: ftp://h"),
    "a URL with a password": top("upstream: http://u:p@h"),
    "a URL with a path": top("upstream: http://h/p"),
    "a variable that is not set": top("upstream: 'http://{env:NOWHERE}:1'"),
    # extends
    "extends that is a list": top("extends: [a]"),
    "extends that is no relative path": top("extends: /org.yaml"),
    "extends a file that is not there": top("extends: org.yaml"),
    "extends itself": (top("extends: policy.yaml"), {}),
    "extends a file with routes": (top("extends: org.yaml"), {"org.yaml": HEAD + ONE}),
    "extends another version": (top("extends: org.yaml"), {"org.yaml": "version: guard/v2\n"}),
    # the whole
    "one port for two listeners": top("listen: {data: 0.0.0.0:8901}"),
    "an origin that is none": top("cors: {origins: [example.com]}"),
    "every origin with credentials": top("cors: {origins: ['*'], credentials: true}"),
    "a secret in the policy": top("admin: {tokens: abc}"),
    "a secret in two places": top("privacy: {hash_key: {env: A, file: b}}"),
    "false alarms without a time": top("monitor: {false_alarms: 1}"),
    "a tolerance that is none": top("monitor: {tolerate: 2}"),
    "a field's tolerance that is none": top("monitor: {fields: {a: never}}"),
    "a tolerance of a field that is misspelt": HEAD + "routes: {POST /p: {input: {income: {type: number}}}}\n"
    "monitor: {fields: {incme: off}}\n",
    "a tolerance where no field is declared": top("monitor: {fields: {a: off}}"),
    "a reference of no route": (
        HEAD + "routes: {POST /p: {input: {income: {type: number}}}}\nmonitor: {references: {POST /q: r.json}}\n",
        {"r.json": "{}"},
    ),
    "a rate that cannot be looked at": top("monitor: {rate: 0.1/s}"),
    "a reference that is not there": top("monitor: {reference: nowhere.json}"),
    "a reference that is none": (top("monitor: {reference: r.json}"), {"r.json": "{}"}),
    "a season that is none": top("monitor: {season: year}"),
    "a monitor that is a word": top("monitor: on"),
    "a moment without its offset": top("monitor: {expect: [{from: 2026-12-24, until: 2026-12-27, why: x}]}"),
    "a time that ends before it begins": top(
        "monitor: {expect: [{from: '2026-12-24T00:00:00Z', until: '2026-12-23T00:00:00Z', why: x}]}"
    ),
    "a budget of an hour": top("targets: {burn: {window: 1h}}"),
    "a descent to nowhere": top("targets: {burn: {act: [descend]}}"),
    "a rung that nothing descends to": top("targets: {burn: {descend: rules}}"),
    "prices of two currencies": top("targets: {cost: {daily: 20 USD, per_request: 1 EUR}}"),
    "an act without a budget": top("targets: {cost: {per_request: 1 EUR, on_spent: next}}"),
    "a strict budget that only alerts": top("targets: {cost: {per_request: 1 EUR, daily: 9 EUR, strict: true}}"),
    "a budget without a price": top("targets: {cost: {daily: 9 EUR, on_spent: next}}"),
    "a budget of a route without a price": route("targets: {cost: {daily: 9 EUR, on_spent: deny}}"),
    "a budget of tokens that nobody counts": top(
        "targets: {cost: {per_million_output_tokens: 1 EUR, daily: 9 EUR, on_spent: next}}"
    ),
    "a strict budget of answers without a bound": route(
        "dialect: openai\ntargets: {cost: {per_million_output_tokens: 1 EUR, daily: 9 EUR, on_spent: next}}"
    ),
    "a budget in another currency": route("targets: {cost: {per_request: 1 USD}}")
    + "targets: {cost: {per_request: 1 EUR, daily: 9 EUR}}\n",
    "a webhook that is a word": top("webhooks: [x]"),
    "a webhook that goes nowhere": top("webhooks: [{url: x}]"),
    "labels with an age that is none": top("labels: {key: {env: K}, after: {soon: a}}"),
    "labels that expire before they are judged": top("labels: {key: {env: K}, expire: 1d}"),
    "labels that no route can follow": top("labels: {key: {env: K}}"),
    "an age of a label that is none": route("input: {a: {type: number}}\noutput: {label: {enum: [x, y]}}")
    + "labels: {key: {env: K}, after: {30d: z}}\n",
    "labels by a field twice": top("labels: {key: {env: K}, segments: [a, a]}"),
    "a key of labels in the policy": top("labels: {key: abc}"),
    "a release file that is not there": top("release: nowhere.yaml"),
    # routes
    "a route that is none": top("routes: {get /health: passthrough}"),
    "a route that is a word": top("routes: {GET /x: forward}"),
    "HEAD": top("routes: {HEAD /x: passthrough}"),
    "a GET with a body": top("routes: {GET /x: {input: {a: {type: number}}}}"),
    "two routes for one request": top("routes: {'GET /x/{a}': passthrough, 'GET /x/{b}': passthrough}"),
    "a route that reaches what operators use": route("dialect: oip\ninput: {a: {type: number}}", "POST /v2/models/m/*"),
    "rows without input": route("rows: /x"),
    "columns without fields": route("columns: [a]"),
    "a column twice": route("columns: [a, a]\n" + IN),
    "a column that nobody declared": route("columns: [aa]\ninput: {a: {type: number, required: false}}"),
    "a column with a place": route("columns: [a]\ninput: {a: {type: number, at: /x}}"),
    "a required field that is no column": route("columns: [b]\n" + IN),
    "content and fields": route("content: [image/png]\n" + IN),
    "content that is none": route("content: [png]"),
    "rows of another dialect": route("dialect: kserve-v1\nrows: /x\n" + IN),
    "columns without a tensor": route("dialect: oip\ncolumns: [a]\n" + IN),
    "a tensor where there are none": field("type: array, shape: [-1]"),
    "a schema file of another dialect": (route("dialect: oip\ninput: {schema: s.json}"), {"s.json": "{}"}),
    "attempts longer than the request": route("timeout: {connect: 8s}"),
    "the previous model's attempts longer than the request": route("fallback: [{previous: {url: 'http://h:2', timeout: {attempt: 20s}}}]"),
    "the previous model in another dialect": route("fallback: [{previous: {url: 'http://h:2', dialect: oip}}]"),
    "open longer than ever": route("breaker: {open_for: 3m}"),
    "a limit of rows that are none": route("max_rows: 4\n" + IN),
    "heartbeats of no stream": route("heartbeat: 15s"),
    "heartbeats at every moment": route("dialect: openai\nheartbeat: 10ms"),
    "heartbeats that never come": route("dialect: openai\nheartbeat: 30s"),
    "integers that readers round": field("type: integer, default: 9007199254740993"),
    "a key of a cache that is not sent": route(IN + OUT + "fallback: [{cached: {key: [c]}}]"),
    # ladders and rules
    "an unknown rung": route("fallback: [{cache: {}}]"),
    "a rung twice": route("fallback: [{cached: {}}, {cached: {}}]"),
    "rungs in another order": route(OUT + "fallback: [{rules: [{answer: {label: x}}]}, {cached: {}}]"),
    "a rung of two keys": route("fallback: [{cached: {}, disabled: {}}]"),
    "rules without outputs": route("fallback: {label: a}"),
    "a rule for an output that nobody declared": rule("{answer: {lable: x}}"),
    "a rule without an output that is needed": rule("{answer: {score: 0.5}}"),
    "a rule whose answer breaks the contract": rule("{answer: {label: z}}"),
    "a rule that is never reached": rule("{answer: {label: x}}, {answer: {label: y}}"),
    "a condition without input": route(OUT + "fallback: [{rules: [{when: 'true', answer: {label: x}}]}]"),
    "an expression without input": route(OUT + "fallback: [{rules: [{answer: {label: {cel: '\"x\"'}}}]}]"),
    "a condition that is a number": when("a + 1.0"),
    "a condition that is no CEL": when("a >"),
    "a condition on a field that nobody declared": when("c > 1"),
    "a condition on a field that may be missing": when("b == 'x'"),
    "a condition that names input alone": when("input == 1"),
    "a remainder of a part": when("a % 2.5 == 0"),
    "a number of a rule that no double is": when("a > 9007199254740993"),
    "an escape that is none": when("'\\q' == 'x'"),
    "a character that is none in a text": when("'\\ud800' == 'x'"),
    "a condition that is nested too deep": when("(" * 300 + "true" + ")" * 300),
    "a condition with too many operators": when("a" + " + 1.0" * 2000 + " > 1.0"),
    # fields
    "a type that is missing": field("min: 1"),
    "a type that is unknown": field("type: text"),
    "a key of another type": field("type: string, min: 1"),
    "a bound above the other": field("type: number, min: 2, max: 1"),
    "a bound of an integer with a part": field("type: integer, min: 0.5"),
    "a pattern that is none": field("type: string, pattern: '('"),
    "a pattern that costs too much": field("type: string, pattern: '(a{1,100}){1,100}b'"),
    "a unit that is no time's": field("type: timestamp, unit: minutes"),
    "a zone that is none": field("type: timestamp, zone: Europe/Pariss"),
    "a zone of an epoch": field("type: timestamp, unit: s, zone: UTC"),
    "a member twice in an enum": field("enum: [x, x]"),
    "a default that is required": field("type: number, default: 1, required: true"),
    "a default of another type": field("type: number, default: x"),
    "a default in quotes": field("type: number, default: '1'"),
    "a default that is a list": field("type: number, default: [1]"),
    "a default that is null": field("type: number, default: null"),
    "a default that is not in the enum": field("enum: [x], default: y"),
    "a default below the bound": field("type: number, min: 1, default: 0"),
    "a default above the bound": field("type: number, max: 1, default: 2"),
    "a default that is too long": field("type: string, max_length: 1, default: xx"),
    "a default that is too short": field("type: string, min_length: 2, default: x"),
    "a default that does not match": field("type: string, pattern: '^a$', default: b"),
    "a default without an offset": field("type: timestamp, default: 2025-01-01T00:00:00"),
    "a default that is no time": field("type: timestamp, default: yesterday"),
    "a default that is no list": field("type: array, default: x"),
    "a default that is no mapping": field("type: object, default: x"),
    "a default with a member that nobody declared": field("type: object, fields: {a: {type: number}}, default: {b: 1}"),
    "a default without a member that is needed": field("type: object, fields: {a: {type: number}}, default: {}"),
    "a default that its tensor does not hold": route("dialect: oip\ninput: {f: {type: integer, datatype: INT8, default: 300}}"),
    "a secret that is hashed": field("type: string, sensitivity: secret, treatment: hash"),
    "a field that is logged and personal": field("type: string, sensitivity: personal, log: true"),
    "freshness of another type": field("type: string, freshness: {}"),
    "a warning later than stale": field("type: timestamp, freshness: {warn: 2h, stale: 1h}"),
    "an optional field that is missing": field("type: number, required: false, missing: fall"),
    "an input in many places": field("type: string, at: /a/*"),
    "an output that is hashed": output("type: string, treatment: hash"),
    "an output with a default": output("type: number, default: 1"),
    "an output in places of places": output("type: number, at: '/*/x/*'"),
    "a field that is the whole": field("type: string, at: ''"),
    "two fields in one place": route("input: {a: {type: number, at: /x}, b: {type: number, at: /x}}"),
    "a field inside of another": route("input: {a: {type: number, at: /x}, b: {type: number, at: /x/y}}"),
    "a way to a field is a field": route("input: {a: {type: number, at: /x/y}, b: {type: number, at: /x}}"),
    "two outputs in one place": route("output: {a: {type: number, at: /x}, b: {type: number, at: /x}}"),
    "an output beside a list": route("output: {a: {type: number, at: /x/*}, b: {type: number, at: /x/y}}"),
    "a field that tei does not have": route("dialect: tei\n" + IN, "POST /p"),
    "columns of tei": route("dialect: tei\ncolumns: [a]\n" + IN, "POST /embed"),
    "a query that is not declared": route("dialect: tei\ninput: {texts: {type: array, items: {type: string}}}", "POST /rerank"),
    "a word of openai that is not sent": route("dialect: openai\ninput: {texts: {type: array, send: false}}", "POST /v1/chat/completions"),
    # schema files
    "a schema file that is not there": route("input: {schema: s.json}"),
    "a schema file that is no JSON": schema("{"),
    "a schema file with a name twice": schema('{"type": "object", "type": "array"}'),
    "a schema file that is no schema": schema('{"type": "objekt"}'),
    "a schema file of an unknown draft": schema('{"$schema": "http://example.com/s"}'),
    "a schema file of two drafts": schema('{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"a": {"$id": "a", "$schema": "http://json-schema.org/draft-07/schema#"}}}'),
    "a schema file that refers elsewhere": schema('{"$ref": "https://example.com/s.json"}'),
    "a schema file that refers to nothing": schema('{"$ref": "#/$defs/a"}'),
    "a schema file that refers to no anchor": schema('{"$ref": "#a"}'),
    "a schema file with an id twice": schema('{"$defs": {"a": {"$id": "x"}, "b": {"$id": "x"}}}'),
    "a schema file that refers to itself": schema('{"$ref": "#"}'),
    "a schema file whose pattern costs too much": schema('{"properties": {"a": {"pattern": "(a{1,100}){1,100}b"}}}'),
}  # fmt: skip

COMMANDS: dict[str, list[str]] = {
    "serve without anything": ["serve"],
    "an address that is none": ["serve", "--listen", "8900", "--upstream", "http://h:1"],
    "an upstream that is none": ["serve", "--upstream", "h"],
    "a policy that is not there": ["check", "nowhere.yaml"],
    "an unknown command": ["chek"],
    "an unknown option": ["check", "--jsn", "policy.yaml"],
    "a request that is not there": ["explain", "policy.yaml", "nowhere.json"],
    "a route that the policy does not have": ["explain", "policy.yaml", "request.json", "--route", "POST /q"],
    "a route that is not said": ["explain", "two.yaml", "request.json"],
    "a selector that is none": ["export", "prometheus-rules", "policy.yaml", "--selector", "x"],
    "a dialect that is none": ["init", "--upstream", "http://127.0.0.1:1", "--dialect", "grpc"],
    "a file that is there": ["init", "--upstream", "http://127.0.0.1:1", "-o", "policy.yaml"],
    "a release of nothing": ["release", "policy.yaml"],
    "a release that is written and verified": ["release", "policy.yaml", "--verify", "--version", "1"],
    "a metric without a value": ["release", "policy.yaml", "--version", "1", "--metric", "auc"],
    "a metric that is no number": ["release", "policy.yaml", "--version", "1", "--metric", "auc=high"],
    "a metric twice": ["release", "policy.yaml", "--version", "1", "--metric", "auc=1", "--metric", "auc=1"],
    "a metric to tolerate that is none": ["release", "evaluate", "policy.yaml", "rows.csv", "--candidate", "http://h:1", "--tolerate", "auc=1%"],
    "a tolerance without a share": ["release", "plan", "policy.yaml", "--tolerate", "invalid"],
    "a share that is none": ["release", "plan", "policy.yaml", "--share", "500%"],
    "a part of an unknown kind": ["release", "policy.yaml", "--version", "1", "--part", "wheights=none"],
    "a live guard that is none": ["checklist", "policy.yaml", "--live", "x"],
    "two forms of a checklist": ["checklist", "policy.yaml", "--markdown", "--json"],
    "a rehearsal of a URL that is none": ["rehearse", "policy.yaml", "--data", "http://h/p"],
    "the ops listener of nobody": ["rehearse", "policy.yaml", "--ops", "http://127.0.0.1:1"],
    "a guard that does not run": ["status", "--state-dir", "empty"],
    "a token over a network": ["status", "--admin", "192.0.2.1:8901"],
    "a duration of an order that is none": ["kill", "--reason", "x", "--ttl", "10"],
    "a drill without a file": ["drill", "--request", "POST /p"],
    "a drill with a file that is not there": ["drill", "--request", "POST /p=nowhere"],
    "a peer that is empty": ["kill", "--reason", "x", "--peers", ","],
    "a name that no token file can hold": ["token", "otto müller"],
    "an observation without a time": ["observe", "--route", "POST /p", "--reason", "x"],
    "fewer listeners than peers": ["drill", "policy.yaml", "--peers", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", "--data", "http://a,http://b"],
    "one listener for several peers": ["drill", "policy.yaml", "--peers", "127.0.0.1:1,127.0.0.1:2", "--data", "http://a"],
}  # fmt: skip

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "an endpoint without a scheme": {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
    "an endpoint of another scheme": {"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://collector:4317"},
    "an endpoint without a host": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"},
    "an endpoint whose host is none": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1"},
    "an endpoint whose port is none": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:port"},
    "an endpoint with the port 0": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:0"},
    "another protocol": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    "an unknown exporter": {"OTEL_TRACES_EXPORTER": "jaeger"},
    "an unknown sampler": {"OTEL_TRACES_SAMPLER": "jaeger_remote"},
    "an interval that is no number": {"OTEL_METRIC_EXPORT_INTERVAL": "often"},
    "an interval out of range": {"OTEL_METRIC_EXPORT_INTERVAL": "0"},
    "an attribute without a value": {"OTEL_RESOURCE_ATTRIBUTES": "a"},
    "a configuration file": {"OTEL_CONFIG_FILE": "otel.yaml"},
    "an unknown propagator": {"OTEL_PROPAGATORS": "b3"},
}
