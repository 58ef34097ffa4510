"""Policy → a dashboard for Grafana. One data source to choose at the import, and nothing else."""

import hashlib
from collections.abc import Iterator
from typing import Any

from guard.kit.export.layout import SCHEMA, placed
from guard.kit.export.panels import MOST_OUTPUTS, measured, rows
from guard.kit.export.scope import Scope
from guard.kit.export.slo import slos
from guard.kit.export.values import Gap


def dashboard(scope: Scope) -> tuple[dict[str, Any], list[Gap]]:
    """The JSON that Grafana imports, and what it lacks. Its uid is the service's, so an import replaces the one before."""
    incidents = scope.policy.owners.incidents
    runbook = incidents.runbook if incidents is not None else None
    variable = {
        "type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "regex": "",
        "hide": 0, "multi": False, "includeAll": False, "refresh": 1, "options": [],
    }  # fmt: skip
    document = {
        "uid": f"guard-{hashlib.sha256(scope.service.encode()).hexdigest()[:12]}",
        "title": f"{scope.service}: the model behind guard",
        "description": f"Made by `guard export grafana` from policy {scope.digest[:19]}; selects {scope.selector}.",
        "tags": ["guard", scope.service],
        "timezone": "browser",
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [variable]},
        "annotations": {"list": []},
        "links": [_link("Runbook", runbook)] if runbook else [],
        "panels": placed(rows(scope)),
    }
    return document, list(_gaps(scope))


def _link(title: str, url: str) -> dict[str, Any]:
    return {
        "type": "link", "title": title, "url": url, "icon": "doc", "tooltip": "", "tags": [], "asDropdown": False,
        "targetBlank": True, "includeVars": False, "keepTime": False,
    }  # fmt: skip


def _gaps(scope: Scope) -> Iterator[Gap]:
    if not any(slo.budget for slo in slos(scope)):
        yield Gap("neither targets.availability nor targets.model_share leaves a budget: no row on budgets")
    else:
        yield Gap("the row on budgets shows what `guard export prometheus-rules` records: load those rules too")
    if (beyond := len(measured(scope)) - MOST_OUTPUTS) > 0:
        yield Gap(f"predictions of {beyond} further outputs: a dashboard shows {MOST_OUTPUTS}")
    if scope.policy.targets.cost is None:
        yield Gap("targets.cost is not declared: no row on cost")
