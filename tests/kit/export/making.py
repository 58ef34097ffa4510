"""A policy that gives a reason for everything, and what is exported of it, as the command prints it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

TARGETS = "{latency_p95: 300ms, error_rate: 1%, availability: 99.5%, model_share: 95%, expected_rate: 50/s, quality: {auc: 0.85}, cost: {per_request: 0.01 EUR, daily: 10 EUR}}"
OWNERS = """owners:
  model_quality: risk-ds
  serving: platform
  data_freshness: data-eng
  incidents: {team: sre, page: "https://pager.example/risk", runbook: "https://wiki.example/risk", dashboard: "https://grafana.example/risk"}
"""
POLICY = """version: guard/v1
service: credit-risk
upstream: http://127.0.0.1:PORT
release: {model: risk, version: "3.1", commit: 4f2a9c1}
drain: 100ms
routes:
  POST /predict:
    rows: /instances
    input:
      age: {type: integer, min: 18, max: 120}
      tenure: {type: integer, default: 0}
      note: {type: string, required: false, detect: [email]}
      balance_at: {type: timestamp, unit: s, required: false, freshness: {warn: 1h, stale: 24h}}
    output:
      label: {enum: [approve, decline]}
      score: {type: number, min: 0, max: 1}
      odds: {type: array, required: false, items: {type: number}}
      why: {type: string, required: false, sensitivity: internal}
    fallback: {label: decline, score: 0}
  "POST /bare/{name}":
    output: {label: {enum: [approve, decline]}}
  GET /health: passthrough
  GET /static/*: passthrough
"""


class Exported(NamedTuple):
    """What `guard export` said."""

    code: int
    text: str
    warnings: str

    @property
    def document(self) -> Any:
        """What it made."""
        return json.loads(self.text) if self.text.startswith("{") else yaml.safe_load(self.text)

    @property
    def rules(self) -> list[dict[str, Any]]:
        """Of all groups."""
        return [rule for group in self.document["groups"] for rule in group["rules"]]


def policy(targets: str = TARGETS, owners: str = OWNERS, port: int = 8080) -> str:
    """The policy's text."""
    return POLICY.replace("PORT", str(port)) + (f"targets: {targets}\n" if targets else "") + owners


def export(what: str, text: str, folder: Path, *options: str) -> Exported:
    """Run the command."""
    file = folder / "exported.yaml"
    file.write_text(text)
    command = [sys.executable, "-m", "guard", "export", what, str(file), *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return Exported(run.returncode, run.stdout, run.stderr)


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What a dashboard shows, rows not counted."""
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def expressions(document: dict[str, Any]) -> dict[str, str]:
    """Every expression of a dashboard, by panel and letter."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"] for panel in panels(document) for target in panel["targets"]
    }
