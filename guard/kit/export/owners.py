"""Owners of alerts, and the pages that they open."""

from collections.abc import Iterator
from typing import Final

from guard.kit.export.values import Alert, Gap, Role
from guard.policy.models import Policy

WHAT: Final[dict[Role, str]] = {
    "incidents": "pages",
    "serving": "guard and its model server",
    "model_quality": "answers that break the contract",
    "data_freshness": "features that are too old",
}


def owner(policy: Policy, role: Role) -> str | None:
    """The declared owner of a matter; whoever has the incidents where it has none of its own."""
    incidents = policy.owners.incidents
    own = getattr(policy.owners, role) if role != "incidents" else None
    return own or (incidents.team if incidents is not None else None)


def labels(policy: Policy, alert: Alert) -> dict[str, str]:
    """The labels of an alert: what routes it, and what holds it together with others."""
    name = owner(policy, "incidents" if alert.severity == "page" else alert.role)
    result = {"severity": alert.severity, "service": policy.service, **dict(alert.labels)}
    return {**result, "owner": literal(name)} if name else result


def annotations(policy: Policy, alert: Alert) -> dict[str, str]:
    """The annotations of an alert."""
    result = {"summary": alert.summary, "description": alert.description}
    incidents = policy.owners.incidents
    if incidents is not None:
        for key, url in (("runbook_url", incidents.runbook), ("dashboard_url", incidents.dashboard)):
            if url:
                result[key] = literal(url)
    return result


def gaps(policy: Policy) -> Iterator[Gap]:
    """Gaps: owners and pages that are not declared."""
    for role, duty in WHAT.items():
        if owner(policy, role) is None:
            yield Gap(f"owners.{role} is not declared: alerts about {duty} have no owner label")
    incidents = policy.owners.incidents
    for key in ("runbook", "dashboard"):
        if incidents is None or getattr(incidents, key) is None:
            yield Gap(f"owners.incidents.{key} is not declared: alerts carry no {key}_url")


def literal(text: str) -> str:
    """A declared text where Prometheus and Alertmanager expect a template."""
    return text.replace("{{", '{{ "{{" }}')
