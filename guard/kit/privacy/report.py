"""Policy → report. Pure, and without a date: the same policy gives the same report, so that two can be compared."""

from collections.abc import Iterable

from guard.kit.privacy.facts import kept, owners, recipients, request, route_notes, telemetry
from guard.kit.privacy.fields import SENSITIVE, inputs, outputs
from guard.kit.privacy.forms import Around
from guard.kit.privacy.review import findings
from guard.kit.privacy.values import Body, Count, Input, Output, Report, RouteReport, Sensitive
from guard.policy.fields import SchemaFile
from guard.policy.ladder import RUNGS
from guard.policy.load import Loaded
from guard.policy.models import Denied, Passthrough, Policy
from guard.policy.route import AnyRoute
from guard.privacy.sensitivity import LEVELS
from guard.proxy.values import DISABLED, MODEL


def make(loaded: Loaded) -> Report:
    """The report of a policy."""
    policy = loaded.policy
    routes = tuple(_route(key, route, policy) for key, route in policy.routes.items())
    return Report(
        service=policy.service,
        digest=loaded.digest,
        owners=tuple(owners(policy)),
        summary=_summary(routes),
        sensitive=tuple(_sensitive(routes)),
        review=tuple(finding for route in routes for finding in findings(policy, route)),
        recipients=tuple(recipients(policy)),
        routes=routes,
        request=tuple(request(policy)),
        telemetry=tuple(telemetry(policy)),
        kept=tuple(kept(policy)),
    )


def _route(key: str, route: AnyRoute, policy: Policy) -> RouteReport:
    body = _body(route)
    notes = tuple(route_notes(body, route))
    if isinstance(route, Denied):
        return RouteReport(key, body, None, (), notes)
    if isinstance(route, Passthrough):
        return RouteReport(key, body, None, (MODEL, DISABLED), notes)
    around = Around(key, route, policy.privacy.hash_key is not None, policy.privacy.traces != "off")
    below = [name for name in RUNGS if name == DISABLED or getattr(route.fallback, name) is not None]
    return RouteReport(
        route=key,
        body=body,
        enforcement=route.enforcement,
        ladder=(MODEL, *below),
        notes=notes,
        inputs=tuple(inputs(around)),
        outputs=tuple(outputs(around)),
    )


def _body(route: AnyRoute) -> Body:
    match route:
        case Denied():
            return "denied"
        case Passthrough():
            return "passthrough"
    if isinstance(route.input, SchemaFile):
        return "schema"
    return "fields" if route.input is not None else "opaque" if route.content is not None else "undeclared"


def _summary(routes: Iterable[RouteReport]) -> tuple[Count, ...]:
    sent = [row for route in routes for row in route.inputs]
    said = [row for route in routes for row in route.outputs]
    found = []
    for level in LEVELS:
        ins = [row for row in sent if row.value.sensitivity == level]
        outs = [row for row in said if row.value.sensitivity == level]
        to_model = sum(row.model.kind != "never" for row in ins)
        found.append(Count(level, len(ins), to_model, _logged(ins), len(outs), _logged(outs)))
    return tuple(found)


def _logged(rows: Iterable[Input | Output]) -> int:
    return sum(row.log.kind != "never" for row in rows)


def _sensitive(routes: Iterable[RouteReport]) -> Iterable[Sensitive]:
    for route in routes:
        for row in route.inputs:
            value = row.value
            if value.sensitivity in SENSITIVE and row.model.kind != "never":
                yield Sensitive(route.route, value.name, value.pointer, value.sensitivity, row.model)
