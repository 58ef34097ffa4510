"""The states of a client's connection and of an upstream's, and the events that lead from one to the next.

A state is a row; an event that may happen in it is an entry. An event that is missing from a row is a bug, and raises
KeyError. `DEADLINES` lists the deadlines that may be armed in each state of a client's connection; no other may fire.
"""

from typing import Final

from guard.proxy.deadlines import (
    ATTEMPT,
    BODY,
    CONNECT,
    FLUSH,
    HEAD,
    HEARTBEAT,
    IDLE,
    KEEP_ALIVE,
    LINGER,
    QUEUE,
    REQUEST,
    WRITE_STALL,
)

# ── a client's connection ─────────────────────────────────────────────────────────────────────────────────────────────

READY: Final = 0  # no request is read or answered
PARTIAL: Final = 1  # a part of a head was read
LIVE: Final = 2  # a request is answered; others may follow
LAST: Final = 3  # a request is answered; nothing is read after those that are queued
HALF_LAST: Final = 4  # the same, and the client has closed its side
FLUSHING: Final = 5  # everything was written; the client has not taken all of it
HALF_FLUSHING: Final = 6  # the same, and the client has closed its side
LINGERING: Final = 7  # the client has taken everything; what it still sends is dropped until it closes
CLOSED: Final = 8

HEAD_BYTES: Final = 0  # bytes of a head that is not whole
REQUEST_BEGUN: Final = 1  # the first queued request begins
ANSWERED: Final = 2  # its answer was written, and no request waits
NO_MORE: Final = 3  # the bytes are not HTTP, or follow the last request
CLOSE: Final = 4  # nothing more will be written
TAKEN: Final = 5  # the write buffer and the kernel's send queue are empty
HALF_CLOSED: Final = 6  # the client closed its side, and is still to get an answer, or the rest of one
ENDED: Final = 7  # lost, aborted, or closed with nothing on its way

CLIENT: Final[tuple[dict[int, int], ...]] = (
    # READY
    {HEAD_BYTES: PARTIAL, REQUEST_BEGUN: LIVE, NO_MORE: LAST, CLOSE: FLUSHING, ENDED: CLOSED},
    # PARTIAL
    {HEAD_BYTES: PARTIAL, REQUEST_BEGUN: LIVE, NO_MORE: LAST, CLOSE: FLUSHING, ENDED: CLOSED},
    # LIVE
    {REQUEST_BEGUN: LIVE, ANSWERED: READY, NO_MORE: LAST, CLOSE: FLUSHING, ENDED: CLOSED, HALF_CLOSED: HALF_LAST},
    # LAST
    {REQUEST_BEGUN: LAST, NO_MORE: LAST, CLOSE: FLUSHING, ENDED: CLOSED, HALF_CLOSED: HALF_LAST},
    # HALF_LAST
    {REQUEST_BEGUN: HALF_LAST, NO_MORE: HALF_LAST, CLOSE: HALF_FLUSHING, ENDED: CLOSED},
    # FLUSHING
    {TAKEN: LINGERING, ENDED: CLOSED, HALF_CLOSED: HALF_FLUSHING},
    # HALF_FLUSHING
    {TAKEN: CLOSED, ENDED: CLOSED},
    # LINGERING
    {ENDED: CLOSED},
    # CLOSED
    {ENDED: CLOSED},
)

_CALL: Final = frozenset((BODY, QUEUE, CONNECT, ATTEMPT, IDLE, REQUEST))
"""The deadlines of the current exchange; one of them is armed at a time."""
DEADLINES: Final[tuple[frozenset[int], ...]] = (
    frozenset((HEAD, KEEP_ALIVE, WRITE_STALL)),  # READY
    frozenset((HEAD, WRITE_STALL)),  # PARTIAL
    _CALL | {WRITE_STALL, HEARTBEAT},  # LIVE
    _CALL | {WRITE_STALL, HEARTBEAT},  # LAST
    _CALL | {WRITE_STALL, HEARTBEAT},  # HALF_LAST
    frozenset((WRITE_STALL, FLUSH)),  # FLUSHING
    frozenset((WRITE_STALL, FLUSH)),  # HALF_FLUSHING
    frozenset((LINGER,)),  # LINGERING
    frozenset(),  # CLOSED
)

# ── an upstream's connection ──────────────────────────────────────────────────────────────────────────────────────────

FREE: Final = 0  # no call is on it: it is new, or the pool keeps it
AWAITING: Final = 1  # a request was written, or its body is on its way; no final head came
COLLECTING: Final = 2  # the head came, the body is buffered
STREAMING: Final = 3  # the body is passed on as it comes
GONE: Final = 4

CALLED: Final = 0  # a request is written
FINAL_HEAD: Final = 1  # the head of the final answer is whole
RELAYED: Final = 2  # the owner takes the body as it comes, or takes it again
WHOLE: Final = 3  # the answer is whole, and another call may follow
DROPPED: Final = 4  # lost, broken, cancelled, expired, or not fit for another call

UPSTREAM: Final[tuple[dict[int, int], ...]] = (
    # FREE
    {CALLED: AWAITING, DROPPED: GONE},
    # AWAITING
    {FINAL_HEAD: COLLECTING, DROPPED: GONE},
    # COLLECTING
    {RELAYED: STREAMING, WHOLE: FREE, DROPPED: GONE},
    # STREAMING
    {RELAYED: STREAMING, WHOLE: FREE, DROPPED: GONE},
    # GONE
    {DROPPED: GONE},
)
