"""Policy → report. Pure, and without a date: the same policy gives the same report, so that two can be compared."""

from collections.abc import Iterable

from guard.kit.description import ContractDescription, RouteDescription, describe
from guard.kit.privacy.counted import counted
from guard.kit.privacy.facts import kept_notes, owners, recipients, request, route_notes, telemetry
from guard.kit.privacy.fields import SENSITIVE, inputs, outputs
from guard.kit.privacy.review import findings
from guard.kit.privacy.values import Count, Input, Output, Report, RouteReport, Sensitive
from guard.policy.loading import Loaded
from guard.policy.models import Policy
from guard.privacy.sensitivity import LEVELS


def make(loaded: Loaded) -> Report:
    """The report of a policy."""
    described, policy = describe(loaded), loaded.policy
    routes = tuple(_route(route, policy) for route in described.routes)
    return Report(
        service=policy.service,
        digest=loaded.digest,
        owners=tuple(owners(policy)),
        summary=_summary(routes),
        sensitive=tuple(_sensitive(routes)),
        review=tuple(finding for pair in zip(described.routes, routes, strict=True) for finding in findings(*pair)),
        recipients=tuple(recipients(described)),
        routes=routes,
        request=tuple(request(policy)),
        telemetry=tuple(telemetry(policy)),
        kept=tuple(kept_notes(described)),
    )


def _route(route: RouteDescription, policy: Policy) -> RouteReport:
    notes = [*route_notes(route), *(counted(route, policy) if isinstance(route, ContractDescription) else ())]
    return RouteReport(
        route=route.key,
        body=route.body,
        enforcement=route.contract.enforcement if isinstance(route, ContractDescription) else None,
        ladder=route.ladder,
        notes=tuple(notes),
        inputs=tuple(inputs(route)) if isinstance(route, ContractDescription) else (),
        outputs=tuple(outputs(route)) if isinstance(route, ContractDescription) else (),
    )


def _summary(routes: Iterable[RouteReport]) -> tuple[Count, ...]:
    sent = [row for route in routes for row in route.inputs]
    outputs = [row for route in routes for row in route.outputs]
    lines = []
    for level in LEVELS:
        ins = [row for row in sent if row.value.sensitivity == level]
        outs = [row for row in outputs if row.value.sensitivity == level]
        to_model = sum(row.model.kind != "never" for row in ins)
        lines.append(Count(level, len(ins), to_model, _logged(ins), len(outs), _logged(outs)))
    return tuple(lines)


def _logged(rows: Iterable[Input | Output]) -> int:
    return sum(row.log.kind != "never" for row in rows)


def _sensitive(routes: Iterable[RouteReport]) -> Iterable[Sensitive]:
    for route in routes:
        for row in route.inputs:
            value = row.value
            if value.sensitivity in SENSITIVE and row.model.kind != "never":
                yield Sensitive(route.route, value.name, value.place, value.sensitivity, row.model)
