"""Each planted fault is found, and named so that somebody can mend it; a model without one passes."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest

from tests.kit.rehearse.stage import ROOT, SALARIED, checks, model, policy, told


def test_a_healthy_model_passes_and_the_forms_of_the_report_agree(tmp_path: Path) -> None:
    with model() as served:
        path = policy(tmp_path, served.port)
        page, xml = tmp_path / "page.html", tmp_path / "junit.xml"
        code, document = told(
            path, "--seconds", "16", "--direct", "--model-pid", str(served.pid), "--html", str(page), "--junit", str(xml)
        )
    failed = [check for part in document["result"]["parts"] for check in part["checks"] if check["result"] == "fail"]
    assert (code, document["passed"], failed) == (0, True, [])
    assert {part["name"] for part in document["result"]["parts"]} == {
        "requests", "examples", "messy", "direct", "drift", "load", "fallback", "leaks",
    }  # fmt: skip
    for schema in ("evidence", "rehearse"):
        jsonschema_rs.validate(json.loads((ROOT / f"docs/{schema}.schema.json").read_text()), document)
    assert json.loads((tmp_path / "evidence" / "rehearse.json").read_text()) == document
    measured = document["result"]["measured"]
    assert measured["requests"] > 0
    assert 0 < measured["latency_p50"] <= measured["latency_p95"] <= measured["latency_p99"]
    assert checks(document, "load", "pass").keys() >= {
        "memory of guard",
        "every request is answered",
        "targets.latency_p95",
    }
    assert set(checks(document, "fallback")) == {"the rung model", "the rung rules", "the rung disabled"}
    whole = document["result"]["parts"]
    suites = ET.parse(xml).getroot()
    assert [len(suite) for suite in suites] == [len(part["checks"]) for part in whole]
    assert suites.get("failures") == "0"
    text = page.read_text()
    assert "All checks passed" in text
    assert not re.findall(r"<script|<link|<img|@import|url\(|(?:src|href)=", text)
    for value in (SALARIED["customer_id"], str(SALARIED["income"])):
        assert value not in text
        assert value not in json.dumps(document)


@pytest.mark.parametrize(
    ("fault", "arguments", "part", "name", "fields", "got"),
    [
        (
            "nan",
            ("--only", "messy"),
            "messy",
            "at the bounds",
            ["income"],
            r"rules because of invalid \(guard counts: the whole answer not_finite\)",
        ),
        ("category", ("--only", "messy"), "messy", "categories", ["employment"], "rules because of reset"),
        ("echo", ("--only", "messy"), "messy", "long text", ["note"], "upstream_refused"),
        (
            "echo",
            ("--only", "direct", "--direct"),
            "direct",
            "long text",
            ["note"],
            "422; it repeats a value of the request",
        ),
        ("nan", ("--only", "direct", "--direct"), "direct", "at the bounds", ["income"], "200, but it holds NaN"),
        ("hang", ("--only", "messy"), "messy", "at the bounds", ["income"], "rules because of timeout"),
    ],
)
def test_a_fault_of_single_requests(
    tmp_path: Path, fault: str, arguments: tuple[str, ...], part: str, name: str, fields: list[str], got: str
) -> None:
    with model(fault) as served:
        code, document = told(policy(tmp_path, served.port), "--seconds", "20", *arguments)
    check = checks(document, part, "fail")[name]
    assert (code, document["passed"], check["fields"]) == (1, False, fields)
    assert re.search(got, check["got"])
    assert check["todo"]
    assert check["failed"] >= 1
    assert not (tmp_path / "evidence").exists(), "half a rehearsal is no evidence"


def test_a_model_that_gets_slower_the_more_it_is_asked(tmp_path: Path) -> None:
    with model("slow") as served:
        code, document = told(policy(tmp_path, served.port), "--seconds", "20", "--only", "load")
    check = checks(document, "load", "fail")["more clients do not slow the service down"]
    assert code == 1
    assert check["sent"].startswith("16 clients")
    assert "upstream.limits.concurrency" in check["todo"]


def test_a_model_that_leaks_memory(tmp_path: Path) -> None:
    with model("leak") as served:
        code, document = told(
            policy(tmp_path, served.port), "--seconds", "20", "--only", "load", "--model-pid", str(served.pid)
        )
    assert code == 1
    assert re.search(r"[56]\d KiB per request", checks(document, "load", "fail")["memory of the model"]["got"])
    assert "memory of guard" not in checks(document, "load", "fail")


def test_a_model_that_lies_about_its_length_answers_nothing(tmp_path: Path) -> None:
    with model("lie") as served:
        code, document = told(policy(tmp_path, served.port), "--seconds", "20", "--only", "messy")
    [check] = checks(document, "requests", "fail").values()
    assert code == 1
    assert check["got"].startswith("200 from rules because of reset")
