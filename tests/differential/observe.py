"""What one proxy did with one case, without what it does to every message; comparable, and fit to be shown."""

import re
from dataclasses import dataclass

from tests.differential.case import Case
from tests.differential.client import Heard
from tests.differential.recorder import Scene
from tests.differential.wire import Message

# What a proxy adds, replaces or frames anew as a matter of course. A case that is about one of them watches it.
_REQUEST_USUAL = frozenset(
    (
        "host", "content-length", "transfer-encoding", "via", "forwarded", "x-forwarded-for", "x-forwarded-proto",
        "x-forwarded-host", "x-request-id", "x-envoy-expected-rq-timeout-ms", "x-envoy-internal",
        "x-envoy-external-address",
    )
)  # fmt: skip
_REPLY_USUAL = frozenset(
    (
        "content-length", "transfer-encoding", "connection", "date", "server", "via", "server-timing", "x-upstream",
        "x-envoy-upstream-service-time",
    )
)  # fmt: skip
_MADE_UP = (
    (b"(now)", re.compile(rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")),
    (b"(new)", re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
    (b"(address)", re.compile(rb"(?:\d{1,3}\.){3}\d{1,3}")),
)
LONG, CUT = 60, 24
MOST = 3
"""Header lines shown in a cell."""


@dataclass(frozen=True)
class Forwarded:
    """A request as the upstream saw it."""

    line: str
    headers: tuple[str, ...]
    body: str


@dataclass(frozen=True)
class Seen:
    """The observation that is compared."""

    statuses: tuple[int, ...]
    fate: str
    bodies: tuple[str, ...]
    headers: tuple[str, ...]
    forwarded: tuple[Forwarded, ...]


def text(raw: bytes) -> str:
    """Bytes for people: printable ASCII as it is, the rest escaped, the long cut."""
    shown = raw.decode("latin-1").encode("unicode_escape").decode()
    return shown if len(shown) <= LONG else f"{shown[:CUT]}…({len(raw)} bytes)"


def seen(case: Case, heard: Heard, scene: Scene, port: int) -> Seen:
    """Put together what client and upstream noted."""
    final = [reply for reply in heard.replies if reply.status >= 200]
    bodies = tuple(_body(case, reply) for reply in final) + (("bytes that are no answer",) if heard.excess else ())
    relayed = [reply for reply in final if reply.values(b"x-upstream")]
    headers = tuple(line for reply in relayed for line in _lines(reply, _REPLY_USUAL, case, {}))
    places = {f"127.0.0.1:{port}": "(the upstream's)"}
    forwarded = tuple(
        Forwarded(text(request.start), _lines(request, _REQUEST_USUAL, case, places), _request_body(request))
        for request in scene.requests
    )
    return Seen(tuple(reply.status for reply in heard.replies), heard.fate, bodies, headers, forwarded)


def _lines(message: Message, usual: frozenset[str], case: Case, places: dict[str, str]) -> tuple[str, ...]:
    """Header lines by name; the order of lines of one name is kept, that of names says nothing."""
    lines = []
    for name, value in message.headers:
        key = text(name)
        if key.startswith("x-guard-") or (key in usual and key not in case.watch):
            continue
        shown = places.get(text(value)) or _made_up(value, case)
        lines.append((key, shown))
    return tuple(f"{key}: {value}" for key, value in sorted(lines, key=lambda line: line[0]))


def _made_up(value: bytes, case: Case) -> str:
    """A value, with what is another on every run or machine replaced by its kind, unless it is the case's own."""
    given = case.whole + case.answer.raw
    for kind, pattern in _MADE_UP:
        value = pattern.sub(lambda match, kind=kind: match[0] if match[0] in given else kind, value)
    return text(value)


def _body(case: Case, reply: Message) -> str:
    """Whether the body of an answer came whole; of the upstream's answers, the bytes too."""
    if not reply.complete:
        return {"length": "truncated", "chunked": "truncated, no last chunk", "close": "ends with the connection"}.get(
            reply.framing, reply.framing
        )
    if not reply.values(b"x-upstream"):
        return "a proxy's own"
    if reply.framing == "none":
        lengths = ",".join(text(value) for value in reply.values(b"content-length"))
        return "no body" + (f", Content-Length {lengths}" if lengths else "")
    how = {"length": "by length", "chunked": "in chunks", "close": "until a clean close"}[reply.framing]
    return f"whole {how}: {text(reply.body)}" + (f" and trailers {reply.trailers}" if reply.trailers else "")


def _request_body(request: Message) -> str:
    if request.framing == "none":
        return "no body"
    how = {"length": f"Content-Length {len(request.body)}", "chunked": "chunked"}.get(request.framing, request.framing)
    trailers = "".join(f" trailer {text(line)}" for line in request.trailers)
    return f"{how}: {text(request.body)}{trailers}" + ("" if request.complete else " (truncated)")


def differ(item: Seen, other: Seen) -> bool:
    """Whether a client or an upstream could tell the two apart."""
    return item != other


def described(all_seen: list[Seen]) -> list[str]:
    """A short account of each, which leaves out what all of them share but for status and connection."""
    alike = {facet: len({getattr(item, facet) for item in all_seen}) == 1 for facet in ("bodies", "headers", "forwarded")}
    return [_account(item, all_seen, alike) for item in all_seen]


def _account(item: Seen, others: list[Seen], alike: dict[str, bool]) -> str:
    parts = [", ".join(str(status) for status in item.statuses) or "no answer"]
    parts[0] += f", {item.fate}"
    if not alike["bodies"]:
        relayed = [body for body in item.bodies if body != "a proxy's own"]
        parts += [f"body {_code(body)}" for body in relayed]
    if not alike["headers"]:
        parts.append(_unshared(item.headers, [other.headers for other in others if other.bodies], "answer"))
    if not alike["forwarded"]:
        parts.append(_upstream(item, others))
    return "; ".join(part for part in parts if part)


def _upstream(item: Seen, others: list[Seen]) -> str:
    """What of the upstream's view sets this one apart."""
    if not item.forwarded:
        return "nothing forwarded"
    forwarding = [other.forwarded for other in others if other.forwarded]
    if len(set(forwarding)) == 1:
        return "forwarded"
    if len({requests[0] for requests in forwarding}) == 1:
        return {1: "forwarded once", 2: "forwarded twice"}.get(
            len(item.forwarded), f"forwarded {len(item.forwarded)} times"
        )
    results = []
    for index, request in enumerate(item.forwarded):
        rivals = [requests[index] for requests in forwarding if len(requests) > index]
        facets = []
        if len({rival.line for rival in rivals}) > 1 or len(rivals) < len(forwarding):
            facets.append(_code(request.line))
        if len({rival.headers for rival in rivals}) > 1:
            facets.append(_unshared(request.headers, [rival.headers for rival in rivals], "with"))
        if len({rival.body for rival in rivals}) > 1:
            facets.append(_code(request.body))
        results.append(" ".join(facet for facet in facets if facet))
    return "forwards " + (", then ".join(part for part in results if part) or "the same")


def _unshared(lines: tuple[str, ...], sets: list[tuple[str, ...]], word: str) -> str:
    shared = set.intersection(*(set(set_) for set_ in sets)) if sets else set()
    special = [line for line in lines if line not in shared]
    if not special:
        return f"{word} none of these headers"
    more = f" and {len(special) - MOST} more" if len(special) > MOST else ""
    return f"{word} " + ", ".join(_code(line) for line in special[:MOST]) + more


def _code(shown: str) -> str:
    """Literal in a cell of a table."""
    return "`" + shown.replace("|", "\\|").replace("`", "'") + "`"
