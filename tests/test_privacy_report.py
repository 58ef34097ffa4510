"""`guard privacy`: what a policy does with each field, said so that a privacy review can take it as it is."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from guard.kit.privacy.document import document
from guard.kit.privacy.markdown import markdown
from guard.kit.privacy.report import make
from guard.policy.loading import load
from tests.cli.test_cli import ROOT, guard, valid
from tests.privacy_pages import CACHED, KEY, cells, codes, loaded, report, route, rows, told

GOLDEN = Path(__file__).parent / "golden" / "privacy"
POLICIES = sorted(path for path in (ROOT / "policies").glob("*.yaml") if "\nroutes:" in path.read_text())

# ── the page as a whole ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_whole_page_of_a_small_policy() -> None:
    made = dataclasses.replace(make(load(GOLDEN / "policy.yaml", environ={})), digest="sha256:DIGEST")
    assert markdown(made) == (GOLDEN / "report.md").read_text()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.name)
def test_every_policy_has_a_report_that_fits_its_schema(policy: Path) -> None:
    done = guard("privacy", policy)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == guard("privacy", policy).stdout
    found = valid("privacy.schema.json", json.loads(guard("privacy", policy, "--json").stdout))
    assert found["valid"]
    assert found["routes"]
    headings = [cell.text for cell in cells(done.stdout, "h2")]
    for each in found["routes"]:
        assert each["route"] in headings


def test_all_policies_with_routes_are_rendered() -> None:
    assert {path.name for path in POLICIES} >= {"minimal.yaml", "reference.yaml", "tumour-triage.yaml"}


def test_a_broken_policy_is_refused_in_the_words_of_check(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("version: guard/v1\nservice: x\nupstream: http://h:1\nroutes:\n  POST /p:\n    inptu: {}\n")
    for flags in ((), ("--json",)):
        done, checked = guard("privacy", path, *flags), guard("check", path, *flags)
        assert (done.returncode, done.stdout, done.stderr) == (1, checked.stdout, checked.stderr)
    assert not valid("privacy.schema.json", json.loads(done.stdout))["valid"]


def test_what_only_compiling_finds_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text((ROOT / "policies/minimal.yaml").read_text().replace("{label: review}", "[{rules: [{when: age < , answer: {label: review}}]}]"))  # fmt: skip
    done = guard("privacy", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 mistake" in done.stderr


def test_the_schema_refuses_what_is_not_a_report(tmp_path: Path) -> None:
    document_read = json.loads(json.dumps(document(route(tmp_path, "input: {a: {type: number}}"))))
    valid("privacy.schema.json", document_read)
    for spoil in (
        lambda item: item.pop("kept"),
        lambda item: item["routes"][0]["inputs"][0].pop("log"),
        lambda item: item["routes"][0]["inputs"][0]["model"].update(kind="somewhere"),
        lambda item: item["review"][0].update(code="other"),
        lambda item: item.update(date="2026-01-01"),
    ):
        copy = json.loads(json.dumps(document_read))
        spoil(copy)
        with pytest.raises(Exception, match=r"oneOf|valid under"):
            valid("privacy.schema.json", copy)


def test_the_order_is_the_policys(tmp_path: Path) -> None:
    made = report(tmp_path, "  POST /z: {input: {b: {type: number}, a: {type: number}}}\n  GET /a: passthrough\n")
    assert [item.route for item in made.routes] == ["POST /z", "GET /a"]
    assert list(rows(made)) == ["b", "a"]


# ── routes and requests ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("declared", "body", "says"),
    [
        ("content: [image/png]", "opaque", "never read|opaque: its type and size are checked"),
        ("input: {schema: in.json}", "schema", "JSON Schema file"),
        ("timeout: {request: 20s}", "undeclared", "forwarded as sent, unread"),
        ("input: {f: {type: number}}", "fields", "members that are not declared are removed"),
        ("undeclared: reject\ninput: {f: {type: number}}", "fields", "is denied"),
        ("undeclared: pass\ninput: {f: {type: number}}", "fields", "reach the model unread"),
        (
            "enforcement: observe\nundeclared: reject\ninput: {f: {type: number}}",
            "fields",
            "Undeclared members reach the model unread",
        ),
    ],
)
def test_each_kind_of_body_has_its_line(tmp_path: Path, declared: str, body: str, says: str) -> None:
    (tmp_path / "in.json").write_text("{}")
    made = route(tmp_path, declared)
    assert document(made)["routes"][0]["body"] == body
    assert re.search(says, told(made.routes[0].notes))


COUNTED = "input: {age: {type: integer, sensitivity: personal}, kind: {enum: [a, b]}}\noutput: {label: {enum: [x, y]}, score: {type: number, min: 0, max: 1, sensitivity: health}}"
LABELS = "labels: {key: {env: GUARD_HASH_KEY}, segments: [kind]}\n"


def test_what_monitoring_counts_is_told_by_field(tmp_path: Path) -> None:
    made = route(tmp_path, COUNTED)
    shown, private, left = made.routes[0].notes[-3:]
    assert (shown.values, private.values, left.values) == (("kind", "label"), ("age",), ("score",))
    assert "neither they nor the shares of cells are shown or exported" in private.text
    assert "monitoring's counts" in told(made.kept)


@pytest.mark.parametrize(
    ("rest", "counted"),
    [("monitor: off\n", ()), ("monitor: {fields: {age: off, label: off}}\n", ("kind",)), ("", ("kind", "label"))],
)
def test_what_is_off_is_not_told_to_be_counted(tmp_path: Path, rest: str, counted: tuple[str, ...]) -> None:
    made = route(tmp_path, COUNTED, rest)
    found = [note.values for note in made.routes[0].notes if note.text.startswith("Monitoring counts how many")]
    assert found == ([counted] if counted else [])
    assert ("monitoring" in told(made.kept)) is (rest != "monitor: off\n")


def test_what_a_receipt_holds_is_told_where_there_are_labels(tmp_path: Path) -> None:
    made = route(tmp_path, COUNTED, LABELS)
    [note] = [note for note in made.routes[0].notes if "receipt" in note.text]
    assert note.values == ("label", "kind")
    assert "a mark for each receipt" in told(made.kept)
    assert "receipt" not in told([*route(tmp_path, COUNTED).routes[0].notes, *route(tmp_path, COUNTED).kept])


def test_passthrough_and_denied_have_their_line(tmp_path: Path) -> None:
    made = report(tmp_path, "  GET /a: passthrough\n  GET /b: denied\n")
    assert [(item.body, item.ladder) for item in made.routes] == [("passthrough", ("model", "disabled")), ("denied", ())]
    assert "Nothing is known of them" in told(made.routes[0].notes)
    assert "404" in told(made.routes[1].notes)
    assert [item.route for item in made.review] == ["GET /a"]


def test_of_the_request_it_says_what_the_policy_says(tmp_path: Path) -> None:
    plain = told(route(tmp_path, "input: {f: {type: number}}").request)
    assert "No proxy is trusted" in plain
    assert "`baggage` is dropped" in plain
    other = route(tmp_path, "input: {f: {type: number}}", "trusted_proxies: [10.0.0.0/8]\nprivacy: {baggage: [tenant]}\n")
    assert "10.0.0.0/8" in told(other.request)
    assert "only these members are forwarded tenant" in told(other.request)
    assert "a trusted proxy's own decision" in told(other.telemetry)
    assert "a trusted proxy's own decision" not in told(route(tmp_path, "input: {f: {type: number}}").telemetry)


def test_of_telemetry_it_says_what_the_policy_says(tmp_path: Path) -> None:
    made = route(
        tmp_path, "input: {f: {type: number}}", "telemetry: {trace_sample: 2.5%, prometheus: false}\nstate_dir: /srv/s\n"
    )
    assert "2.5% of exchanges" in told(made.telemetry)
    assert "there is no `/metrics`" in told(made.telemetry)
    assert not any("metrics`" in recipient.who for recipient in made.recipients)
    assert "OTLP endpoints come from the environment" in told(made.telemetry)
    assert "/srv/s" in told(made.kept)


def test_webhooks_receive_something_and_their_secrets_are_not_told(tmp_path: Path) -> None:
    rest = "webhooks: [{url: 'https://h.example/s3cr3t'}, {url: {env: ALERTS}}]\n"
    made = report(tmp_path, "  GET /a: passthrough\n", rest)
    assert [recipient.where for recipient in made.recipients if recipient.who == "webhook"] == [
        "https://h.example",
        "ALERTS",
    ]
    assert "s3cr3t" not in markdown(made)


def test_owners(tmp_path: Path) -> None:
    found = loaded(tmp_path, "  GET /a: passthrough\n", "owners: {serving: platform, incidents: {team: sre}}\n")
    made = make(found)
    assert [(owner.role, owner.name) for owner in made.owners] == [("serving", "platform"), ("incidents", "sre")]


# ── summary and review ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_summary_counts_and_lists_what_is_personal_and_sent(tmp_path: Path) -> None:
    made = route(
        tmp_path,
        "input: {a: {type: number, sensitivity: personal}, b: {type: number, sensitivity: health, send: false}, "
        "c: {type: number, sensitivity: confidential}, d: {type: string, sensitivity: personal, treatment: mask}}\n"
        "output: {o: {type: number, sensitivity: personal}}",
    )
    counts = {item.sensitivity: (item.inputs, item.inputs_sent, item.inputs_logged, item.outputs) for item in made.summary}
    assert counts["personal"] == (2, 2, 1, 1)
    assert counts["health"] == (1, 0, 0, 0)
    assert counts["confidential"] == (1, 1, 0, 0)
    assert [item.field for item in made.sensitive] == ["a", "d"]


FINE = "input: {f: {type: number, sensitivity: public}}\noutput: {o: {type: number, sensitivity: public}}"


def test_where_all_is_declared_nothing_is_questioned(tmp_path: Path) -> None:
    made = route(tmp_path, FINE)
    assert made.review == ()
    assert "Nothing was found to question." in markdown(made)


@pytest.mark.parametrize(
    ("declared", "rest", "code_", "fields"),
    [
        (FINE.replace("f: {type: number, sensitivity: public}", "f: {type: number}"), "", "sensitivity_default", ("f",)),
        (FINE.replace("o: {type: number, sensitivity: public}", "o: {type: number}"), "", "sensitivity_default", ("o",)),
        ("input: {f: {type: string, sensitivity: personal}}", "", "free_text", ("f",)),
        ("undeclared: pass\n" + FINE, "", "undeclared_pass", ()),
        ("enforcement: observe\n" + FINE, "", "observe", ()),
        ("input: {f: {type: number, sensitivity: public, treatment: hash}}", "", "hash_without_key", ("f",)),
        (
            "input: {f: {type: number, sensitivity: public}}\noutput: {o: {type: number, sensitivity: health}}\n" + CACHED,
            "",
            "cached_sensitive",
            ("o",),
        ),
        (FINE + "\nfallback: [{cached: {key: [f]}}]", "", "cache_key", ()),
        ("content: [image/png]", "", "unread", ()),
        ("input: {schema: in.json}", "", "schema", ()),
        ("output: {o: {type: string, sensitivity: internal}}", "", "output_text", ("o",)),
        (
            "input: {o: {type: object, sensitivity: public, fields: {x: {type: string, treatment: mask}}}}",
            "",
            "treatment_ignored",
            ("o.x",),
        ),
        ("input: {t: {type: timestamp, sensitivity: health, freshness: {}}}\noutput: {o: {type: number}}\nfallback: {o: 1}", "", "age_measured", ("t",)),
        (
            "input: {o: {type: object, sensitivity: personal, treatment: hash, fields: {x: {type: string, sensitivity: secret}}}}",
            KEY,
            "hashed_secret",
            ("o",),
        ),
    ],
)  # fmt: skip
def test_what_a_reviewer_should_question(
    tmp_path: Path, declared: str, rest: str, code_: str, fields: tuple[str, ...]
) -> None:
    (tmp_path / "in.json").write_text("{}")
    assert codes(route(tmp_path, declared, rest)).get(code_) == fields


@pytest.mark.parametrize(
    ("declared", "rest", "code_"),
    [
        ("input: {f: {type: string, sensitivity: personal, detect: [email]}}", "", "free_text"),
        ("input: {f: {type: string, sensitivity: personal, pattern: x}}", "", "free_text"),
        ("input: {f: {type: string, sensitivity: personal, send: false}}", "", "free_text"),
        ("input: {f: {type: string, sensitivity: confidential}}", "", "free_text"),
        ("input: {f: {type: number, treatment: hash}}", KEY, "hash_without_key"),
        ("enforcement: observe\noutput: {o: {type: number, sensitivity: health}}\n" + CACHED, "", "cached_sensitive"),
        ("output: {o: {type: string, sensitivity: personal}}", "", "output_text"),
        ("input: {o: {type: object, fields: {x: {type: number, sensitivity: public}}}}", "", "sensitivity_default"),
    ],
)
def test_what_needs_no_question(tmp_path: Path, declared: str, rest: str, code_: str) -> None:
    assert code_ not in codes(route(tmp_path, declared, rest))


def test_two_fields_of_one_dotted_name_are_both_questioned(tmp_path: Path) -> None:
    made = route(tmp_path, "input: {a: {type: string}, a.b: {type: string, sensitivity: public}}")
    assert codes(made)["sensitivity_default"] == ("a",)
