"""Answers below /console/: the files of the page, and the session of a browser.

    GET    /console/…         the page; it holds no facts, so anybody may read it
    POST   /console/session   {"token"}: sign in; the answer sets the cookie
    GET    /console/session   {"name", "role"}: who is signed in; null for nobody
    DELETE /console/session   sign out

A wrong token costs one of five guesses a minute; a right one is recognised first and never meets the limit.
"""

from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from guard.control.console.access import Asked, Browsers
from guard.control.console.files import StaticFile
from guard.control.gate import Problem

GUESSES: Final = 5.0
"""Wrong tokens that are answered 401 in a minute, of one listener; the rest are answered 429."""
SESSION: Final = "/console/session"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Console:
    """The page and its sessions. `service` is the name that a kill has to repeat."""

    def __init__(
        self,
        files: dict[str, StaticFile],
        browsers: Browsers,
        service: Callable[[], str],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._files, self._browsers, self._service, self._clock = files, browsers, service, clock
        self._guesses, self._at = GUESSES, clock()

    async def answer(self, request: Request, read_token: Callable[[Request], Any]) -> Response | Problem:
        """Answer one request, which the gate has let pass. `read_token` reads the body of POST session."""
        path, method = request.scope["path"], request.method
        if path == SESSION:
            return await self._session(request, read_token)
        if method not in {"GET", "HEAD"}:
            return Problem(405, "method_not_allowed", "the page is read with GET")
        if path in {"/", "/console"}:
            return RedirectResponse("/console/", 307, HEADERS)
        name = "favicon.svg" if path == "/favicon.ico" else path.removeprefix("/console/")
        file = self._files.get(name)
        return _served(file, request) if file is not None else Problem(404, "not_found", "the console has no such file")

    async def _session(self, request: Request, read_token: Callable[[Request], Any]) -> Response | Problem:
        fields: dict[bytes, list[bytes]] = {}
        for name, value in request.scope["headers"]:
            fields.setdefault(name, []).append(value)
        if request.method == "POST":
            return self._sign_in(await read_token(request))
        if request.method == "DELETE":
            self._browsers.sessions.close(self._browsers.identifier(fields.get(b"cookie", ())))
            return self._with_cookie(JSONResponse({"name": None, "role": None}), "", 0)
        if request.method != "GET":
            return Problem(405, "method_not_allowed", "GET, POST and DELETE")
        identity = self._browsers.recognise(asked(request), fields)
        if identity is None:
            return JSONResponse({"name": None, "role": None})
        return JSONResponse({"name": identity.name, "role": identity.role, "service": self._service()})

    def _sign_in(self, token: str) -> Response | Problem:
        identifier = self._browsers.sessions.open(token)
        if identifier is None:
            now = self._clock()
            self._guesses = min(GUESSES, self._guesses + (now - self._at) * GUESSES / 60.0)
            self._at = now
            if self._guesses < 1.0:
                return Problem(429, "too_many_attempts", "too many wrong tokens in a minute; wait, and try again")
            self._guesses -= 1.0
            return Problem(401, "unauthorized", "this token is not known; a token file or `guard token` has the right one")
        identity = self._browsers.sessions.find(identifier)
        assert identity is not None
        answer = JSONResponse({"name": identity.name, "role": identity.role, "service": self._service()})
        return self._with_cookie(answer, identifier, None)

    def _with_cookie(self, response: Response, identifier: str, age: int | None) -> Response:
        response.set_cookie(
            self._browsers.cookie, identifier, max_age=age, httponly=True, samesite="strict", secure=self._browsers.secure
        )
        return response


def asked(request: Request) -> Asked:
    """The question to the gate about a request."""
    client = request.scope.get("client")
    return Asked(request.method, request.scope["path"], client[0] if client else "")


def _served(file: StaticFile, request: Request) -> Response:
    headers = {**HEADERS, "etag": file.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    content = file.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["content-encoding"] = file.compressed, "gzip"
    return Response(content, headers=headers, media_type=file.media_type)
