"""Single items on small policies, and what hostile surroundings make of a checklist: a finding, never a crash or a wait."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from guard.kit.checklist import gather
from guard.kit.checklist.junit import junit
from guard.kit.checklist.live import Live
from guard.kit.checklist.markdown import markdown
from guard.kit.checklist.registry import SECTIONS, sections
from guard.kit.checklist.table import table
from guard.kit.checklist.values import Item, Section
from guard.kit.evidence import MOST_BYTES
from guard.monitoring.cells import FieldSpec
from guard.monitoring.reference import CutMaker
from guard.policy.loading import load
from tests.cli.test_cli import ROOT, valid
from tests.privacy_pages import cells

HEAD = "version: guard/v1\nservice: t\nupstream: http://127.0.0.1:1\n"
ROUTE = """routes:
  POST /predict:
    input: {age: {type: integer, min: 18, unit: years, description: age, sensitivity: internal}}
    output: {label: {enum: [a, b], meaning: m, sensitivity: internal}}
    fallback: {label: a}
"""


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "guard", "checklist", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder)


def items(folder: Path, text: str = ROUTE, more: str = "", running: Live | None = None) -> dict[str, Item]:
    path = folder / "policy.yaml"
    path.write_text(HEAD + more + text)
    facts = gather.facts(path, load(path, environ={}), (), running, datetime.now(UTC))
    return {item.id: item for section in sections(facts) for item in section.items}


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["minimal.yaml", "reference.yaml", "tumour-triage.yaml"])
def test_every_example_has_a_checklist_of_the_form(tmp_path: Path, name: str) -> None:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    done = run(tmp_path, f"policies/{name}", "--json", "--junit", "j.xml")
    assert (done.returncode, done.stderr) == (1, "")
    told = valid("checklist.schema.json", json.loads(done.stdout))
    assert [section["id"] for section in told["sections"]] == [part.id for part in SECTIONS]
    for section in told["sections"]:
        assert {item["id"].partition(".")[0] for item in section["items"]} == {section["id"]}
    count = sum(len(section["items"]) for section in told["sections"])
    root = ET.parse(tmp_path / "j.xml").getroot()
    assert (root.get("tests"), len(root.findall(".//testcase"))) == (str(count), count)
    kept = valid("evidence.schema.json", json.loads((tmp_path / "policies" / "evidence" / "checklist.json").read_text()))
    assert (kept["passed"], kept["result"]) == (False, told)


def reference_file(folder: Path, version: str | None) -> None:
    spec = FieldSpec("label", "output", "class", ("a", "b"))
    maker = CutMaker([spec])
    maker.add({("output", "label"): "a"})
    counted = maker.finish()
    counted.add({("output", "label"): "a"})
    (folder / "r.json").write_text(counted.finish("2026-01-01T00:00:00Z", version).to_json())


RECORD = "release: {version: '2', parts: PARTS}\n"


@pytest.mark.parametrize(
    ("more", "version", "status", "says"),
    [
        ("", "2", "warn", "POST /predict: compared with its first 2,000 requests"),
        ("monitor: off\n", "2", "warn", "monitor is off"),
        ("monitor: {fields: {age: off, label: off}}\n", "2", "pass", "no route declares what monitoring could compare"),
        ("monitor: {reference: r.json}\n", "2", "pass", "1 rows, sha256:"),
        ("monitor: {references: {POST /predict: r.json}}\n", None, "pass", "1 rows, sha256:"),
        ("monitor: {reference: r.json}\n" + RECORD.replace("PARTS", "{reference: none}"), "1", "warn", "of version 1, the release is 2"),
        ("monitor: {reference: r.json}\n" + RECORD.replace("PARTS", "{}"), "2", "warn", "the release does not name the reference"),
        ("monitor: {reference: r.json}\n" + RECORD.replace("PARTS", "{reference: none}"), "2", "pass", "1 rows, sha256:"),
    ],
)  # fmt: skip
def test_monitoring_needs_a_reference_of_this_release(
    tmp_path: Path, more: str, version: str | None, status: str, says: str
) -> None:
    reference_file(tmp_path, version)
    item = items(tmp_path, more=more)["monitoring.reference"]
    assert (item.status, says in item.evidence) == (status, True), item


def test_several_routes_are_asked_for_one_by_one(tmp_path: Path) -> None:
    two = ROUTE + ROUTE.partition("\n")[2].replace("/predict", "/other")
    item = items(tmp_path, two)["monitoring.reference"]
    assert "guard reference make --policy" in item.fix
    assert "--route 'POST /predict' VALIDATION_SET`" in item.fix
    assert "references: {POST /predict: reference.json}" in item.fix


@pytest.mark.parametrize(
    ("declared", "status"), [("", "warn"), ("monitor: {season: none}\n", "pass"), ("monitor: {season: week}\n", "pass")]
)
def test_a_season_is_asked_for(tmp_path: Path, declared: str, status: str) -> None:
    assert items(tmp_path, more=declared)["monitoring.season"].status == status


def test_the_schema_refuses_what_is_no_checklist(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD + ROUTE)
    document = json.loads(run(tmp_path, "policy.yaml", "--json").stdout)
    for spoil in (
        lambda item: item["sections"].pop(),
        lambda item: item["sections"].reverse(),
        lambda item: item["sections"][0]["items"][0].update(status="maybe"),
        lambda item: item["sections"][0]["items"][0].update(fix=""),
        lambda item: item["sections"][1].update(more=1),
    ):
        copy = json.loads(json.dumps(document))
        spoil(copy)
        with pytest.raises(ValueError):
            valid("checklist.schema.json", copy)


def test_a_policy_that_is_wrong_and_usage(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD + "routes: {}\n")
    done = run(tmp_path, "policy.yaml", "--json")
    assert done.returncode == 1
    assert not valid("checklist.schema.json", json.loads(done.stdout))["valid"]
    assert run(tmp_path, "policy.yaml").stderr.endswith("1 mistake\n")
    (tmp_path / "policy.yaml").write_text(HEAD + ROUTE)
    for wrong in ((), ("policy.yaml", "--live", "8902"), ("policy.yaml", "--json", "--markdown"), ("policy.yaml", "--fail-on", "pass"), ("policy.yaml", "--junit", "no/where.xml")):  # fmt: skip
        assert run(tmp_path, *wrong).returncode == 2, wrong


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD + ROUTE)
    (tmp_path / "evidence").write_text("a file")
    done = run(tmp_path, "policy.yaml")
    assert (done.returncode, "the evidence is not saved" in done.stderr) == (1, True)


def test_warnings_fail_only_where_they_should() -> None:
    results = [Section("s", "S", (Item("s.a", "pass", "e"), Item("s.b", "warn", "e", "f")))]
    assert results[0].status == "warn"
    assert b'failures="0" skipped="1"' in junit(results, "fail")
    assert b'failures="1" skipped="0"' in junit(results, "warn")


# ── forms ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = "\x00\x1b[31m\ud800\ufffe | `x` <script> \u202e ]]> & [l](http://x) \n# h"


def test_what_others_wrote_stays_text() -> None:
    results = [Section("s", "S", (Item("s.a", "fail", HOSTILE, f"in p: `{HOSTILE}` and {HOSTILE}"),))]
    shown = table(results, 80)
    assert "\x1b" not in shown.replace("\x1b[0m", "").replace("\x1b[31m", "", 2).replace("\x1b[1m", "")
    assert "\n# h" not in shown
    root = ET.fromstring(junit(results, "fail"))
    found = root.find(".//failure")
    assert found is not None
    assert "<script>" in (found.get("message") or "")
    page = markdown(results)
    assert "<script>" not in page
    assert [cell.text for cell in cells(page, "h1")] == ["Launch checklist"]
    assert len(cells(page, "td")) == 4


def test_a_table_without_colour_says_all() -> None:
    results = [Section("s", "S", (Item("s.a", "warn", "why " * 40, "fix " * 40), Item("s.b", "pass", "fine")))]
    import click

    shown = click.unstyle(table(results, 80))
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.splitlines()[0] == "WARN 1 S"
    assert shown.endswith("1 sections: 1 warn")
    assert shown.count("why") == 40
    assert shown.count("fix") == 41


# ── items ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "after", "item", "status", "words"),
    [
        ("age: {", "note: {type: string, sensitivity: personal, description: d}, age: {", "data.leaves", "warn", "free_text"),
        ("    fallback", "    undeclared: pass\n    fallback", "data.minimised", "warn", "undeclared_pass"),
        ("routes:", "routes:\n  POST /raw: passthrough", "data.minimised", "warn", "POST /raw (passthrough)"),
        ("routes:", "routes:\n  POST /raw: passthrough", "contract.declared", "warn", "POST /raw passes unread"),
        ("routes:", "routes:\n  GET /health: passthrough", "data.minimised", "pass", ""),
        ("unit: years, ", "enum: [18, 19], ", "contract.units", "pass", ""),
        ("unit: years, ", "", "contract.units", "fail", "age"),
        ("age: {", "x: {type: object, description: d, sensitivity: internal, fields: {n: {type: number}}}, age: {", "contract.units", "fail", "x.n"),
        ("age: {", "x: {type: array, description: d, sensitivity: internal, items: {type: number, unit: m}}, age: {", "contract.descriptions", "warn", "x[]"),
        ("min: 18,", "missing: fall,", "contract.missing", "pass", "falls to rules"),
        ("min: 18,", "default: 18,", "contract.missing", "pass", "defaulted"),
        ("    fallback: {label: a}\n", "", "failure.rung", "fail", "POST /predict"),
        ("    fallback: {label: a}", "    fallback: [{previous: 'http://h:1'}]", "failure.rung", "warn", "POST /predict"),
        ("    fallback: {label: a}", "    fallback: [{previous: 'http://h:1'}, {rules: [{answer: {label: a}}]}]", "failure.rollback", "fail", "no previous"),
        ("meaning: m, sensitivity: internal", "meaning: m, sensitivity: health", "monitoring.predictions", "fail", "no output is measured"),
    ],
)  # fmt: skip
def test_what_a_policy_says(tmp_path: Path, before: str, after: str, item: str, status: str, words: str) -> None:
    assert before in ROUTE
    found = items(tmp_path, ROUTE.replace(before, after))[item]
    assert (found.status, words in found.evidence) == (status, True), found
    assert bool(found.fix) == (status != "pass")


@pytest.mark.parametrize(
    ("targets", "item", "status", "words"),
    [
        ("{latency_p95: 20s}", "latency", "fail", "times out after 10s"),
        (
            "{expected_rate: 1000/s, latency_p95: 300ms}",
            "volume",
            "fail",
            "300 calls in flight, but there are only 64 slots",
        ),
        ("{expected_rate: 1000/s, latency_p95: 300ms}", "volume", "fail", "a p95 of 300ms"),
        ("{expected_rate: 100/s, latency_p95: 300ms}", "volume", "warn", "not measured"),
        ("{quality: {auc: 0.85}}", "quality", "pass", "auc 0.87"),
        ("{quality: {auc: 0.9}}", "quality", "fail", "0.87"),
        ("{quality: {ece: 0.05}}", "quality", "pass", "ece 0.03"),
        ("{quality: {ece: 0.02}}", "quality", "fail", "ece is 0.03"),
        ("{quality: {f1: 0.02}}", "quality", "fail", "f1"),
        ("{cost: {per_request: 0.01 EUR, daily: 20 EUR}, expected_rate: 1/s}", "cost", "fail", "864.00 EUR a day"),
        ("{cost: {per_request: 0.0001 EUR, daily: 20 EUR}, expected_rate: 1/s}", "cost", "pass", "0.0001 EUR a request"),
    ],
)
def test_targets_agree_with_the_rest(tmp_path: Path, targets: str, item: str, status: str, words: str) -> None:
    release = "release: {version: 1, evaluation: {metrics: {auc: 0.87, ece: 0.03}}}\n"
    found = items(tmp_path, more=f"targets: {targets}\n{release}")[f"targets.{item}"]
    assert (found.status, words in found.evidence) == (status, True), found


def test_a_policy_without_a_contract_has_a_checklist_too(tmp_path: Path) -> None:
    found = items(
        tmp_path, "routes: {GET /a: passthrough, GET /b: denied}\n", "targets: {expected_rate: 1/s, latency_p95: 1s}\n"
    )
    assert found["contract.declared"].evidence == "no route has a contract"


@pytest.mark.parametrize("name", ["TODO", "tbd", "-", "?", "n/a", "TEAM", "", "xxx", "nobody"])
def test_a_word_that_keeps_a_place_is_no_owner(tmp_path: Path, name: str) -> None:
    found = items(tmp_path, more=f"owners: {{serving: '{name}', incidents: {{team: '{name}', page: '{name}'}}}}\n")
    for item in ("owners.serving", "owners.incidents", "failure.page"):
        assert found[item].status == "fail"
    assert items(tmp_path, more="owners: {serving: todoist}\n")["owners.serving"].status == "pass"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("- run: guard checklist p.yaml", "pass"), ("- run: python -m guard checklist p.yaml --live x", "pass"), ("# guard checklist p.yaml", "warn"),
        ("- run: echo hi # guard checklist", "warn"), ("- run: guard checklist p.yaml || true", "warn"), ("- run: bodyguard checklist", "warn"),
        ("", "warn"), ("\x00\xff", "warn"),
    ],
)  # fmt: skip
def test_what_a_pipeline_runs(tmp_path: Path, line: str, status: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / ".gitlab-ci.yml").write_text(f"job:\n  script:\n    {line}\n", encoding="latin-1")
    assert items(tmp_path / "deep")["next.checklist"].status == status


def test_a_pipeline_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    os.mkfifo(tmp_path / ".github" / "workflows" / "a.yml")
    (tmp_path / "Jenkinsfile").symlink_to("/dev/zero")
    found = items(tmp_path)["next.checklist"]
    assert (found.status, found.evidence) == ("warn", "no pipeline was found in the repository")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b" " * (MOST_BYTES + 1),
        b'{"kind":"drill"}',
        json.dumps({"steps": 3}).encode(),
        b"[" * 200_000,
    ],
    ids=["empty", "list", "cut", "bytes", "huge", "partial", "stranger", "deep"],
)
@pytest.mark.parametrize("kind", ["release", "rehearse", "drill"])
def test_evidence_that_is_none_fails_its_item(tmp_path: Path, kind: str, content: bytes) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / f"{kind}.json").write_bytes(content)
    found = items(tmp_path, more="release: {version: 1}\n")
    item = {"release": "release.verified", "rehearse": "rehearsal.fresh", "drill": "failure.drilled"}[kind]
    assert found[item].status == "fail"
    assert f"evidence/{kind}.json" in found[item].evidence


STRANGE: list[Any] = [{}, {"steps": None}, {"steps": [1, None]}, {"steps": [{"route": 1, "rung": []}]}, {"measured": []}, {"measured": {"rate": "x", "latency_p95": True}}]  # fmt: skip


@pytest.mark.parametrize("result", STRANGE, ids=str)
@pytest.mark.parametrize("passed", [True, False])
def test_evidence_whose_result_is_strange(tmp_path: Path, result: Any, passed: bool) -> None:
    from guard.kit import evidence

    path = tmp_path / "policy.yaml"
    more = "targets: {latency_p95: 1s, expected_rate: 1/s, error_rate: 1%, availability: 99%}\n"
    path.write_text(HEAD + more + ROUTE)
    loaded = load(path, environ={})
    for kind in ("rehearse", "drill", "release"):
        evidence.keep(path, evidence.document(loaded, kind, result, passed=passed, at=datetime.now(UTC)))  # type: ignore[arg-type]
    found = items(tmp_path, more=more)
    assert found["targets.volume"].status == "warn"
    assert found["failure.covered"].status == "fail"
    assert found["failure.drilled"].status == ("pass" if passed else "fail")


def test_evidence_does_not_put_words_into_a_fix(tmp_path: Path) -> None:
    from guard.kit import evidence

    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + ROUTE)
    steps = [{"route": "'; rm -rf ~; '", "rung": "rules", "ok": False, "why": "give one with --request"}]
    made = evidence.document(load(path, environ={}), "drill", {"steps": steps}, passed=False, at=datetime.now(UTC))
    evidence.keep(path, made)
    assert "rm -rf" not in items(tmp_path)["failure.drilled"].fix
