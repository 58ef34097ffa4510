"""`guard privacy`: in what form each field and output gets where; held against the plan that serves it."""

import json
from pathlib import Path

import pytest

from guard.policy.compiling import CompileContext, compile_plan
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import Head, Trace
from tests.cli.test_cli import ROOT
from tests.privacy_pages import CACHED, KEY, loaded, route, rows, told

# ── inputs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("declared", "kind", "text"),
    [
        ("input: {f: {type: string}}", "value", "value"),
        ("input: {f: {type: string, send: false}}", "never", "never sent"),
        ("input: {f: {type: string, detect: [email, phone]}}", "replaced", "value with email, phone replaced"),
        (
            "input: {f: {type: object, fields: {x: {type: string, detect: [ip]}}}}",
            "replaced",
            "value with ip replaced in its parts",
        ),
        ("enforcement: observe\ninput: {f: {type: string}}", "client_bytes", "the client's own bytes"),
        (
            "enforcement: observe\ninput: {f: {type: string, detect: [email]}}",
            "client_bytes",
            "the client's own bytes; `detect` replaces nothing",
        ),
        ("enforcement: observe\ninput: {f: {type: string, send: false}}", "never", "never sent"),
        (
            "enforcement: observe\ninput: {f: {type: string}, g: {type: string, send: false}}",
            "client_bytes",
            "the client's own value, as it was sent",
        ),
        (
            "columns: [g]\nrows: ''\ninput: {f: {type: string, required: false}, g: {type: number}}",
            "never",
            "never: no column holds it",
        ),
    ],
)
def test_what_the_model_receives(tmp_path: Path, declared: str, kind: str, text: str) -> None:
    row = rows(route(tmp_path, declared))["f"]
    assert (row.model.kind, row.model.text) == (kind, text)
    assert row.previous is None


def test_the_previous_model_receives_the_same(tmp_path: Path) -> None:
    made = route(tmp_path, "input: {f: {type: string, detect: [email]}}\nfallback: [{previous: 'http://old.example:81'}]")
    row = rows(made)["f"]
    assert row.previous == row.model
    assert row.model.kind == "replaced"
    where = {recipient.who: recipient.where for recipient in made.recipients}
    assert where["model server"] == "http://model.example:80"
    assert where["previous model server"] == "http://old.example:81"


LOG = [
    ("{type: string}", KEY, "never", "never"),
    ("{type: string, log: true}", KEY, "value", "value, searched by every detector"),
    ("{type: integer, log: true}", KEY, "value", "value"),
    ("{type: object, log: true, fields: {x: {type: string}}}", KEY, "type_only", "`<dict>` in its place"),
    ("{type: array, log: true, items: {type: string}}", KEY, "value", "value, texts searched by every detector"),
    ("{type: string, treatment: hash}", KEY, "hash", "keyed hash (HMAC-SHA-256)"),
    ("{type: string, treatment: hash}", "", "redacted", "`[redacted]`, no `privacy.hash_key`"),
    ("{type: string, treatment: hash, log: true}", KEY, "hash", "keyed hash (HMAC-SHA-256)"),
    ("{type: string, treatment: mask}", KEY, "masked", "`[masked]`"),
    ("{type: string, treatment: mask, log: true}", KEY, "masked", "`[masked]`"),
    ("{type: string, treatment: drop, log: true}", KEY, "never", "never"),
    ("{type: string, treatment: hash, sensitivity: health}", KEY, "hash", "keyed hash (HMAC-SHA-256)"),
    ("{type: string, treatment: mask, sensitivity: personal}", KEY, "masked", "`[masked]`"),
    ("{type: string, treatment: mask, sensitivity: secret}", KEY, "never", "never"),
    ("{type: string, sensitivity: secret}", KEY, "never", "never"),
]


@pytest.mark.parametrize(("field", "rest", "kind", "text"), LOG)
def test_what_the_log_shows(tmp_path: Path, field: str, rest: str, kind: str, text: str) -> None:
    row = rows(route(tmp_path, f"input: {{f: {field}}}", rest))["f"]
    assert (row.log.kind, row.log.text) == (kind, text)


@pytest.mark.parametrize(("field", "rest", "kind", "text"), LOG)
def test_what_the_log_shows_is_what_the_data_plane_gives_it(
    tmp_path: Path, field: str, rest: str, kind: str, text: str
) -> None:
    """The report and the compiled plan are asked about the same field."""
    found = loaded(tmp_path, f"  POST /p: {{input: {{f: {field}}}}}\n", rest)
    plan = compile_plan(found, CompileContext(secret=lambda _secret: b"k" * 32))
    value = 5 if "integer" in field else {"x": "y"} if "object" in field else ["y"] if "array" in field else "y"
    context = Context(Head(b"POST", b"/p", [(b"content-type", b"application/json")]), "id", 0.0)
    context.trace = Trace(b"1" * 32, b"1" * 16, b"", b"2" * 16, sampled=True, propagated=False)
    judge(context, plan.routes[0], json.dumps({"f": value}).encode(), 0.0, 0.0)
    shown = (context.record.shown or {}).get("f")
    match kind:
        case "never":
            assert shown is None
        case "value" | "type_only":
            assert shown == value
        case "hash":
            assert str(shown).startswith("hmac:")
        case _:
            assert shown == f"[{kind}]"


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("{type: string}", "counts only: violations"),
        ("{type: string, required: false}", "counts only: violations, missing"),
        ("{type: integer, default: 3}", "counts only: violations, defaulted"),
        ("{type: integer, min: 0}", "counts only: violations, at bound"),
        ("{type: string, detect: [card]}", "counts only: violations, redactions (card)"),
        ("{type: timestamp, freshness: {}}", "counts only: violations, aging, age in a histogram"),
    ],
)
@pytest.mark.parametrize("sensitivity", ["internal", "secret"])
def test_inputs_are_counted_and_never_measured(tmp_path: Path, declared: str, text: str, sensitivity: str) -> None:
    declared = declared.replace("{type", f"{{sensitivity: {sensitivity}, type")
    made = route(tmp_path, f"input: {{f: {declared}}}\noutput: {{o: {{type: number}}}}\nfallback: {{o: 1}}")
    assert (rows(made)["f"].metric.kind, rows(made)["f"].metric.text) == ("counts", text)


def test_nothing_is_redacted_nor_counted_so_under_observe(tmp_path: Path) -> None:
    made = route(tmp_path, "enforcement: observe\ninput: {f: {type: string, detect: [email]}}")
    assert rows(made)["f"].metric.text == "counts only: violations"


@pytest.mark.parametrize(
    ("declared", "kind", "text"),
    [
        ("input: {f: {type: string}}", None, None),
        (f"input: {{f: {{type: string}}}}\n{CACHED}", "digest", "in a keyed digest, part of the key"),
        (
            f"input: {{f: {{type: string, detect: [email]}}}}\n{CACHED}",
            "digest",
            "in a keyed digest, part of the key, after replacement",
        ),
        (f"input: {{f: {{type: string, send: false}}}}\n{CACHED}", "never", "no"),
        (
            "input: {f: {type: string}, g: {type: string}}\nfallback: [{cached: {key: [g]}}]",
            "never",
            "no: not in `key`",
        ),
        (
            f"enforcement: observe\ninput: {{f: {{type: string}}}}\n{CACHED}",
            "never",
            "no: nothing is kept under observe",
        ),
        (f"stream: true\ninput: {{f: {{type: string}}}}\n{CACHED}", "never", "no: a streamed answer is not kept"),
    ],
)
def test_what_the_cache_holds_of_inputs(tmp_path: Path, declared: str, kind: str | None, text: str | None) -> None:
    found = rows(route(tmp_path, declared))["f"].cache
    assert (found and found.kind, found and found.text) == (kind, text)


def test_the_cache_is_said_to_hash_as_it_does(tmp_path: Path) -> None:
    notes = told(route(tmp_path, f"input: {{f: {{type: string}}}}\n{CACHED}").routes[0].notes)
    assert "BLAKE2b-256" in notes
    assert "blake2b(key=" in (ROOT / "guard/ladder/cached.py").read_text()


@pytest.mark.parametrize(("traces", "text"), [("metadata", "never"), ("off", "never: no traces")])
def test_no_trace_holds_a_value(tmp_path: Path, traces: str, text: str) -> None:
    made = route(tmp_path, "input: {f: {type: string, log: true}}\noutput: {o: {type: number}}", f"privacy: {{traces: {traces}}}")  # fmt: skip
    assert rows(made)["f"].trace.text == rows(made, "outputs")["o"].trace.text == text
    assert ("there are no traces" in told(made.telemetry)) == (traces == "off")


@pytest.mark.parametrize(
    ("declared", "pointers"),
    [
        ("input: {a/b: {type: number}, c~d: {type: number}}", ["/a~1b", "/c~0d"]),
        ("input: {a: {type: number, at: /x/y}}", ["/x/y"]),
        ("rows: /instances\ninput: {a: {type: number, at: /x/y}}", ["/instances/*/x/y"]),
        ("rows: ''\ninput: {a: {type: number}}", ["/*/a"]),
        ("rows: /r\ncolumns: [b, a]\ninput: {a: {type: number}, b: {type: number}}", ["/r/*/1", "/r/*/0"]),
        ("columns: [b, a]\ninput: {a: {type: number}, b: {type: number}}", ["/1", "/0"]),
        (
            "input: {o: {type: object, fields: {x: {type: array, items: {type: number}}}}}",
            ["/o", "/o/x", "/o/x/*"],
        ),
        ("columns: [a]\ninput: {a: {type: number}, b: {type: number, required: false}}", ["/0", None]),
    ],
)
def test_where_fields_stand(tmp_path: Path, declared: str, pointers: list[str | None]) -> None:
    assert [row.value.place for row in rows(route(tmp_path, declared)).values()] == pointers


def test_parts_go_where_their_field_goes(tmp_path: Path) -> None:
    fields = "fields: {x: {type: string}, y: {type: number, sensitivity: public}}"
    made = route(
        tmp_path,
        f"input:\n  o: {{type: object, sensitivity: health, send: false, treatment: hash, derived: true, {fields}}}\n"
        f"  p: {{type: object, log: true, {fields}}}\n"
        "  q: {type: array, log: true, items: {type: string}}\n"
        "  m: {type: object, treatment: mask, fields: {x: {type: string}}}\n",
        KEY,
    )
    found = rows(made)
    assert list(found) == ["o", "o.x", "o.y", "p", "p.x", "p.y", "q", "q[]", "m", "m.x"]
    assert [(row.value.sensitivity, row.value.sensitivity_from) for row in found.values()][:3] == [
        ("health", "declared"), ("health", "inherited"), ("public", "declared"),
    ]  # fmt: skip
    assert [found[name].value.sensitivity_from for name in ("p", "p.x", "p.y")] == ["default", "default", "declared"]
    assert {found[name].value.derived for name in ("o", "o.x", "o.y")} == {True}
    assert not found["p"].value.derived
    assert found["o.x"].model.text == "never sent"
    assert found["o.x"].log.text == "inside its field's keyed hash (HMAC-SHA-256)"
    assert found["p.x"].log.text == "never: only the type of what holds it"
    assert found["q[]"].log.text == "value, searched by every detector"
    assert found["m.x"].log.text == "never: its field is `[masked]`"
    assert found["p.x"].metric.text == "counts only: violations, under its field's name"


def test_required_type_and_unit(tmp_path: Path) -> None:
    made = route(
        tmp_path,
        "input: {a: {type: integer, unit: years}, b: {type: string, required: false}, c: {enum: [x]}, "
        "d: {type: string, pattern: x}, e: {type: integer, default: 1}}",
    )
    results = [
        (row.value.shape.required, row.value.shape.type, row.value.text, row.value.shape.unit)
        for row in rows(made).values()
    ]
    assert results == [
        (True, "integer", None, "years"), (False, "string", "free", None), (True, "string", "enum", None),
        (True, "string", "pattern", None), (False, "integer", None, None),
    ]  # fmt: skip


# ── outputs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "log", "metric"),
    [
        ("{enum: [a, b]}", "value, searched by every detector", "class counts"),
        ("{type: boolean}", "value", "class counts"),
        ("{type: number, min: 0, max: 1}", "value", "histogram within its bounds"),
        ("{type: number}", "value", "histogram"),
        (
            "{type: array, items: {type: number}}",
            "value, texts searched by every detector",
            "histogram of the largest value of the vector",
        ),
        ("{type: string}", "value, searched by every detector", "counts only: present, missing"),
        ("{type: object, fields: {x: {type: number}}}", "`<dict>` in its place", "counts only: present, missing"),
        ("{enum: [a], sensitivity: public}", "value, searched by every detector", "class counts"),
        ("{enum: [a], sensitivity: confidential}", "never", "counts only: violations"),
        ("{type: number, sensitivity: secret}", "never", "counts only: violations"),
        ("{type: number, treatment: drop}", "never", "counts only: violations"),
        (
            "{type: object, fields: {x: {type: number, sensitivity: health}}}",
            "never",
            "counts only: violations",
        ),
    ],
)
def test_what_becomes_of_outputs(tmp_path: Path, field: str, log: str, metric: str) -> None:
    row = rows(route(tmp_path, f"input: {{f: {{type: string}}}}\noutput: {{o: {field}}}"), "outputs")["o"]
    assert (row.client.text, row.log.text, row.trace.text, row.metric.text) == ("value", log, "never", metric)
    assert row.cache is None
    assert row.value.derived


def test_outputs_in_the_cache(tmp_path: Path) -> None:
    cached = "fallback: [{cached: {max_age: 5m, entries: 7, bytes: 1MiB}}]"
    made = route(tmp_path, f"input: {{f: {{type: string}}}}\noutput: {{o: {{type: number}}}}\n{cached}")
    assert rows(made, "outputs")["o"].cache.text == "kept in memory for 5m, at most 7 answers and 1MiB"
    assert "POST /p" in told(made.kept)
    observed = route(
        tmp_path, f"enforcement: observe\ninput: {{f: {{type: string}}}}\noutput: {{o: {{type: number}}}}\n{cached}"
    )
    assert rows(observed, "outputs")["o"].cache.kind == "never"
    assert "POST /p" not in told(observed.kept)


def test_a_streamed_answer_is_not_read(tmp_path: Path) -> None:
    row = rows(route(tmp_path, "stream: true\noutput: {o: {type: number}}"), "outputs")["o"]
    assert (row.client.kind, row.log.kind, row.metric.kind) == ("value", "never", "never")


def test_meaning_and_place_of_outputs(tmp_path: Path) -> None:
    made = route(
        tmp_path,
        "rows: /i\ninput: {f: {type: string}}\noutput: {o: {type: number, meaning: P(x)}, w: {type: string, at: /w/*}}",
    )
    assert [(row.value.place, row.meaning) for row in rows(made, "outputs").values()] == [
        ("/predictions/*/o", "P(x)"), ("/w/*", None),
    ]  # fmt: skip
