"""Policies from disk: what they mean, and every way they are refused."""

from pathlib import Path

import pytest

from guard.policy.errors import PolicyInvalid
from guard.policy.fields import SchemaFile
from guard.policy.ladder import Cel
from guard.policy.loading import load
from guard.policy.models import Passthrough

POLICIES = Path(__file__).parents[2] / "policies"
GOLDEN = Path(__file__).parent / "golden"
HEAD = "version: guard/v1\nservice: s\nupstream: http://127.0.0.1:8080\n"
ROUTE = HEAD + "routes:\n  POST /p:\n"


@pytest.fixture
def write(tmp_path):
    def put(text, name="policy.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


@pytest.fixture
def errors(write):
    def of(text):
        with pytest.raises(PolicyInvalid) as invalid:
            load(write(text), environ={})
        return [str(error).partition("policy.yaml:")[2] for error in invalid.value.errors]

    return of


@pytest.fixture
def route(write):
    def of(text):
        return load(write(ROUTE + text), environ={}).policy.routes["POST /p"]

    return of


def test_the_shortest_policy():
    loaded = load(POLICIES / "minimal.yaml", environ={"GUARD_ENVIRONMENT": "prod"})
    route = loaded.policy.routes["POST /predict"]
    assert str(loaded.policy.upstream.url) == "http://127.0.0.1:8080"
    assert (route.inputs["age"].type, route.inputs["age"].min, route.inputs["age"].max) == ("integer", 18, 120)
    assert route.inputs["income"].sensitivity == "financial"
    assert route.outputs["label"].enum == ("approve", "review", "decline")
    assert route.outputs["label"].at == "/label"
    assert [(rule.when, rule.answer) for rule in route.fallback.rules] == [(None, {"label": "review"})]
    assert loaded.environment == "prod"
    assert loaded.warnings == ()


def test_the_reference_policy_has_every_key_of_the_models():
    """A key that the models know and the reference does not show is a key that nobody tests."""
    from pydantic import BaseModel

    seen = set()

    def walk(value):
        if isinstance(value, BaseModel):
            seen.update((type(value).__name__, name) for name in value.model_fields_set)
            value = [getattr(value, name) for name in type(value).model_fields]
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
            walk(item)

    loaded = load(POLICIES / "reference.yaml", environ={})
    walk(loaded.policy)
    from guard.policy import policy_model

    def every(cls):
        return {cls, *(below for sub in cls.__subclasses__() for below in every(sub))}

    known = {
        (cls.__name__, name)
        for cls in every(policy_model.PolicyModel) - {policy_model.PolicyModel}
        for name in cls.model_fields
    } - {("Monitor", "reference")}  # a file of counts, which `references` names for several routes
    shape = {name for cls, name in known if cls in {"Shape", "Wire"}}
    shown = {name for cls, name in seen if cls in {"InputField", "OutputField", "NestedField"}}
    # A subset `key` of the cache would warn; the rest are alternatives of what is shown.
    alternatives = {("Cached", "key"), ("RouteLimits", "queue"), ("RouteLimits", "queue_timeout"), ("CallTimeout", "connect"),
                    ("CallTimeout", "idle"), ("Previous", "tls")}  # fmt: skip
    missing = {
        (cls, name)
        for cls, name in known - seen - alternatives
        if cls not in {"Shape", "Wire", "NestedField", "Passthrough", "CandidateEngine", "KubernetesEngine", "MlflowEngine"}
        and not (cls in {"InputField", "OutputField"} and name in shape)
    }
    assert missing == set()
    assert shape - shown == set()


def test_what_the_reference_policy_means():
    loaded = load(POLICIES / "reference.yaml", environ={"GUARD_HASH_KEY": "x", "GUARD_ALERT_URL": "y"})
    policy, route = loaded.policy, loaded.policy.routes["POST /predict"]
    assert route.inputs["age"].required
    assert route.inputs["tenure"].default == 0
    assert not route.inputs["tenure"].required
    assert route.inputs["segment"].enum == (0, 1)
    assert route.inputs["employment"].enum == ("salaried", "self", "none")
    assert route.inputs["opted_in"].default is False
    assert (route.inputs["balance_at"].freshness.stale, route.inputs["balance_at"].freshness.skew) == (86400.0, 300.0)
    assert route.outputs["score"].from_ == "model"
    assert route.fallback.rules[1].answer == {"label": Cel("age > 30 ? 'approve' : 'review'")}
    assert route.fallback.disabled.body == {"error": "closed"}
    assert route.fallback.previous.version == "3.10"
    assert policy.release.version == "3.11"
    assert policy.release.commit == "4f2a9c1"
    assert policy.release.configuration == {"threshold": 0.5, "legacy": "no"}
    assert isinstance(policy.routes["GET /health"], Passthrough)
    assert isinstance(policy.routes["POST /models/{name}:predict"].input, SchemaFile)
    assert list(loaded.schemas) == [POLICIES / "reference-schema.json"]
    assert [path.name for path in loaded.files] == [
        "reference.yaml",
        "reference-org.yaml",
        "reference-release.yaml",
        "reference-schema.json",
    ]
    assert policy.drain == 5.0
    assert [warning.pointer for warning in loaded.warnings] == [
        "release.contract",
        "admin.tokens",
        "targets.burn.descend",
    ]


DEFAULTS = {
    "listen": {"data": "0.0.0.0:8900", "admin": "127.0.0.1:8901", "ops": "0.0.0.0:8902", "tls": None, "limits": {
        "connections": 4096, "buffered": "64MiB", "head": "10s", "body": "1m", "write_stall": "30s", "keep_alive": "75s",
        "headers": 100, "header_bytes": "32KiB", "target": "8KiB",
        "chunk_extensions": "4KiB"}},
    "state_dir": "/var/lib/guard", "kill_file": None, "trusted_proxies": (), "drain": "5s", "ready": "model", "expose_reason": True,
    "upstream": {"url": "http://127.0.0.1:8080", "probe": None, "tls": None,
                 "limits": {"concurrency": 64, "queue": 64, "queue_timeout": "200ms", "max_connection_age": "5m",
                            "idle": "1500ms", "headers": 128, "header_bytes": "64KiB"}},
    "release": None,
    "privacy": {"traces": "metadata", "hash_key": None, "baggage": ()},
    "telemetry": {"trace_sample": "1%", "prometheus": True, "gen_ai": False},
    "webhooks": (), "admin": {"tokens": None, "tls": None, "console": False, "hosts": (), "proxy": None},
}  # fmt: skip
ROUTE_DEFAULTS = {
    "dialect": "json", "rows": None, "columns": None, "enforcement": "enforce", "undeclared": "strip", "integers": "safe", "max_body": "1MiB",
    "max_answer": "8MiB", "max_elements": 32768, "max_rows": None, "max_searched": 65536, "max_finds": 1000, "stream": False, "repeatable": None, "timeout": {"connect": "1s", "attempt": "3s", "idle": "30s", "request": "10s"},
    "heartbeat": None, "deadline_header": "x-request-timeout", "limits": None, "content": None, "input": None, "output": None, "fallback": [],
    "breaker": {"window": "30s", "minimum_calls": 20, "failure_rate": "50%", "consecutive_failures": 5, "slow": None,
                "open_for": "10s", "max_open_for": "2m", "half_open_calls": 1, "close_after": 3},
    "targets": None,
}  # fmt: skip


def test_defaults_are_the_ones_of_the_design(write):
    policy = load(write(ROUTE + "    {}\n"), environ={}).policy
    meaning = policy.model_dump(by_alias=True)
    assert {key: meaning[key] for key in DEFAULTS} == DEFAULTS
    assert meaning["routes"]["POST /p"] == ROUTE_DEFAULTS
    assert meaning["targets"]["cost"] is None
    assert set(meaning["owners"].values()) == {None}


def test_defaults_of_rungs_and_fields(route):
    made = route(
        "    input: {a: {type: timestamp, freshness: {}}}\n    breaker: {slow: {}}\n"
        "    fallback: [{previous: 'http://h:1'}, {cached: {}}, {disabled: {}}]\n"
    )
    cached, slow, field = made.fallback.cached, made.breaker.slow, made.inputs["a"]
    assert (cached.max_age, cached.entries, cached.bytes, cached.scope, cached.key) == (3600, 10000, 64 << 20, (), None)
    assert (slow.duration, slow.rate) == (0.3, 0.8)
    assert made.fallback.disabled.status == 503
    assert (field.freshness.warn, field.freshness.stale, field.freshness.skew) == (3600, 86400, 300)
    assert (field.send, field.missing, field.required, field.nullable, field.log, field.sensitivity) == (
        True,
        "deny",
        True,
        False,
        False,
        "internal",
    )
    assert (field.has_default, field.default, field.enum, field.at, field.from_, field.nan) == (
        False,
        None,
        None,
        None,
        None,
        "reject",
    )


def test_a_default_warning_age_never_outlives_stale(route):
    assert route("    input: {a: {type: timestamp, freshness: {stale: 10m}}}\n").inputs["a"].freshness.warn == 600


def test_all_mistakes_at_once_each_at_its_place():
    with pytest.raises(PolicyInvalid) as invalid:
        load(GOLDEN / "mistakes.yaml", environ={})
    text = str(invalid.value).replace(str(GOLDEN) + "/", "") + "\n"
    assert text == (GOLDEN / "mistakes.txt").read_text()
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("{}", "the type is missing"),
        ("{type: int}", 'unknown word "int"; did you mean "integer"?'),
        ("{type: string, min: 1}", "min has no meaning for type string; expected type integer or number"),
        ("{type: integer, min: 1.5}", "1.5 is not an integer"),
        ("{type: integer, min: 2, max: 1}", "min 2 is above max 1"),
        ("{type: string, min_length: 2, max_length: 1}", "min_length 2 is above max_length 1"),
        ("{type: integer, default: x}", 'default: "x" is not an integer'),
        ("{type: integer, default: '3'}", "it is quoted, so it is text"),
        ("{type: integer, default: 3.5}", '"3.5" is not an integer'),
        ("{type: boolean, default: no}", '"no" is not true or false'),
        ("{type: number, default: .nan}", '".nan" is not a number'),
        ("{type: integer, default: 7, max: 6}", "7 is above max"),
        ("{type: integer, default: null}", "null, and the field is not nullable"),
        ("{type: integer, default: 1, required: true}", "a field with a default cannot be required"),
        ("{enum: [a, b], default: c}", '"c" is not in the enum; expected one of a or b'),
        ("{enum: []}", "empty; expected at least one"),
        ("{enum: [a, a]}", '"a" stands twice'),
        ("{type: integer, enum: [a]}", 'enum[0]: "a" is not an integer'),
        ("{type: timestamp, enum: [x]}", "enum has no meaning for type timestamp"),
        ("{enum: a}", '"a" is one value; expected a list'),
        ("{type: string, pattern: '('}", "not a pattern of the linear-time engine"),
        ("{type: string, pattern: '(a)\\1'}", "not a pattern of the linear-time engine"),
        ("{type: string, pattern: '[0-9]+', default: x}", "does not match the pattern"),
        ("{type: string, sensitivity: personal, log: true}", "a field that is personal is never logged"),
        ("{type: string, sensitivity: pii}", 'unknown word "pii"'),
        ("{type: string, freshness: {}}", "freshness has no meaning for type string"),
        ("{type: timestamp, freshness: {warn: 2h, stale: 1h}}", "warn is later than stale"),
        ("{type: timestamp, unit: minutes}", '"minutes" is not a unit of time'),
        ("{type: timestamp, default: yesterday}", '"yesterday" is not a time'),
        ("{type: timestamp, default: 2025-01-01T00:00:00}", "has no offset from UTC"),
        ("{type: number, missing: fall, default: 1}", "an optional field is never missing"),
        ("{type: number, missing: skip}", 'unknown word "skip"'),
        ("{type: number, detect: [email]}", "detect has no meaning for type number"),
        ("{type: string, detect: [mail]}", 'unknown word "mail"; did you mean "email"?'),
        ("{type: string, treatment: blur}", "expected one of drop, mask or hash"),
        ("{type: string, at: x}", "expected a JSON pointer"),
        ("{type: string, at: /a/*}", "* has no meaning"),
        ("{type: array, items: {type: number, at: /x}}", 'unknown key "at"'),
        ("{type: object, fields: {a: {type: number, send: false}}}", 'unknown key "send"'),
        (
            "{type: object, fields: {a: {type: number, unt: x}}}",
            'input.f.fields.a: unknown key "unt"; did you mean "unit"?',
        ),
        ("{type: array, items: {type: number}, default: [1, x]}", 'default[1]: "x" is not a number'),
        ("{type: object, fields: {a: {type: number}}, default: {b: 1}}", "default.b: not a declared field"),
        ("{type: string, required: yes}", '"yes" is not a boolean'),
        ("{type: string, max_length: -1}", '"-1" is out of range'),
        ("{type: string, min:1}", 'unknown key "min:1"; a space belongs after the colon'),
        ("string", '"string" is one value; expected a mapping'),
        ("", "no value; expected a mapping"),
        ("{type: string, nan: allow}", "expected one of reject"),
        ("{type: string, description: }", "no value"),
    ],
)
def test_a_field_that_is_refused(errors, field, message):
    found = errors(ROUTE + f"    input:\n      f: {field}\n")
    assert message in found[0]
    assert len(found) == 1
    assert found[0].startswith("7:")
    assert 'routes."POST /p".input.f' in found[0]


@pytest.mark.parametrize(
    ("field", "attribute", "value"),
    [
        ("{type: string, default: no}", "default", "no"),
        ("{type: string, default: 3.10}", "default", "3.10"),
        ("{type: string, default: ''}", "default", ""),
        ("{type: string, default: 'null'}", "default", "null"),
        ("{type: string, nullable: true, default: null}", "default", None),
        ("{type: integer, default: 34.0}", "default", 34),
        ("{type: integer, default: 1e+15}", "default", 10**15),
        ("{type: integer, default: 1234567890123456}", "default", 1234567890123456),
        ("{type: number, default: 1e3}", "default", 1000.0),
        ("{type: boolean, default: true}", "default", True),
        ("{type: timestamp, default: 2025-01-01T00:00:00Z}", "default", "2025-01-01T00:00:00Z"),
        ("{type: timestamp, unit: s, default: 1735689600}", "default", 1735689600),
        ("{type: array, items: {type: integer}, default: [1, 2]}", "default", [1, 2]),
        ("{type: array, default: [1, a, null]}", "default", [1, "a", None]),
        ("{type: object, fields: {a: {type: string}}, default: {a: 1}}", "default", {"a": "1"}),
        ("{enum: [no, off, 1, null_]}", "enum", ("no", "off", "1", "null_")),
        ("{type: number, enum: [0, 0.5]}", "enum", (0, 0.5)),
        ("{type: string, pattern: '^\\d+$'}", "pattern", "^\\d+$"),
    ],
)
def test_the_type_decides_how_a_value_reads(route, field, attribute, value):
    made = route(f"    input:\n      f: {field}\n").inputs["f"]
    assert getattr(made, attribute) == value
    assert type(getattr(made, attribute)) is type(value)
    assert made.has_default is (attribute == "default")


OUT = "    output: {label: {enum: [a, b]}, score: {type: number, max: 1, from: model}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("    dialect: grpc\n", "expected one of json, oip, kserve-v1"),
        ("    rows: instances\n    input: {a: {type: number}}\n", "JSON pointer"),
        ("    rows: /x\n", "rows without input"),
        ("    columns: [a]\n", "columns name fields, and none are declared"),
        ("    columns: [b]\n    input: {b: {type: number}, a: {type: number}}\n", "would always be missing"),
        ("    columns: [a, a]\n    input: {a: {type: number}}\n", "stands twice"),
        ("    columns: [agee]\n    input: {age: {type: number, required: false}}\n", 'did you mean "age"?'),
        ("    columns: [a]\n    input: {a: {type: number, at: /x}}\n", "found by its position"),
        ("    content: [image/png]\n    rows: ''\n", "opaque"),
        ("    content: [image/png]\n    input: {a: {type: number}}\n", "opaque"),
        ("    content: []\n", "empty"),
        ("    content: [png]\n", "media type"),
        ("    timeout: {connect: 8s}\n", "connect 8s + attempt 3s is more than request 10s"),
        ("    timeout: {request: 2s}\n", "is more than request 2s"),
        ("    timeout: {attempt: 0s}\n", "out of range"),
        ("    breaker: {open_for: 3m}\n", "open_for is longer than max_open_for"),
        ("    max_body: 0\n", "out of range"),
        ("    stream: maybe\n", "is not a boolean"),
        ("    limits: {concurrency: 0}\n", "1 or more"),
        ("    output: {a: {type: number, default: 1}}\n", "an output has no default"),
        ("    output: {a: {type: number, at: '/*/x/*'}}\n", "more than one *"),
        ("    output: {a: {type: number, send: false}}\n", 'unknown key "send"'),
        ("    output: {a: {type: number, from: rules}}\n", "expected one of model"),
        ("    fallback: {label: a}\n", "rules answer declared outputs"),
        (OUT + "    fallback: {lable: a}\n", 'did you mean "label"?'),
        (OUT + "    fallback: {score: 0.5}\n", 'the required output "label" is missing'),
        (OUT + "    fallback: {label: c}\n", '"c" is not in the enum'),
        (OUT + "    fallback: {label: a, score: 2}\n", "2 is above max"),
        (OUT + "    fallback: {label: null}\n", "null, and the field is not nullable"),
        (OUT + "    fallback: {rules: [{answer: {label: a}}]}\n", "rungs are written as a list"),
        (OUT + "    fallback: {}\n", "empty"),
        (OUT + "    fallback: []\n    fallbak: []\n", 'did you mean "fallback"?'),
        (OUT + "    fallback: [{ruls: []}]\n", 'unknown rung "ruls"; did you mean "rules"?'),
        (OUT + "    fallback: [rules]\n", "exactly one key"),
        (OUT + "    fallback: [{cached: {}, previous: http://x}]\n", "exactly one key"),
        (OUT + "    fallback: [{cached: {}}, {cached: {}}]\n", "cached stands twice"),
        (OUT + "    fallback: [{cached: {}}, {previous: http://x}]\n", "previous comes after cached"),
        (OUT + "    fallback: [{disabled: {}}, {rules: [{answer: {label: a}}]}]\n", "rules comes after disabled"),
        (OUT + "    fallback: [{rules: []}]\n", "empty"),
        (OUT + "    fallback: [{rules: [{when: a > 1}]}]\n", 'the key "answer" is missing'),
        (OUT + "    fallback: [{rules: [{answer: {label: a}}, {answer: {label: b}}]}]\n", "never reached"),
        (OUT + "    fallback: [{rules: [{when: a > 1, answer: {label: a}}]}]\n", "a condition reads the input"),
        (OUT + "    fallback: [{rules: [{when: {a}, answer: {label: a}}]}]\n", "quote text that starts with { or ["),
        (OUT + "    fallback: {label: {cel: x}}\n", "an expression reads the input"),
        (OUT + "    fallback: [{disabled: {status: 99}}]\n", "from 200 to 599"),
        (
            OUT + "    fallback: [{previous: {url: http://x, timeout: {attempt: 20s}}}]\n",
            "more than the route's request 10s",
        ),
        (OUT + "    fallback: [{cached: {key: [x]}}]\n", "not a field that is sent"),
        (OUT + "    fallback: a\n", "is one value"),
        ("    input: {schema: missing.json}\n", "cannot read"),
    ],
)
def test_a_route_that_is_refused(errors, text, message):
    found = errors(ROUTE + text)
    assert any(message in error for error in found), found
    assert len(found) == 1, found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'the key "version" is missing'),
        ("version: guard/v2", 'unknown word "guard/v2"; did you mean "guard/v1"?'),
        ("service: a b", "expected a name"),
        ("listen: {data: 8900}", "expected HOST:PORT"),
        ("listen: {data: 0.0.0.0:8901}", "admin and data listen on the same port 8901"),
        ("listen: {tls: {cert: a}}", 'the key "key" is missing'),
        ("listen: {limits: {head: 10}}", "expected a duration"),
        ("listen:", "no value; expected a mapping"),
        ("listen: []", "a list; expected a mapping"),
        ("kill_file: ''", "an empty path"),
        ("trusted_proxies: 10.0.0.0/8", "expected a list"),
        ("trusted_proxies: [10.0.0.1/8]", "has host bits set; expected 10.0.0.0/8"),
        ("ready: yes", "expected one of model or any"),
        ("upstream: {probe: /x}", 'the key "url" is missing'),
        ("upstream: http://u:secret@h", "no user or password"),
        ("upstream: {url: http://h, limits: {queue: -1}}", "0 or more"),
        ("release: nowhere.yaml", "cannot read"),
        ("release: {model: x}", 'the key "version" is missing'),
        ("release: {version: 1, parts: {wheights: none}}", 'unknown word "wheights"; did you mean "weights"?'),
        ("release: {version: 1, parts: {weights: nowhere}}", "expected one of in_code or none"),
        ("routes: {}", "empty; expected at least one"),
        ("routes: []", "expected a mapping"),
        ("routes: {GET /x: {input: {a: {type: number}}}}", "a GET request has no body"),
        ("routes: {GET /x: forward}", "or the word passthrough or denied"),
        ("routes: {GET /x: {passthrough: true}}", 'unknown key "passthrough"'),
        ("routes: {HEAD /x: passthrough}", "HEAD uses the GET route"),
        ("privacy: {hash_key: {env: A, file: b}}", "exactly one place"),
        ("privacy: {hash_key: {}}", "exactly one place"),
        ("privacy: {traces: full}", "expected one of off or metadata"),
        ("telemetry: {trace_sample: 1}", "expected a share"),
        ("targets: {latency_p95: 300}", "expected a duration"),
        ("targets: {availability: 101%}", "over 100%"),
        ("targets: {expected_rate: 50}", "expected a rate"),
        ("targets: {quality: {auc: high}}", "is not a number"),
        ("targets: {cost: {daily: 20 USD, per_request: 1 EUR}}", "different currencies; expected EUR"),
        ("owners: {incidents: {page: x}}", 'the key "team" is missing'),
        ("owners: {servin: x}", 'did you mean "serving"?'),
        ("webhooks: [{url: x, format: slack}]", "expected one of json or alertmanager"),
        ("admin: {tokens: abc}", "a secret never stands in the policy"),
    ],
)
def test_a_policy_that_is_refused(errors, text, message):
    base = {"version": "guard/v1", "service": "s", "upstream": "http://h:1", "routes": "{GET /h: passthrough}"}
    key, _, value = text.partition(":")
    lines = base | {key: value} if key else {name: value for name, value in base.items() if name != "version"}
    found = errors("".join(f"{name}: {value}\n" for name, value in lines.items()))
    assert any(message in error for error in found), found
    assert len(found) == 1, found


SECRETS = ["privacy: {hash_key: s3cr3t!}", "privacy: {hash_key: {env: s3cr3t!}}", "privacy: {hash_key: [s3cr3t!]}", "admin: {tokens: {value: s3cr3t!}}",
           "webhooks: [{url: {env: s3cr3t!}}]", "upstream: http://u:s3cr3t!@h"]  # fmt: skip


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_never_repeated(errors, text):
    head = HEAD if "upstream" not in text else "version: guard/v1\nservice: s\n"
    assert "s3cr3t" not in "".join(errors(head + "routes: {GET /h: passthrough}\n" + text))


def test_schema_in_place_of_fields_is_told_from_a_field_called_schema(write, route):
    write("{}", "in.json")
    assert isinstance(route("    input: {schema: in.json}\n").input, SchemaFile)
    assert route("    input: {schema: {type: string}}\n").inputs["schema"].type == "string"


@pytest.mark.parametrize("content", ["[1]", "nope", "{", b"\xff"])
def test_a_schema_file_that_is_none(write, content):
    write(content, "in.json")
    with pytest.raises(PolicyInvalid, match=r"policy.yaml:6:21: .*in.json is not"):
        load(write(ROUTE + "    input: {schema: in.json}\n"), environ={})


def test_at_of_outputs_follows_the_rows(route):
    made = route("    rows: ''\n    input: {a: {type: number}}\n    output: {a/b~: {type: number}}\n")
    assert made.outputs["a/b~"].at == "/predictions/*/a~1b~0"


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_policy_that_cannot_be_read(tmp_path, name):
    with pytest.raises(PolicyInvalid, match="cannot read"):
        load(tmp_path / name, environ={})


def test_warnings(write):
    write("{}", "in.json")
    text = ROUTE + (
        "    stream: true\n    input: {a: {type: number, missing: fall}, t: {type: timestamp, freshness: {}}}\n"
        "    output: {b: {type: number}}\n    fallback: [{cached: {key: [a]}}]\n"
    )
    warnings = [str(warning) for warning in load(write(text), environ={}).warnings]
    assert len(warnings) == 4
    for message in (
        "its outputs are not checked",
        "same cached answer",
        "no rules to fall to; clients",
        "no rules to fall to; a stale",
    ):
        assert any(message in warning for warning in warnings)


def test_the_digest_is_of_the_meaning(write):
    write("{}", "in.json")
    text = ROUTE + "    input: {schema: in.json}\n    timeout: {idle: 30s}\n"
    first = load(write(text), environ={}).digest
    same = load(
        write("# a comment\n" + text.replace("    timeout: {idle: 30s}", "    max_body: 1024KiB")), environ={}
    ).digest
    assert first == same
    assert first != load(write(text.replace("30s", "31s")), environ={}).digest
    write('{"type": "object"}', "in.json")
    assert first != load(write(text), environ={}).digest


def test_an_error_found_later_has_its_place(write):
    loaded = load(write(ROUTE + OUT + "    input: {x: {type: number}}\n    fallback:\n      - rules:\n          - {when: x > , answer: {label: a}}\n          - answer: {label: a}\n"), environ={})  # fmt: skip
    error = loaded.error(("routes", "POST /p", "fallback", "rules", 0, "when"), "does not compile")
    assert (error.line, error.column) == (10, 20)
