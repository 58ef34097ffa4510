"""The admin API: what operators ask and order, on a listener of its own.

    GET  /admin/v1/status          what answers now, since when, why, who set it; modes and breakers of every route
    PUT  /admin/v1/mode            {"mode", "reason", "ttl"?, "route"?, "cut"?}; to raise, If-Match: <epoch>
    PUT  /admin/v1/enforcement     {"route", "enforcement": observe|enforce, "ttl", "reason"}
    PUT  /admin/v1/breakers        {"route", "target", "state", "reason"}
    POST /admin/v1/policy/reload   read the policy from disk now
    POST /admin/v1/labels          {"labels": [{"receipt", "row"?, "label", "at"?}]}; a token with the role `labels`
    GET  /admin/v1/quality         what labels say of each model version
    GET  /admin/v1/audit?limit=    who did what, the newest first
    GET  /admin/v1/monitor         evidence of drift by route and signal, and alarms
    PUT  /admin/v1/monitor/order   {"route", "order": accept|reset|expect|save, "ttl", "reason"}
    GET  /admin/v1/slo             objectives: burn rates, budgets left, and the routes that are lowered for them
    GET  /admin/v1/release         the next release and its verdict; orders: see `release_api`
    GET  /admin/v1/contract        what the routes in force take and answer; `?format=` or Accept choose the form
    GET  /admin/v1/history         counts of the last hours by minute, while the console is on
    GET  /admin/v1/incidents       what is open now and who is told, and what ended lately
    GET  /admin/v1/policy          the policy in force and its warnings
    GET  /admin/v1/openapi.json    this, for machines

With `admin: {console: true}` the page is at /console/ (`control/console`), and a session of it stands for a token.
A GET is answered 304 where `If-None-Match` has the ETag of what would be answered.

Every request needs a token; one that acts, an operator's. Labels need a token for labels, which may do nothing else, or the
token that guard made for this machine. Requests of browsers, and for names that are not guard's, are refused; what a caller
sent never stands in an error. There are no redirects. What viewers read costs the data plane little: a status is made in
slices, a contract, the audit and figures in threads that orders never wait for.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Unpack

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from guard.contract.strict import Unreadable, parse_file
from guard.control.admin_bodies import BreakerOrder, EnforcementOrder, LabelBatch, Login, ModeOrder, MonitorOrder, weight
from guard.control.console.access import Asked, is_page
from guard.control.gate import Gate, Problem
from guard.control.labels.intake import Label
from guard.control.openapi import OPENAPI
from guard.control.order_store import Refused, WantedMode
from guard.control.release_api import ReleaseApi, Releases
from guard.control.tokens import Identity
from guard.control.viewers import Shared, ViewerThread
from guard.events import Enforcement

if TYPE_CHECKING:
    from guard.control.console.application import Console

MOST_BYTES: Final = 65536
"""Highest size of a request body, in bytes."""
BODY_WITHIN: Final = 10.0
"""Seconds in which a body arrives."""
MOST_LABEL_BYTES: Final = 256 * 1024
"""Highest size of a batch of labels, in bytes: it is read in one step, in which no client is answered."""
MOST_ENTRIES: Final = 10_000
LABELS: Final = "/admin/v1/labels"
CONTRACT_FOR: Final = 60.0
"""Seconds for which a written contract is served again while the policy stays."""
ETAG: Final = re.compile("[0-9]{1,18}(-[0-9a-f]{16})?")
"""An epoch, alone or with the digest of the status that named it."""
DIGITS: Final = re.compile("[0-9]{1,18}")
"""A number that a client sends: `str.isdigit` takes more for digits than `int` reads."""


class Status(NamedTuple):
    """The status as JSON, and the epoch that it tells."""

    text: bytes
    epoch: int


class AdminBackend(Protocol):
    """The service that the API operates."""

    async def status(self) -> Status:
        """Everything that an operator needs to know, in slices of the loop's time."""

    async def set_mode(self, **wanted: Unpack[WantedMode]) -> dict[str, Any]:
        """Set a mode. Raises Refused."""

    async def set_breaker(self, *, route: str, target: str, state: str, reason: str, actor: str) -> dict[str, Any]:
        """Force a breaker, or let it go. Raises Refused."""

    async def set_enforcement(
        self, *, route: str, enforcement: Enforcement, reason: str, ttl: float | None, actor: str
    ) -> dict[str, Any]:
        """Observe a contract for a time, or enforce it again. Raises Refused."""

    async def reload(self, *, actor: str) -> dict[str, Any]:
        """Read the policy now. Raises Refused."""

    async def labels(self, labels: Sequence[Label], source: str) -> dict[str, Any]:
        """Count labels. Raises Refused."""

    async def quality(self) -> bytes:
        """The figures of labels, as a JSON document. Raises Refused."""

    def audit(self, limit: int) -> bytes:
        """The newest entries, as a JSON document. Called in a thread."""

    def monitor(self) -> dict[str, Any]:
        """The state of monitoring of each route, with its alarms."""

    async def order_monitor(self, *, route: str, order: str, ttl: float | None, reason: str, actor: str) -> dict[str, Any]:
        """End a route's alarm, expect a change, or save the learned reference. Raises Refused."""

    def slo(self) -> dict[str, Any]:
        """The objectives, their burn rates and the routes that are lowered for them."""

    def view(self, name: str) -> Callable[[], bytes]:
        """A copy of what a view shows at this moment; the function writes it, called in a thread. Raises Refused."""

    def policy(self) -> object:
        """The policy in force: the same object while it is the same."""

    def contract(self, form: str) -> str:
        """The contract of the routes in force. Called in a thread."""


VIEWS: Final = ("history", "incidents", "policy")
"""Documents that the root hands down, at /admin/v1/NAME."""

FORMS: Final = {
    "markdown": "text/markdown; charset=utf-8",
    "json": "application/json",
    "openapi": "application/vnd.oai.openapi+json;version=3.1",
    "openapi-yaml": "application/vnd.oai.openapi;version=3.1",
}
"""Forms of a contract and their media types (the OpenAPI Initiative's own for its documents). The first is for who asks for
nothing in particular."""

Endpoint = Callable[[Request, Identity], Awaitable[Response]]


class Application:
    """The API, as ASGI has it: the gate first, then the path, the method and the role, and then an endpoint."""

    def __init__(
        self, service: AdminBackend, gate: Gate, releases: Releases | None = None, console: "Console | None" = None
    ) -> None:
        """`releases`: the release path; without one its endpoints are not there."""
        api = _Api(service)
        self._gate, self._console = gate, console
        self._endpoints: dict[str, tuple[str, Endpoint]] = {
            "/admin/v1/status": ("GET", api.status),
            "/admin/v1/mode": ("PUT", api.mode),
            "/admin/v1/enforcement": ("PUT", api.enforcement),
            "/admin/v1/breakers": ("PUT", api.breakers),
            "/admin/v1/policy/reload": ("POST", api.reload),
            LABELS: ("POST", api.labels),
            "/admin/v1/quality": ("GET", api.quality),
            "/admin/v1/audit": ("GET", api.audit),
            "/admin/v1/monitor": ("GET", api.monitor),
            "/admin/v1/monitor/order": ("PUT", api.order_monitor),
            "/admin/v1/slo": ("GET", api.slo),
            "/admin/v1/contract": ("GET", api.contract),
            "/admin/v1/openapi.json": ("GET", api.openapi),
            **(ReleaseApi(releases, _read).endpoints() if releases is not None else {}),
            **{f"/admin/v1/{name}": ("GET", api.view(name)) for name in VIEWS},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A bug is answered 500, and raised for the server to log."""
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except Exception:
            await refuse(Problem(500, "internal"))(scope, receive, send)
            raise
        response.headers.setdefault("cache-control", "no-store")
        await _unless_known(response, scope)(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        client, path = request.scope.get("client"), request.scope["path"]
        identity = self._gate.judge(request.scope["headers"], Asked(request.method, path, client[0] if client else ""))
        if isinstance(identity, Problem):
            return refuse(identity)
        if self._console is not None and is_page(path):
            return await self._page(self._console, request)
        method, endpoint = self._endpoints.get(request.scope["path"], ("", None))
        if endpoint is None:
            return refuse(Problem(404, "not_found", f"the admin API has {', '.join(sorted(self._endpoints))}"))
        if request.method not in ({"GET", "HEAD"} if method == "GET" else {method}):
            response = refuse(Problem(405, "method_not_allowed"))
            response.headers["allow"] = method
            return response
        if forbidden := _forbidden(identity, method, request.scope["path"]):
            return refuse(Problem(403, "forbidden", forbidden))
        try:
            return await endpoint(request, identity)
        except Refused as refused:
            return refuse(Problem(refused.status, refused.code, refused.detail, refused.gates))

    @staticmethod
    async def _page(console: "Console", request: Request) -> Response:
        try:
            answer = await console.answer(request, _token)
        except Refused as refused:
            answer = Problem(refused.status, refused.code, refused.detail)
        return refuse(answer) if isinstance(answer, Problem) else answer


async def _token(request: Request) -> str:
    login: Login = await _read(request, Login)
    return login.token


def _unless_known(response: Response, scope: Scope) -> Response:
    """The response, or 304 for a client that has it already (RFC 9110 §13.1.2)."""
    if scope["method"] not in {"GET", "HEAD"} or response.status_code != 200:
        return response
    etag = response.headers.get("etag")
    if etag is None:
        etag = response.headers["etag"] = f'"{hashlib.blake2b(bytes(response.body), digest_size=8).hexdigest()}"'
    known = [value for name, value in scope["headers"] if name == b"if-none-match"]
    if not any(etag in value.decode("latin-1") for value in known):
        return response
    kept = {name: response.headers[name] for name in ("etag", "cache-control", "vary") if name in response.headers}
    return Response(None, 304, kept)


def _forbidden(identity: Identity, method: str, path: str) -> str:
    """The reason that a token may not do this; empty if it may."""
    if path == LABELS:
        allowed = identity.role == "labels" or identity.own
        return "" if allowed else "labels need a token with the role labels: `guard token NAME --role labels`"
    if identity.role == "labels":
        return "this token is for labels alone"
    return "" if method == "GET" or identity.role == "operator" else "this token is a viewer's and may not give orders"


def refuse(problem: Problem) -> Response:
    """An error of the API (RFC 9457)."""
    return JSONResponse(problem.document(), problem.status, problem.headers(), "application/problem+json")


class _Api:
    """The endpoints."""

    def __init__(self, service: AdminBackend) -> None:
        self._service, self._threads = service, ViewerThread()
        self._status = Shared(service.status)
        self._contracts = {form: Shared(partial(self._contract, form)) for form in FORMS}
        self._written: dict[str, tuple[object, float, bytes]] = {}

    def view(self, name: str) -> Endpoint:
        """GET of a view. Copied in one turn of the loop, and written in a thread, once for all that ask meanwhile."""

        async def make() -> bytes:
            return await self._threads.run(self._service.view(name))

        shared = Shared(make)

        async def answer(request: Request, identity: Identity) -> Response:
            del request, identity
            return Response(await shared(), media_type="application/json")

        return answer

    async def _contract(self, form: str) -> bytes:
        policy, now = self._service.policy(), monotonic()
        written = self._written.get(form)
        if written is not None and written[0] is policy and now - written[1] < CONTRACT_FOR:
            return written[2]
        text = (await self._threads.run(partial(self._service.contract, form))).encode()
        self._written[form] = (policy, now, text)
        return text

    async def status(self, request: Request, identity: Identity) -> Response:
        """GET status. What is answered was begun after it was asked for."""
        del request, identity
        status = await self._status()
        digest = hashlib.blake2b(status.text, digest_size=8).hexdigest()
        return Response(status.text, headers={"etag": f'"{status.epoch}-{digest}"'}, media_type="application/json")

    async def mode(self, request: Request, identity: Identity) -> Response:
        """PUT mode."""
        order = await _read(request, ModeOrder)
        raw = request.headers.get("if-match", "").strip().strip('"')
        if raw and ETAG.fullmatch(raw) is None:
            raise Refused(412, "epoch", "If-Match must be an epoch, such as 7")
        epoch = int(raw.partition("-")[0]) if raw else None
        return JSONResponse(await self._service.set_mode(**order.model_dump(), who=identity.name, epoch=epoch))

    async def enforcement(self, request: Request, identity: Identity) -> Response:
        """PUT enforcement."""
        order = await _read(request, EnforcementOrder)
        return JSONResponse(await self._service.set_enforcement(**order.model_dump(), actor=identity.name))

    async def breakers(self, request: Request, identity: Identity) -> Response:
        """PUT breakers."""
        order = await _read(request, BreakerOrder)
        return JSONResponse(await self._service.set_breaker(**order.model_dump(), actor=identity.name))

    async def reload(self, request: Request, identity: Identity) -> Response:
        """POST policy/reload."""
        del request
        outcome = await self._service.reload(actor=identity.name)
        return JSONResponse(outcome, 200 if outcome["ok"] else 422)

    async def labels(self, request: Request, identity: Identity) -> Response:
        """POST labels."""
        batch = await _read(request, LabelBatch, MOST_LABEL_BYTES)
        items = [Label(item.receipt, item.row, item.label, item.at) for item in batch.labels]
        return JSONResponse(await self._service.labels(items, identity.name))

    async def quality(self, request: Request, identity: Identity) -> Response:
        """GET quality."""
        del request, identity
        return Response(await self._service.quality(), media_type="application/json")

    async def audit(self, request: Request, identity: Identity) -> Response:
        """GET audit."""
        del identity
        limit = request.query_params.get("limit", "100")
        if DIGITS.fullmatch(limit) is None or not 0 < int(limit) <= MOST_ENTRIES:
            raise Refused(422, "limit", f"limit must be a number from 1 to {MOST_ENTRIES}")
        text = await self._threads.run(partial(self._service.audit, int(limit)))
        return Response(text, media_type="application/json")

    async def monitor(self, request: Request, identity: Identity) -> Response:
        """GET monitor."""
        del request, identity
        return JSONResponse(self._service.monitor())

    async def order_monitor(self, request: Request, identity: Identity) -> Response:
        """PUT monitor/order."""
        order = await _read(request, MonitorOrder)
        return JSONResponse(await self._service.order_monitor(**order.model_dump(), actor=identity.name))

    async def slo(self, request: Request, identity: Identity) -> Response:
        """GET slo."""
        del request, identity
        return JSONResponse(self._service.slo())

    async def contract(self, request: Request, identity: Identity) -> Response:
        """GET contract. Written once for all that ask within a minute, while the policy stays."""
        del identity
        form = _form(request)
        text = await self._contracts[form]()
        return Response(text, media_type=None, headers={"content-type": FORMS[form], "vary": "accept"})

    async def openapi(self, request: Request, identity: Identity) -> Response:
        """GET openapi.json."""
        del request, identity
        return JSONResponse(OPENAPI)


def _form(request: Request) -> str:
    """The form that is asked for by name, or else the first that is accepted. Raises Refused."""
    named = request.query_params.get("format")
    if named is not None:
        if named not in FORMS:
            raise Refused(422, "format", f"format must be one of {', '.join(FORMS)}")
        return named
    ranges = request.headers.get("accept", "*/*").lower().split(",")
    for range_ in sorted(ranges, key=weight, reverse=True):
        wanted = range_.partition(";")[0].strip()
        for form, media in FORMS.items():
            kind = media.partition(";")[0]
            if weight(range_) > 0 and wanted in {"*/*", kind, kind.partition("/")[0] + "/*"}:
                return form
    raise Refused(406, "not_acceptable", ", ".join(media.partition(";")[0] for media in FORMS.values()))


async def _read(request: Request, kind: type[Any], most: int = MOST_BYTES) -> Any:
    """The body as an order. Raises Refused, without a word of what was sent."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "unsupported_media_type", "application/json")
    raw = b""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > most:
                    raise Refused(413, "body_too_large", f"the body may have at most {most} bytes")
    except TimeoutError:
        raise Refused(408, "request_timeout", f"the body did not arrive within {BODY_WITHIN:.0f} s") from None
    try:
        document = parse_file(raw)
    except Unreadable as error:
        raise Refused(400, error.code, "not JSON that every reader reads alike") from None
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        named = (item["loc"][0] if item["loc"] else "" for item in error.errors())
        wrong = sorted({str(name) if name in kind.model_fields else "<undeclared>" for name in named})
        raise Refused(422, "contract", f"wrong or missing members: {', '.join(wrong)}") from None
