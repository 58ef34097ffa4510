"""The two edges as the driver sees them."""

from typing import TYPE_CHECKING, Final, Protocol

from guard.proxy.budget import Budget
from guard.proxy.deadlines import DeadlineTimer
from guard.proxy.values import Answer, Call, Headers, Reason, Reply

if TYPE_CHECKING:
    from guard.proxy.driver import Exchange

AHEAD: Final = 65536
"""Bytes of a request that are held before reading is paused, if no other limit applies."""

LARGE: Final = 1024
"""Smallest size in bytes of a document, of a request or an answer, that waits for its turn to be judged.

The slowest pattern takes about 2 ms for a smaller one.
"""

UNKNOWN: Final = -1
"""Length of a chunked body."""


class Client(Protocol):
    """The front's connection, as the driver uses it."""

    timer: DeadlineTimer
    budget: Budget
    paused: bool  # the client does not take what we write
    body_deadline: float

    def send_continue(self) -> None: ...
    def reply(self, exchange: "Exchange", reply: Reply) -> None: ...
    def open_stream(self, exchange: "Exchange", status: int, headers: Headers, length: int) -> None: ...
    def send_chunk(self, chunk: bytes) -> None: ...
    def close_stream(self, exchange: "Exchange") -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def make_room(self) -> bool:
        """Refuse other clients' unfinished bodies to free memory. Whether this client may go on."""

    def wait_to_judge(self) -> None:
        """Call `judge` of the exchange when its large document, the body or an answer, has its turn."""


class Owner(Protocol):
    """The maker of a call, as the back reports the call's progress to it."""

    def dialled(self, dial: object, link: "Link | None", reason: Reason | None) -> bool:
        """Receive the connection, or the reason for none; with neither, the attempt was given up without a fault.

        Returns False if the connection is not needed any more.
        """

    def answered(self, link: "Link", answer: Answer) -> None: ...
    def data(self, link: "Link", chunk: bytes) -> None: ...
    def done(self, link: "Link") -> None: ...
    def failed(self, link: "Link", reason: Reason) -> None: ...
    def resumed(self, link: "Link") -> None: ...


class Link(Protocol):
    """The back's connection, as the driver uses it."""

    reused: bool
    answer_begun: bool  # any byte of an answer came
    unread: bool  # the call failed, and the server cannot have read its request
    partial: bool  # the call failed when the server had only a part of its request, and no answer had begun
    length: int  # of the answer's body; UNKNOWN where not declared
    paused: bool  # the upstream does not take what we write

    def send(self, owner: Owner, call: Call, length: int, now: float) -> None: ...
    def send_body(self, chunk: bytes) -> None: ...
    def end_body(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def flow(self) -> None: ...
    def cancel(self) -> None: ...


class Pool(Protocol):
    """Connections to one origin."""

    def take(self, now: float) -> Link | None: ...
    def dial(self, owner: Owner, timeout: float) -> object: ...
