"""Values of a client's request, and the verdicts of judges on it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias, final

from guard.proxy.values.words import Document, FeatureState, Headers, Reason, RefusalCode, ViolationCode

if TYPE_CHECKING:
    from guard.proxy.values.codec import Message, Usage


@dataclass(eq=False)
class Peer:
    """The client at the other end of a connection."""

    address: str = ""
    trusted: bool = False  # one of the policy's `trusted_proxies`
    secure: bool = False  # TLS
    via: bytes = b"guard"  # guard's pseudonym (RFC 9110 §7.6.3)
    identity: Headers = field(default_factory=list)
    """Header fields that name an untrusted peer to the model server; the same for every request of its connection."""


NOBODY: Final = Peer()


class Head:
    """A request's head, immutable once read: trailers never reach it."""

    def __init__(
        self,
        method: bytes,
        target: bytes,  # raw, origin form; what is matched is what is forwarded
        headers: Headers,
        modern: bool = True,  # HTTP/1.1; else 1.0
        peer: Peer = NOBODY,
        host: bytes = b"",
        trace: bytes = b"",  # traceparent, as sent
        alone: bool = False,  # x-guard-no-fallback: the client wants the model's answer or none
        fields: dict[bytes, bytes] | None = None,  # by name; built by the parser, or on first use
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.modern = modern
        self.peer = peer
        self.host = host
        self.trace = trace
        self.alone = alone
        self.fields = fields

    def get(self, name: bytes) -> bytes | None:
        """The value of a lower-case header name, with several lines joined (RFC 9110 §5.3); None without one."""
        fields = self.fields
        if fields is None:
            fields = self.fields = combined(self.headers)
        return fields.get(name)

    @property
    def credentialed(self) -> bool:
        """Whether the request carries the client's credentials, in a field or in the query."""
        secret = SECRET_NAME
        for name, _ in self.headers:
            if secret[name]:
                return True
        return b"?" in self.target and _SECRET_QUERY.search(self.target.partition(b"?")[2]) is not None


_SECRET: Final = re.compile(
    rb"auth|cookie|token|secret|credential|password|jwt|signature|(?:\A|-)(?:api|access|subscription|functions)?-?key\Z|apikey"
)
_SECRET_QUERY: Final = re.compile(rb"(?:\A|&)[^=&]*(?:key|token|secret|auth|sig(?:nature)?|code)=", re.IGNORECASE)
_NOT_SECRET: Final = frozenset((b"x-csrf-token", b"idempotency-key", b"proxy-authorization", b"authority", b"x-authority"))
_MOST_NAMES: Final = 1024


class _SecretNames(dict[bytes, bool]):
    """Field name → whether it carries credentials; peers send the same few names, so each is judged once."""

    def __missing__(self, name: bytes) -> bool:
        secret = name not in _NOT_SECRET and _SECRET.search(name) is not None
        if len(self) < _MOST_NAMES and len(name) <= 64:
            self[name] = secret
        return secret


SECRET_NAME: Final = _SecretNames()
"""Field name → whether it carries credentials: Authorization, Cookie, x-api-key, private-token and similar names."""


def combined(headers: Headers) -> dict[bytes, bytes]:
    """Header fields by name."""
    fields = {name: value for name, value in headers}  # noqa: C416 — machine code, and half of what dict() costs
    if len(fields) < len(headers):
        fields.clear()
        for name, value in headers:
            fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


class _Stream(Enum):
    STREAM = auto()


STREAM: Final = _Stream.STREAM
"""Stands for a body that is not buffered: the driver passes it on as it arrives."""
Stream: TypeAlias = Literal[_Stream.STREAM]


class Violation(NamedTuple):
    """One breach of a contract: a JSON pointer made of declared names only, and a code; never a value."""

    pointer: str
    code: ViolationCode
    field: str = ""  # the declared field, if the pointer does not name it


@dataclass(eq=False)
class Facts:
    """Facts about declared fields for metrics, by name and count; ages are the only values."""

    features: list[tuple[str, FeatureState, int]] = field(default_factory=list)
    ages: list[tuple[str, list[float]]] = field(default_factory=list)  # seconds
    redactions: list[tuple[str, str, int]] = field(default_factory=list)  # field, detector, count


@final
class Allow:
    """The body may be used unchanged. `violations`: those that observe mode allowed."""

    def __init__(
        self,
        document: Document = None,
        violations: Sequence[Violation] = (),
        rows: int | None = None,
        facts: Facts | None = None,
        message: "Message | None" = None,  # the request as its dialect read it
        version: str = "",  # the model's version that an answer names
        usage: "Usage | None" = None,
    ) -> None:
        self.document = document
        self.violations = violations
        self.rows = rows
        self.facts = facts
        self.message = message
        self.version = version
        self.usage = usage


@final
class Amend:
    """The body may be used in this form: `document` for guard's own rungs, `body` for the model server."""

    def __init__(
        self,
        document: Document,
        body: bytes,
        violations: Sequence[Violation] = (),
        rows: int | None = None,  # instances in the document, where it has rows
        facts: Facts | None = None,
        message: "Message | None" = None,
    ) -> None:
        self.document = document
        self.body = body
        self.violations = violations
        self.rows = rows
        self.facts = facts
        self.message = message


@final
@dataclass(eq=False)
class Deny:
    """The request, or the answer, is refused. `document`: the readable part of an answer."""

    code: RefusalCode
    violations: Sequence[Violation] = ()
    document: Document = None
    version: str = ""
    usage: "Usage | None" = None
    bent: bool = False  # the request asked for the breach, so no party is blamed


@final
@dataclass(eq=False)
class Lower:
    """The request is valid, but no rung that reads its input (model, previous, cached) may answer it."""

    reason: Reason
    document: Document
    body: bytes
    violations: Sequence[Violation] = ()
    rows: int | None = None  # instances in the document, where it has rows
    facts: Facts | None = None
    message: "Message | None" = None


Verdict: TypeAlias = Allow | Amend | Deny | Lower


class Judge(Protocol):
    """A judge of requests. Pure; a judge that raises denies the request."""

    def judge(self, head: Head, body: bytes, wall: float) -> Verdict:
        """The verdict on a request. `wall`: seconds since the epoch."""
