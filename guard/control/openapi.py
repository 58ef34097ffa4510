"""The admin API for machines: OpenAPI 3.1."""

from typing import Any, Final

from guard import __version__
from guard.ladder.mode import MODES
from guard.proxy.values import TARGETS


def _operation(summary: str, body: dict[str, Any] | None = None, *, epoch: bool = False) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": {"description": "done", "content": {"application/json": {}}},
            "default": {"description": "RFC 9457", "content": {"application/problem+json": {}}},
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if epoch:
        operation["parameters"] = [
            {
                "name": "If-Match",
                "in": "header",
                "schema": {"type": "string"},
                "description": "Epoch of the last status. Required to raise a mode.",
            }
        ]
    return operation


def _contract() -> dict[str, Any]:
    operation = _operation("Contract of the routes in force")
    kinds = ("text/markdown", "application/json", "application/vnd.oai.openapi+json", "application/vnd.oai.openapi")
    operation["responses"]["200"]["content"] = {kind: {} for kind in kinds}
    operation["parameters"] = [
        {
            "name": "format",
            "in": "query",
            "schema": {"enum": ["markdown", "json", "openapi", "openapi-yaml"]},
            "description": "Format of the contract; overrides Accept.",
        }
    ]
    return operation


_REASON: Final = {"type": "string", "minLength": 1, "maxLength": 500}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


_RELEASE: Final = _object(
    ["reason"],
    reason=_REASON,
    step={"type": "integer", "minimum": 1, "maximum": 100},
    override=_REASON,
    again=_REASON,
    noise={"type": "boolean", "description": "Of `shadow`: copies go to the model itself, which gives the floor of noise."},
)
_ORDERS: Final = {
    "shadow": "Copy requests to the candidate after their reply, and compare both answers",
    "canary": "Let the candidate answer a share of the keys",
    "abort": "Ask the candidate nothing more, and refuse its digest",
    "promote": "Make the candidate the model",
    "rollback": "Make the model before the model again",
}

OPENAPI: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {"title": "guard admin", "version": __version__},
    "security": [{"bearer": []}],
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/admin/v1/status": {"get": _operation("Show what answers now, and why")},
        "/admin/v1/mode": {
            "put": _operation(
                "Lower or raise the mode",
                _object(
                    ["mode", "reason"],
                    mode={"enum": list(MODES)},
                    reason=_REASON,
                    ttl={"type": ["number", "null"], "exclusiveMinimum": 0, "description": "seconds"},
                    route={"type": ["string", "null"]},
                    cut={"type": "boolean"},
                    expected_epoch={
                        "type": ["integer", "null"],
                        "minimum": 0,
                        "description": "Give the order only if no other order of its scope was given since this epoch.",
                    },
                ),
                epoch=True,
            )
        },
        "/admin/v1/enforcement": {
            "put": _operation(
                "Stop enforcing a contract for a time, or enforce it again",
                _object(
                    ["route", "enforcement", "reason"],
                    route={"type": "string"},
                    enforcement={"enum": ["observe", "enforce"]},
                    ttl={"type": ["number", "null"], "exclusiveMinimum": 0, "description": "Seconds. Required to observe."},
                    reason=_REASON,
                ),
            )
        },
        "/admin/v1/breakers": {
            "put": _operation(
                "Force a breaker, or release it",
                _object(
                    ["route", "state", "reason"],
                    route={"type": "string"},
                    target={"enum": list(TARGETS)},
                    state={"enum": ["auto", "open", "closed"]},
                    reason=_REASON,
                ),
            )
        },
        "/admin/v1/policy/reload": {"post": _operation("Reload the policy from disk now")},
        "/admin/v1/labels": {
            "post": _operation(
                "Send what became of predictions",
                _object(
                    ["labels"],
                    labels={
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 500,
                        "items": _object(
                            ["receipt", "label"],
                            receipt={"type": "string", "description": "The answer's x-guard-receipt"},
                            row={"type": "integer", "minimum": 0, "default": 0},
                            label={"type": ["string", "number", "boolean"]},
                            at={"type": ["string", "number"], "description": "When it was known; RFC 3339, or seconds"},
                        ),
                    },
                ),
            )
        },
        "/admin/v1/quality": {"get": _operation("Show what labels say of each model version")},
        "/admin/v1/audit": {"get": _operation("Read the audit log")},
        "/admin/v1/release": {"get": _operation("Show the next release, its verdict and who is the model")},
        "/admin/v1/release/verdict": {"get": _operation("Show whether the candidate may become the model")},
        **{f"/admin/v1/release/{kind}": {"post": _operation(text, _RELEASE)} for kind, text in _ORDERS.items()},
        "/admin/v1/monitor": {"get": _operation("Show evidence of drift by route and signal, and alarms")},
        "/admin/v1/monitor/order": {
            "put": _operation(
                "End a route's alarm, expect a change, or save the learned reference as a file",
                _object(
                    ["route", "order", "reason"],
                    route={"type": "string"},
                    order={"enum": ["accept", "reset", "expect", "save"]},
                    ttl={"type": ["number", "null"], "exclusiveMinimum": 0, "description": "Seconds. Required to expect."},
                    reason=_REASON,
                ),
            )
        },
        "/admin/v1/slo": {"get": _operation("Show burn rates, budgets left and routes lowered for them")},
        "/admin/v1/contract": {"get": _contract()},
        "/admin/v1/history": {"get": _operation("Counts of the last hours by minute, while the console is on")},
        "/admin/v1/incidents": {"get": _operation("Incidents that are open, and what began or ended lately")},
        "/admin/v1/policy": {"get": _operation("The policy in force, where each value was set, and its warnings")},
        "/admin/v1/openapi.json": {"get": _operation("This document")},
    },
}
