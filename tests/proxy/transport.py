"""A client's transport with a write buffer and a kernel behind it: what a slow reader has not taken is seen."""

from collections.abc import Callable
from typing import Any

from guard.proxy import messages
from guard.proxy.delivery import BYTES_ACKED, LENGTH, Final

HIGH: Final = 65536
LOW: Final = 16384
KERNEL: Final = 32768
"""Bytes that the kernel takes from the buffer and holds until the client reads them."""


class Socket:
    """What `messages` asks of a socket."""

    def __init__(self, transport: "FakeTransport") -> None:
        self.transport = transport

    def fileno(self) -> "FakeTransport":  # type: ignore[override]
        return self.transport

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        assert not self.transport.gone, "an option of a descriptor that may be another's"
        self.transport.resets = True

    def getsockopt(self, level: int, option: int, length: int) -> bytes:
        """TCP_INFO, of which only tcpi_bytes_acked is asked: the SYN, and what the client has read."""
        assert not self.transport.gone, "asked of a descriptor that may be another's"
        return bytes(BYTES_ACKED) + (1 + len(self.transport.read)).to_bytes(8, "little") + bytes(LENGTH - BYTES_ACKED - 8)


def ioctl(transport: "FakeTransport", request: int, argument: bytes) -> bytes:
    """Stands for `fcntl.ioctl` with TIOCOUTQ."""
    assert not transport.gone, "asked of a descriptor that may be another's"
    return len(transport.kernel).to_bytes(4, "little")


class FakeTransport:
    """Keeps what the client has read in `read`; `end` says how the client saw the connection end: FIN or RST."""

    def __init__(self, *, tls: bool = False) -> None:
        self.tls = tls
        self.protocol: Any = None
        self.buffer = self.kernel = self.read = b""
        self.reading = True
        self.paused = self.closing = self.resets = self.gone = self.eof = False
        self.end = ""
        self.left = False  # the client's host has gone, and the loop has not told yet
        self.lost = 0  # bytes that were written and that nobody will get

    # asyncio.Transport
    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("127.0.0.1", 1), "socket": Socket(self), "sslcontext": self if self.tls else None}.get(name)

    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

    def write(self, data: bytes) -> None:
        if self.left:
            return
        assert not self.closing, "written after the end"
        assert not self.eof, "written after a FIN"
        self.buffer += data
        self.flow()
        if len(self.buffer) > HIGH and not self.paused:
            self.paused = True
            self.protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return not self.tls

    def write_eof(self) -> None:
        self.eof = True
        self.flow()

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing, self.reading = True, False

    def abort(self) -> None:
        if not self.end:
            self.lost = len(self.buffer) + (len(self.kernel) if self.resets else 0)
            self.end = "RST" if self.resets else "FIN"
            if self.resets:
                self.kernel = b""
        self.buffer = b""
        self.closing, self.reading = True, False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = not self.closing

    # the other side
    def flow(self) -> None:
        """The kernel takes what it has room for."""
        room = KERNEL - len(self.kernel)
        self.kernel, self.buffer = self.kernel + self.buffer[:room], self.buffer[room:]
        if not self.buffer and (self.eof or self.closing) and not self.end:
            self.end = "FIN"

    def take(self, size: int) -> None:
        """The client reads."""
        self.read, self.kernel = self.read + self.kernel[:size], self.kernel[size:]
        self.flow()
        if self.paused and len(self.buffer) <= LOW and not self.closing:
            self.paused = False
            self.protocol.resume_writing()

    def lose(self, error: Exception | None = None) -> None:
        """The loop tells the protocol that the connection is gone."""
        if not self.gone:
            self.protocol.connection_lost(error)
            self.gone = True


def patch(monkeypatch: Any, clock: Callable[[], float] | None = None) -> None:
    """Let guard ask these transports, and a clock of the test."""
    monkeypatch.setattr(messages, "ioctl", ioctl)
    if clock is not None:
        from guard.proxy import admission, answers, back, deadlines, driver, front, pool

        for module in (answers, back, deadlines, driver, front, admission, pool):
            if hasattr(module, "monotonic"):
                monkeypatch.setattr(module, "monotonic", clock)
