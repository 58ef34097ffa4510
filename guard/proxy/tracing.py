"""W3C Trace Context and Baggage: reads a client's headers, decides on sampling, and writes the model server's headers.

The sampled flag and the tracestate count only from trusted peers: an untrusted client can neither make guard record nor
send its own bytes through guard. Baggage is not forwarded, except the members that the policy names.
"""

import re
from binascii import hexlify
from collections.abc import Callable, Iterator
from typing import Final

from guard.proxy.values import Head, Headers, Trace

AHEAD: Final = 64
"""Exchanges whose ids are drawn at once: a draw for each would be most of the cost of an unsampled exchange."""
ZEROS: Final = b"0" * 16
ONE: Final = b"0" * 15 + b"1"
"""Replacement for 16 zeros in a row, since an id of zeros alone is invalid."""
MOST_STATE: Final = 512
MOST_MEMBERS: Final = 32
MOST_BAGGAGE: Final = 8192

_TRACEPARENT: Final = re.compile(
    rb"(?:00(?=.{53}\Z)|(?!00|ff)[0-9a-f]{2}(?=.{53}(?:\Z|-)))-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})"
)
"""Matches a traceparent of version 00, or of a later one, which may add fields after a dash (W3C Trace Context §4.3)."""
_STATE: Final = re.compile(rb"[a-z0-9][a-z0-9_*/@-]{0,255}=[!-+\--<>-~ ]{0,255}[!-+\--<>-~]\Z")
_BAGGAGE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*([!#-+\--:<-\[\]-~]*)(?:;[!-+\--~ \t]*)?\Z")


class Untraced:
    """A Tracer that samples nothing."""

    def begin(self, head: Head) -> None:
        """Return None: no exchange is sampled."""


class Sampler:
    """A Tracer. `ratio` of traces that begin here or with a stranger are sampled; `parented`: a trusted peer decides.

    The decision is that of OpenTelemetry's TraceIdRatioBased, so that replicas agree. `propagated`: spans are exported, so
    the model server receives guard's span as its parent. `draw` returns so many random bytes.
    """

    def __init__(self, ratio: float, *, parented: bool, propagated: bool, draw: Callable[[int], bytes]) -> None:
        bound = round(ratio * (1 << 64))
        self._bound = b"%016x" % bound if bound < 1 << 64 else b"g"  # sorts after all digits
        self._parented, self._propagated, self._draw = parented, propagated, draw
        self._drawn, self._next = b"", 0

    def begin(self, head: Head) -> Trace | None:
        """The trace of an exchange; None if nothing is recorded or propagated."""
        at = self._next
        if at == len(self._drawn):
            self._drawn, at = hexlify(self._draw(32 * AHEAD)).replace(ZEROS, ONE), 0
        drawn, self._next = self._drawn, at + 64
        sampled = drawn[at + 16 : at + 32] < self._bound
        if not self._propagated and not sampled and not (head.trace and head.peer.trusted):
            return None
        trace_id, parent_id = drawn[at : at + 32], b""
        remote = parent(head) if head.trace else None
        if remote is not None:
            trace_id, parent_id, flag = remote
            if self._parented and head.peer.trusted:
                sampled = flag
        if not sampled and not self._propagated:
            return None
        return Trace(
            trace_id,
            drawn[at + 32 : at + 48],
            parent_id,
            drawn[at + 48 : at + 64],
            sampled=sampled,
            propagated=self._propagated,
        )


def parent(head: Head) -> tuple[bytes, bytes, bool] | None:
    """Trace, span and sampled flag of the caller; None if its traceparent is invalid."""
    match = _TRACEPARENT.match(head.trace)
    if match is None or sum(name == b"traceparent" for name, _ in head.headers) > 1:
        return None
    return match[1], match[2], bool(int(match[3], 16) & 1)


def traceparent(trace: Trace, span_id: bytes) -> tuple[bytes, bytes]:
    """The header that makes `span_id` the parent of the model server's spans."""
    return b"traceparent", b"00-" + trace.trace_id + b"-" + span_id + (b"-01" if trace.sampled else b"-00")


def context(head: Head, trace: Trace | None) -> Headers:
    """The trace headers for the model server: those of guard's first call, or the client's if guard makes no span."""
    if trace is not None and trace.propagated:
        fields = [traceparent(trace, trace.call_id(1))]
        return fields + list(_state(head)) if trace.parent_id else fields
    if not head.trace or parent(head) is None:
        return []
    kept_flags = 0xFF if head.peer.trusted else 0xFE
    known = b"00" + head.trace[2:53]  # an unknown version is passed on as 00
    return [(b"traceparent", known + b"%02x" % (int(head.trace[53:55], 16) & kept_flags)), *_state(head)]


def _state(head: Head) -> Iterator[tuple[bytes, bytes]]:
    """The tracestate of a trusted peer, if all of it is well-formed and within 512 bytes and 32 members."""
    if not head.peer.trusted:
        return
    state = b",".join(value for name, value in head.headers if name == b"tracestate")
    if not state or len(state) > MOST_STATE:
        return
    members = [entry for member in state.split(b",") if (entry := member.strip(b" \t"))]  # empty ones are allowed
    if members and len(members) <= MOST_MEMBERS and all(_STATE.match(member) for member in members):
        yield b"tracestate", state


def baggage(head: Head, allowed: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The members that the policy names, unchanged. Malformed ones are dropped, and all if the field is too long."""
    sent = b",".join(value for name, value in head.headers if name == b"baggage")
    if not sent or len(sent) > MOST_BAGGAGE:
        return
    entries = []
    for member in sent.split(b","):
        match = _BAGGAGE.match(member.strip(b" \t"))
        if match is not None and match[1] in allowed:
            entries.append(member.strip(b" \t"))
    if entries:
        yield b"baggage", b",".join(entries)
