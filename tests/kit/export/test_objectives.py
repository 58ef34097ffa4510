"""OpenSLO, Sloth and Pyrra: what is exported has the shape that each of them publishes, and queries that Prometheus reads."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.kit.export.making import export, policy
from tests.servers import promtool

KINDS = ("openslo", "sloth", "pyrra")


def mapping(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """A mapping with these members and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
NAME: dict[str, Any] = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
WORDS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
SOURCE = mapping({"metricSource": mapping({"type": {"const": "Prometheus"}, "spec": mapping({"query": TEXT})})})
ALERT = mapping({}, labels=WORDS, annotations=WORDS, disable={"type": "boolean"})
METRIC = mapping({"metric": TEXT})
SCHEMAS = {
    # github.com/OpenSLO/OpenSLO, schemas/v1 and the README's section SLO, read 2026-12-01
    "openslo": mapping(
        {
            "apiVersion": {"const": "openslo/v1"},
            "kind": {"const": "SLO"},
            "metadata": mapping({"name": NAME}, displayName=TEXT, labels=WORDS, annotations=WORDS),
            "spec": mapping(
                {
                    "description": {"type": "string", "maxLength": 1050},
                    "service": NAME,
                    "indicator": mapping(
                        {
                            "metadata": mapping({"name": NAME}),
                            "spec": mapping(
                                {
                                    "ratioMetric": {
                                        **mapping({"counter": {"const": True}, "total": SOURCE}, good=SOURCE, bad=SOURCE),
                                        "oneOf": [{"required": ["good"]}, {"required": ["bad"]}],
                                    }
                                }
                            ),
                        }
                    ),
                    "timeWindow": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 1,
                        "items": mapping(
                            {
                                "duration": {"type": "string", "pattern": "^[1-9][0-9]*[mhdwMQY]$"},
                                "isRolling": {"const": True},
                            }
                        ),
                    },
                    "budgetingMethod": {"enum": ["Occurrences", "Timeslices", "RatioTimeslices"]},
                    "objectives": {
                        "type": "array",
                        "minItems": 1,
                        "items": mapping(
                            {"target": {"type": "number", "minimum": 0, "exclusiveMaximum": 1}}, displayName=TEXT
                        ),
                    },
                }
            ),
        }
    ),
    # github.com/slok/sloth, pkg/kubernetes/gen/crd, read 2026-12-01
    "sloth": mapping(
        {
            "apiVersion": {"const": "sloth.slok.dev/v1"},
            "kind": {"const": "PrometheusServiceLevel"},
            "metadata": mapping({"name": NAME}),
            "spec": mapping(
                {
                    "service": TEXT,
                    "slos": {
                        "type": "array",
                        "minItems": 1,
                        "items": mapping(
                            {
                                "name": {"type": "string", "maxLength": 128},
                                "objective": {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
                                "sli": mapping(
                                    {
                                        "events": mapping(
                                            {
                                                "errorQuery": {"type": "string", "pattern": r"\{\{\.window\}\}"},
                                                "totalQuery": {"type": "string", "pattern": r"\{\{\.window\}\}"},
                                            }
                                        )
                                    }
                                ),
                                "alerting": mapping(
                                    {"name": TEXT}, labels=WORDS, annotations=WORDS, pageAlert=ALERT, ticketAlert=ALERT
                                ),
                            },
                            description=TEXT,
                            labels=WORDS,
                        ),
                    },
                },
                labels=WORDS,
            ),
        }
    ),
    # github.com/pyrra-dev/pyrra, config/crd/bases, read 2026-12-01
    "pyrra": mapping(
        {
            "apiVersion": {"const": "pyrra.dev/v1alpha1"},
            "kind": {"const": "ServiceLevelObjective"},
            "metadata": mapping({"name": NAME}),
            "spec": mapping(
                {
                    "target": {"type": "string", "pattern": r"^[0-9]{1,2}(\.[0-9]+)?$"},
                    "window": {"type": "string", "pattern": "^[1-9][0-9]*[mhdw]$"},
                    "indicator": {
                        "oneOf": [
                            mapping({"ratio": mapping({"errors": METRIC, "total": METRIC})}),
                            mapping({"latency": mapping({"success": METRIC, "total": METRIC})}),
                        ]
                    },
                },
                description=TEXT,
            ),
        }
    ),
}
"""The parts of each published schema that are written, and nothing else: a member that it does not know is a mistake."""


def documents(kind: str, text: str, folder: Path) -> list[Any]:
    made = export(kind, text, folder)
    assert made.code == 0
    return list(yaml.safe_load_all(made.text))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("service", ["credit-risk", "Credit_Risk.v2"])
def test_an_export_has_the_published_shape(kind: str, service: str, tmp_path: Path) -> None:
    text = policy().replace("service: credit-risk", f"service: {service}")
    made = documents(kind, text, tmp_path)
    assert len(made) == (1 if kind == "sloth" else 4)
    for document in made:
        assert not list(Draft202012Validator(SCHEMAS[kind]).iter_errors(document))


def queries(kind: str, made: list[Any]) -> list[str]:
    """Every query, as Prometheus would ask it."""
    if kind == "openslo":
        ratios = [document["spec"]["indicator"]["spec"]["ratioMetric"] for document in made]
        found = [ratio[name]["metricSource"]["spec"]["query"] for ratio in ratios for name in ratio if name != "counter"]
        return [f"sum(rate({query}[5m]))" for query in found]
    if kind == "sloth":
        events = [slo["sli"]["events"] for slo in made[0]["spec"]["slos"]]
        return [query.replace("{{.window}}", "5m") for event in events for query in event.values()]
    indicators = [next(iter(document["spec"]["indicator"].values())) for document in made]
    return [f"sum(rate({part['metric']}[5m]))" for indicator in indicators for part in indicator.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_prometheus_reads_every_query(kind: str, tmp_path: Path) -> None:
    found = queries(kind, documents(kind, policy(), tmp_path))
    assert len(found) == 8
    rules = [{"record": f"r{number}", "expr": query} for number, query in enumerate(found)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    promtool.check_rules(path)


def test_the_budget_is_that_of_the_policy(tmp_path: Path) -> None:
    text = policy().replace("expected_rate: 50/s", "expected_rate: 50/s, burn: {window: 7d}")
    assert {document["spec"]["timeWindow"][0]["duration"] for document in documents("openslo", text, tmp_path)} == {"7d"}
    assert {document["spec"]["window"] for document in documents("pyrra", text, tmp_path)} == {"7d"}
    assert "not of 7d" in export("sloth", text, tmp_path).warnings


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_is_written_as_on_the_page_of_metrics(kind: str, tmp_path: Path) -> None:
    made = export(kind, policy().replace("latency_p95: 300ms", "latency_p95: 1s"), tmp_path)
    assert 'le="1.0"' in made.text


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_target_nothing_is_made_and_it_is_said(kind: str, tmp_path: Path) -> None:
    made = export(kind, policy(targets="{error_rate: 0%}"), tmp_path)
    assert made.code == 0
    assert "error_rate leaves no budget" in made.warnings
    assert not [document for document in yaml.safe_load_all(made.text) if document]
