"""The admin API (DESIGN §8): what operators ask and order, on a listener of its own.

    GET  /admin/v1/status          what answers now, since when, why, who set it; modes and breakers of every route
    PUT  /admin/v1/mode            {"mode", "reason", "ttl"?, "route"?, "cut"?}; to raise, If-Match: <epoch>
    PUT  /admin/v1/enforcement     {"route", "enforcement": observe|enforce, "ttl", "reason"}
    PUT  /admin/v1/breakers        {"route", "target", "state", "reason"}
    POST /admin/v1/policy/reload   read the policy from disk now
    GET  /admin/v1/audit?limit=    who did what, the newest first
    GET  /admin/v1/contract        what the routes in force take and answer; `?format=` or Accept choose the form
    GET  /admin/v1/openapi.json    this, for machines

Every request needs a token; one that acts, an operator's. Requests of browsers, and for names that are not guard's, are
refused; what a caller sent never stands in an error.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from guard.control.openapi import OPENAPI
from guard.control.order_store import Refused
from guard.control.tokens import Identity
from guard.ladder.mode import Mode
from guard.proxy.values import MODEL, Called

MOST_BYTES: Final = 65536


class Service(Protocol):
    """What the API operates."""

    def status(self) -> dict[str, Any]:
        """Everything that an operator needs to know."""

    async def set_mode(
        self, *, mode: str, route: str | None, reason: str, ttl: float | None, cut: bool, who: str, epoch: int | None
    ) -> dict[str, Any]:
        """Decide a mode. Raises Refused."""

    async def set_breaker(self, *, route: str, target: str, state: str, reason: str, who: str) -> dict[str, Any]:
        """Force a breaker, or let it go. Raises Refused."""

    async def set_enforcement(
        self, *, route: str, enforcement: str, reason: str, ttl: float | None, who: str
    ) -> dict[str, Any]:
        """Observe a contract for a time, or enforce it again. Raises Refused."""

    async def reload(self, *, who: str) -> dict[str, Any]:
        """Read the policy now. Raises Refused."""

    def audit(self, limit: int) -> list[dict[str, Any]]:
        """The newest entries."""

    def contract(self, form: str) -> str:
        """What the routes in force take and answer."""


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    reason: str = Field(min_length=1, max_length=500)


class ModeOrder(_Order):
    """The body of PUT mode."""

    mode: Mode
    ttl: float | None = Field(default=None, gt=0, le=30 * 86400)
    route: str | None = None
    cut: bool = False


class EnforcementOrder(_Order):
    """The body of PUT enforcement."""

    route: str
    enforcement: Literal["observe", "enforce"]
    ttl: float | None = Field(default=None, gt=0, le=7 * 86400)


class BreakerOrder(_Order):
    """The body of PUT breakers."""

    route: str
    target: Called = MODEL
    state: Literal["auto", "open", "closed"]


FORMS: Final = {
    "markdown": "text/markdown; charset=utf-8",
    "json": "application/json",
    "openapi": "application/vnd.oai.openapi+json;version=3.1",
    "openapi-yaml": "application/vnd.oai.openapi;version=3.1",
}
"""Of a contract, and the media type of each (the OpenAPI Initiative's own for its documents). The first is for who asks for
nothing in particular."""

Identify = Callable[[str], Identity | None]
Endpoint = Callable[[Request, Identity], Awaitable[Response]]


def problem(status: int, code: str, detail: str = "") -> Response:
    """An error of the API (RFC 9457)."""
    body = {"type": f"urn:guard:error:{code}", "title": code.replace("_", " "), "status": status, "code": code}
    headers = {"cache-control": "no-store"} | ({"www-authenticate": 'Bearer realm="guard"'} if status == 401 else {})
    return JSONResponse(body | ({"detail": detail} if detail else {}), status, headers, "application/problem+json")


def application(service: Service, identify: Identify, hosts: frozenset[str]) -> Starlette:
    """The API. `identify` says whose a secret is; `hosts` are the names, without ports, under which it is reached."""
    made = _Api(service)
    paths: list[tuple[str, str, Endpoint]] = [
        ("GET", "/admin/v1/status", made.status),
        ("PUT", "/admin/v1/mode", made.mode),
        ("PUT", "/admin/v1/enforcement", made.enforcement),
        ("PUT", "/admin/v1/breakers", made.breakers),
        ("POST", "/admin/v1/policy/reload", made.reload),
        ("GET", "/admin/v1/audit", made.audit),
        ("GET", "/admin/v1/contract", made.contract),
        ("GET", "/admin/v1/openapi.json", made.openapi),
    ]
    routes = [Route(path, Guarded(endpoint, identify, hosts, method)) for method, path, endpoint in paths]
    return Starlette(routes=routes, exception_handlers={404: _missing, 500: _broken})


async def _missing(_: Request, __: Exception) -> Response:
    return problem(404, "not_found")


async def _broken(_: Request, __: Exception) -> Response:
    return problem(500, "internal")


class Guarded:
    """One endpoint, behind everything that is asked of every request before it is looked at."""

    def __init__(self, endpoint: Endpoint, identify: Identify, hosts: frozenset[str], method: str) -> None:
        self._endpoint, self._identify, self._hosts, self._method = endpoint, identify, hosts, method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application of its own, so that no method is answered before its token was seen."""
        response = await self._answer(Request(scope, receive))
        response.headers["cache-control"] = "no-store"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        who = self._who(request)
        if who is None:
            return problem(401, "unauthorized")
        if request.method not in ({"GET", "HEAD"} if self._method == "GET" else {self._method}):
            response = problem(405, "method_not_allowed")
            response.headers["allow"] = self._method
            return response
        if self._method != "GET" and who.role != "operator":
            return problem(403, "forbidden", "this token may look, not act")
        try:
            return await self._endpoint(request, who)
        except Refused as refused:
            return problem(refused.status, refused.code, refused.detail)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if name.lower() not in self._hosts or len(request.headers.getlist("host")) != 1:
            return problem(421, "misdirected")
        return problem(403, "forbidden", "browsers do not operate guard") if "origin" in request.headers else None

    def _who(self, request: Request) -> Identity | None:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        return self._identify(secret.strip()) if scheme.lower() == "bearer" and secret else None


class _Api:
    """The endpoints."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def status(self, request: Request, who: Identity) -> Response:
        """GET status."""
        del request, who
        status = self._service.status()
        return JSONResponse(status, headers={"etag": f'"{status["epoch"]}"'})

    async def mode(self, request: Request, who: Identity) -> Response:
        """PUT mode."""
        order = await _read(request, ModeOrder)
        raw = request.headers.get("if-match", "").strip().strip('"')
        if raw and not (raw.isdigit() and len(raw) < 19):
            raise Refused(412, "epoch", "If-Match is not an epoch")
        epoch = int(raw) if raw else None
        return JSONResponse(await self._service.set_mode(**order.model_dump(), who=who.name, epoch=epoch))

    async def enforcement(self, request: Request, who: Identity) -> Response:
        """PUT enforcement."""
        order = await _read(request, EnforcementOrder)
        return JSONResponse(await self._service.set_enforcement(**order.model_dump(), who=who.name))

    async def breakers(self, request: Request, who: Identity) -> Response:
        """PUT breakers."""
        order = await _read(request, BreakerOrder)
        return JSONResponse(await self._service.set_breaker(**order.model_dump(), who=who.name))

    async def reload(self, request: Request, who: Identity) -> Response:
        """POST policy/reload."""
        del request
        outcome = await self._service.reload(who=who.name)
        return JSONResponse(outcome, 200 if outcome["ok"] else 422)

    async def audit(self, request: Request, who: Identity) -> Response:
        """GET audit."""
        del who
        limit = request.query_params.get("limit", "100")
        if not limit.isdigit() or not 0 < int(limit[:6]) <= 10_000:
            raise Refused(422, "limit", "a number from 1 to 10000")
        return JSONResponse({"entries": self._service.audit(int(limit))})

    async def contract(self, request: Request, who: Identity) -> Response:
        """GET contract. In a thread: hundreds of routes take longer than clients may wait."""
        del who
        form = _form(request)
        text = await asyncio.to_thread(self._service.contract, form)
        return Response(text, media_type=None, headers={"content-type": FORMS[form], "vary": "accept"})

    async def openapi(self, request: Request, who: Identity) -> Response:
        """GET openapi.json."""
        del request, who
        return JSONResponse(OPENAPI)


def _form(request: Request) -> str:
    """The form that is asked for by name, or else the first that is accepted. Raises Refused."""
    named = request.query_params.get("format")
    if named is not None:
        if named not in FORMS:
            raise Refused(422, "format", f"one of {', '.join(FORMS)}")
        return named
    ranges = request.headers.get("accept", "*/*").lower().split(",")
    for one in sorted(ranges, key=_weight, reverse=True):
        wanted = one.partition(";")[0].strip()
        for form, media in FORMS.items():
            kind = media.partition(";")[0]
            if _weight(one) > 0 and wanted in {"*/*", kind, kind.partition("/")[0] + "/*"}:
                return form
    raise Refused(406, "not_acceptable", ", ".join(media.partition(";")[0] for media in FORMS.values()))


def _weight(media_range: str) -> float:
    """Its `q` (RFC 9110 §12.4.2); what is none is not wanted."""
    for parameter in media_range.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            return float(value) if re.fullmatch(r"[01](\.\d{0,3})?", value) else 0.0
    return 1.0


async def _read(request: Request, kind: type[Any]) -> Any:
    """The body as an order. Raises Refused, without a word of what was sent."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "unsupported_media_type", "application/json")
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise Refused(413, "body_too_large", f"at most {MOST_BYTES} bytes")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused(400, "json_syntax", "not JSON") from None
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        named = (one["loc"][0] if one["loc"] else "" for one in error.errors())
        wrong = sorted({str(name) if name in kind.model_fields else "<undeclared>" for name in named})
        raise Refused(422, "contract", f"wrong or missing: {', '.join(wrong)}") from None
