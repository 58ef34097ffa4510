"""Decides from the head of an admin request whether it is looked at: Host, Origin, token, in this order.

It is asked twice, with the same bytes: by the protocol, before anything is done for the request, so that a flood without a
token costs little more than its parsing; and by the application, so that nothing can reach an endpoint past it. Refusals
for a token are limited in rate; a right token is recognised first and never meets the limit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Final, NamedTuple, TypeAlias

from guard.control.console.access import Asked, Browsers, Foreign
from guard.control.tokens import Identity

WRONG_PER_SECOND: Final = 10.0
WRONG_BURST: Final = 20.0
"""Requests without a valid token that are answered 401, of one listener; the rest are answered 429."""


class Problem(NamedTuple):
    """A refusal, as RFC 9457 has it."""

    status: int
    code: str
    detail: str = ""
    gates: Sequence[Mapping[str, object]] = ()
    """Gates of a release that do not hold, with their numbers."""

    def document(self) -> dict[str, object]:
        """The body of the error."""
        body = {"type": f"urn:guard:error:{self.code}", "title": self.code.replace("_", " "), "status": self.status}
        more = {"gates": list(self.gates)} if self.gates else {}
        return {**body, "code": self.code, **({"detail": self.detail} if self.detail else {}), **more}

    def headers(self) -> dict[str, str]:
        """The header fields that the status requires."""
        more = {401: {"www-authenticate": 'Bearer realm="guard"'}, 429: {"retry-after": "1"}, 503: {"retry-after": "1"}}
        return {"cache-control": "no-store", **more.get(self.status, {})}


UNAUTHORIZED = "the token is absent or not known; set GUARD_TOKEN to a secret of the token file, or give --state-dir"
"""The next step of somebody whose token was refused. It is the same whatever was wrong, so that a guess learns nothing."""
Identify: TypeAlias = Callable[[str], Identity | None]


CONSOLE_OFF = "the console is off; `admin: {console: true}` in the policy, and a restart, show this API in a browser"


class Gate:
    """`identify` knows whose a secret is; `hosts` are the names, without ports, under which the API is reached.

    `browsers` decides about requests of the console; None while it is off.
    """

    def __init__(
        self,
        identify: Identify,
        hosts: frozenset[str],
        clock: Callable[[], float] = monotonic,
        browsers: Browsers | None = None,
    ) -> None:
        self._identify, self._hosts, self._clock, self._browsers = identify, hosts, clock, browsers
        self._tokens, self._at = WRONG_BURST, clock()
        self.refused = 0
        """Requests without a valid token, answered 401 or 429."""

    def judge(self, headers: Iterable[tuple[bytes, bytes]], asked: Asked | None = None) -> Identity | Problem:
        """Identify the caller, or return the error for it. Header names are in lower case, as in ASGI."""
        headers = tuple(headers)
        hosts: list[bytes] = []
        tokens: list[bytes] = []
        browser = False
        for name, value in headers:
            if name == b"host":
                hosts.append(value)
            elif name == b"authorization":
                tokens.append(value)
            elif name == b"origin":
                browser = True
        if len(hosts) != 1 or _name(hosts[0]) not in self._hosts:
            return Problem(421, "misdirected")
        verdict = self._of_browser(headers, asked) if asked is not None else None
        if verdict is not None:
            return verdict
        if browser:
            return Problem(403, "forbidden", "requests of browsers are rejected")
        scheme, _, secret = tokens[0].partition(b" ") if len(tokens) == 1 else (b"", b"", b"")
        identity = self._identify(secret.strip().decode("latin-1")) if scheme.lower() == b"bearer" and secret else None
        return identity if identity is not None else self._refuse()

    def _of_browser(self, headers: Iterable[tuple[bytes, bytes]], asked: Asked) -> Identity | Problem | None:
        """The caller, or a refusal, where the console decides; None: a token decides."""
        if self._browsers is None:
            person = asked.path == "/" and all(name != b"authorization" for name, _ in headers)
            return Problem(404, "not_found", CONSOLE_OFF) if person else None
        verdict = self._browsers.judge(asked, headers)
        return Problem(403, "forbidden", verdict.detail) if isinstance(verdict, Foreign) else verdict

    def _refuse(self) -> Problem:
        self.refused += 1
        now = self._clock()
        self._tokens = min(WRONG_BURST, self._tokens + (now - self._at) * WRONG_PER_SECOND)
        self._at = now
        if self._tokens < 1.0:
            return Problem(429, "too_many_attempts")
        self._tokens -= 1.0
        return Problem(401, "unauthorized", UNAUTHORIZED)


def _name(host: bytes) -> str:
    """A Host without its port, in lower case."""
    text = host.decode("latin-1")
    return (text[: text.find("]") + 1] if text.startswith("[") else text.partition(":")[0]).lower()
