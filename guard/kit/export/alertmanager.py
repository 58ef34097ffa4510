"""Policy → an Alertmanager configuration: pages to whoever has the incidents, tickets to the owner of the matter.

A policy names teams, and addresses only for incidents and webhooks. Where a team's address is not known its receiver is
empty, and Alertmanager would drop what goes there; so its route goes on, and the incidents' receiver gets it too.
"""

from collections.abc import Iterator
from typing import Any, Final

from guard.kit.export.owners import WHAT, owner
from guard.kit.export.scope import Scope, matcher
from guard.kit.export.values import Gap
from guard.policy.models import Policy
from guard.webhooks.alertmanager import Alertmanager

FIRST: Final = "guard"
"""The receiver of what has no owner."""


def alertmanager(scope: Scope) -> tuple[dict[str, Any], list[Gap]]:
    """A whole configuration that loads; take its parts into yours. And what it lacks."""
    policy, service = scope.policy, matcher("service", "=", scope.service)
    incidents = owner(policy, "incidents")
    tickets = sorted({name for role in WHAT if role != "incidents" and (name := owner(policy, role)) and name != incidents})
    routes = [
        {"matchers": [matcher("owner", "=", name)], "receiver": _receiver(name), "continue": True} for name in tickets
    ]
    if incidents is not None:
        routes.insert(0, {"matchers": ['severity="page"'], "receiver": _receiver(incidents), "repeat_interval": "1h"})
        routes.append({"receiver": _receiver(incidents)})
    hooks, gaps = _hooks(policy)
    names = [FIRST, *([_receiver(incidents)] if incidents else []), *map(_receiver, tickets)]
    document: dict[str, Any] = {
        "route": {
            "receiver": FIRST,
            "routes": [
                {
                    "matchers": [service],
                    "receiver": _receiver(incidents) if incidents else FIRST,
                    "group_by": ["service", "alertname"],
                    "group_wait": "15s",
                    "group_interval": "5m",
                    "repeat_interval": "12h",
                    "routes": routes,
                }
            ],
        },
        "inhibit_rules": list(_inhibitions(service)),
        "receivers": [{"name": name} for name in names],
    }
    known = _receiver(incidents) if incidents else FIRST
    for receiver in document["receivers"]:
        if receiver["name"] == known and hooks:
            receiver["webhook_configs"] = [{"url": url, "send_resolved": True} for url in hooks]
    empty = [*tickets, *([] if hooks else [incidents or FIRST])]
    gaps += [Gap(f"how {name} is reached: complete its receiver") for name in empty]
    if tickets:
        gaps.append(
            Gap("an end to `continue`: until a team's receiver is complete, the incidents' receiver gets its tickets too")
        )
    return document, gaps


def _receiver(name: str) -> str:
    return f"guard-{name}"


def _hooks(policy: Policy) -> tuple[list[str], list[Gap]]:
    """Addresses that take Alertmanager's JSON: where incidents are paged, and webhooks of that format."""
    hooks, gaps = [], []
    if policy.owners.incidents is not None and policy.owners.incidents.page is not None:
        hooks.append(policy.owners.incidents.page)
    for hook in policy.webhooks:
        if hook.format != Alertmanager.name:
            continue
        if isinstance(hook.url, str):
            hooks.append(hook.url)
        else:
            gaps.append(Gap("a webhook whose address is a secret: give it to Alertmanager as `url_file`"))
    return hooks, gaps


def _inhibitions(service: str) -> Iterator[dict[str, Any]]:
    """Inhibition rules, for alerts that add nothing while another one fires.

    `equal` also matches labels that both lack, so sources name theirs.

    The share of fallbacks is one for all routes: a mode lowered on one route silences its page for the others too.
    """
    for symptom, equal in (("GuardFallbackShare", []), ("GuardBreakerOpen", ["http_request_method", "http_route"])):
        yield {
            "source_matchers": [service, 'alertname="GuardModeLowered"'],
            "target_matchers": [service, matcher("alertname", "=", symptom)],
            "equal": ["service", *equal],
        }
    yield {
        "source_matchers": [service, 'severity="page"', 'sloth_slo!=""'],
        "target_matchers": [service, 'severity="ticket"'],
        "equal": ["service", "sloth_slo"],
    }
    yield {
        "source_matchers": [service, 'alertname="GuardAbsent"'],
        "target_matchers": [service, 'alertname!="GuardAbsent"'],
        "equal": ["service"],
    }
