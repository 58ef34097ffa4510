"""The two edges as the driver sees them."""

from typing import TYPE_CHECKING, Final, Protocol

from guard.proxy.alarm import Alarm
from guard.proxy.budget import Budget
from guard.proxy.values import Call, Headers, Reply

if TYPE_CHECKING:
    from guard.proxy.driver import Exchange

AHEAD: Final = 65536
"""Bytes of a request held before its reader is paused, where nothing else bounds them."""

UNKNOWN: Final = -1
"""Length of a chunked body."""


class Client(Protocol):
    """The front's connection, as the driver uses it."""

    alarm: Alarm
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


class Link(Protocol):
    """The back's connection, as the driver uses it. It tells its owner: answered, data, done, failed, resumed."""

    reused: bool
    heard: bool  # any byte of an answer came
    length: int  # of the answer's body; UNKNOWN where not declared
    paused: bool  # the upstream does not take what we write

    def send(self, owner: "Exchange", call: Call, length: int) -> None: ...
    def send_body(self, chunk: bytes) -> None: ...
    def end_body(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def flow(self) -> None: ...
    def cancel(self) -> None: ...


class Pool(Protocol):
    """Connections to one origin."""

    def take(self, now: float) -> Link | None: ...
    def dial(self, owner: "Exchange", timeout: float) -> object: ...
