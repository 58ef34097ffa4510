"""`guard privacy`: what it says is what the data plane does, and a policy's own words cannot break the page."""

import json
from pathlib import Path
from typing import Any

import pytest

from guard.cli.privacy import markdown
from guard.kit.privacy import report
from guard.policy.load import load
from tests.cli.test_cli import ROOT, guard, valid

POLICY = """version: guard/v1
service: clinic
upstream: http://127.0.0.1:8080
PRIVACYroutes:
  POST /p:
    input:
      open: {type: string, log: true, sensitivity: public}
      plain: {type: integer, unit: years, description: of age}
      name: {type: string, sensitivity: personal}
      note: {type: string, sensitivity: health, detect: [email, phone]}
      id: {type: string, sensitivity: personal, send: false, treatment: hash}
      alias: {type: string, sensitivity: confidential, treatment: mask}
      pin: {type: string, sensitivity: secret, derived: true}
      home: {type: object, sensitivity: personal, fields: {street: {type: string, detect: [email]}, tags: {type: array, items: {type: string}}}}
      at: {type: timestamp, freshness: {stale: 1d}}
    output:
      label: {enum: [a, b], meaning: what to do}
      score: {type: number, min: 0, max: 1, sensitivity: health}
      raw: {type: number, treatment: drop}
      probabilities: {type: array, items: {type: number}, sensitivity: public}
    fallback:
      - previous: http://10.0.0.9:8080
      - cached: {max_age: 10m}
      - rules: [{answer: {label: a, score: 0, raw: 0, probabilities: []}}]
  POST /open: passthrough
  POST /closed: denied
"""


def made(
    tmp_path: Path, text: str = POLICY, privacy: str = "privacy: {hash_key: {env: K}, baggage: [tenant]}\n"
) -> dict[str, Any]:
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace("PRIVACY", privacy))
    return report(load(path, environ={"K": "x" * 32}))


def forms(told: dict[str, Any], side: str, form: str) -> dict[str, str]:
    return {field["name"]: field[form] for field in told["routes"][0][side]}


def test_what_reaches_the_model(tmp_path: Path) -> None:
    told = forms(made(tmp_path), "inputs", "model")
    assert told["plain"] == told["pin"] == told["home"] == "value"
    assert told["id"] == "never: checked here and removed"
    assert told["note"] == "value, with email, phone replaced by a word"
    assert told["home/street"] == "value, with email replaced by a word"
    assert told["home/tags/*"] == "value"


def test_what_reaches_the_log(tmp_path: Path) -> None:
    told = forms(made(tmp_path), "inputs", "log")
    assert told == {
        "open": "value, in a sample of 1% of exchanges", "plain": "never", "name": "never", "note": "never",
        "id": "keyed hash (HMAC-SHA-256)", "alias": "the word [masked]", "pin": "never", "home": "never",
        "home/street": "never", "home/tags": "never", "home/tags/*": "never", "at": "never",
    }  # fmt: skip
    without = made(tmp_path, privacy="")
    assert "[redacted]" in forms(without, "inputs", "log")["id"]
    assert any("hash_key" in question for question in without["review"])


def test_what_reaches_metrics_traces_and_the_cache(tmp_path: Path) -> None:
    told = made(tmp_path)
    assert set(forms(told, "inputs", "trace").values()) == {"never"}
    assert forms(told, "inputs", "metric")["at"].endswith("age")
    assert forms(told, "inputs", "cache")["id"] == "never"
    assert forms(told, "inputs", "cache")["name"] == "in a keyed digest, in memory"
    assert forms(told, "outputs", "metric") == {
        "label": "counts by class", "score": "never", "raw": "never", "probabilities": "histogram of the largest value",
    }  # fmt: skip
    assert forms(told, "outputs", "log")["score"] == "never"
    assert forms(told, "outputs", "cache")["label"] == "value, in memory for 10m at most"


def test_who_receives_and_what_a_reviewer_should_ask(tmp_path: Path) -> None:
    told = made(tmp_path)
    assert told["routes"][0]["recipients"] == ["http://127.0.0.1:8080", "http://10.0.0.9:8080"]
    assert told["routes"][2]["recipients"] == []
    assert {"part": "baggage", "model": "members tenant only", "telemetry": "never"} in told["request"]
    assert told["fields_by_sensitivity"]["personal"] == 3
    asked = "\n".join(told["review"])
    assert "name is free text about a person" in asked
    assert "note is free text" not in asked
    assert "POST /open: passthrough" in asked
    assert "answers are kept in memory, and with them score" in asked
    assert "taken for internal: plain, at, label, raw" in asked


def test_observed_routes_say_that_nothing_is_replaced(tmp_path: Path) -> None:
    told = made(tmp_path, POLICY.replace("    input:\n", "    enforcement: observe\n    input:\n", 1))
    assert forms(told, "inputs", "model")["note"] == "as sent"
    assert forms(told, "inputs", "model")["id"] == "never: checked here and removed"


def test_words_of_a_policy_cannot_break_the_page(tmp_path: Path) -> None:
    hostile = POLICY.replace("of age", '"| <script>alert(1)</script> | `x` [a](javascript:b)"').replace("unit: years, description: ", "description: ")  # fmt: skip
    lines = list(markdown(made(tmp_path, hostile)))
    (row,) = [line for line in lines if "`plain`" in line]
    assert "<script>" not in row
    assert row.replace("\\|", "").count("|") == 9
    assert "\\[a\\]" in row
    assert lines == list(markdown(made(tmp_path, hostile)))


@pytest.mark.parametrize("policy", sorted((ROOT / "policies").glob("*.yaml")), ids=lambda path: path.name)
def test_every_policy_has_a_report_by_its_schema(policy: Path) -> None:
    done = guard("privacy", policy, "--json")
    if done.returncode:
        assert guard("check", policy).returncode == 1
        return
    valid("privacy.schema.json", json.loads(done.stdout))
    assert guard("privacy", policy).stdout.startswith("# Privacy of ")


def test_a_broken_policy_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("version: guard/v1\n")
    done = guard("privacy", tmp_path / "p.yaml")
    assert done.returncode == 1
    assert done.stdout == ""
