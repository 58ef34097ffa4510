"""The client: sends the bytes of a case, hears the answers out, and finds out what became of the connection."""

import asyncio
from dataclasses import dataclass, field

from tests.differential.case import Case, get
from tests.differential.recorder import PROBE
from tests.differential.wire import Message, read
from tests.within import within

FIRST = 2.0
"""Seconds for the first byte of an answer; then the proxy is taken to wait for more."""
REST = 1.5
"""Seconds for more of an answer that is not whole."""
QUIET = 0.15
"""Seconds for another answer after a whole one."""
PAUSE = 0.08
"""Seconds between segments."""

KEPT, CLOSED, BROKEN, WAITS, ASTRAY = "kept", "closed", "reset", "waits for more", "out of step"
_PROBE = get(b"/p?" + PROBE)


@dataclass
class Heard:
    """What the client got."""

    replies: list[Message] = field(default_factory=list)
    fate: str = WAITS
    excess: bytes = b""


class Socket(asyncio.Protocol):
    """Keeps what comes and how it ends; a stream reader would lose bytes before a reset."""

    def __init__(self) -> None:
        self.data = b""
        self.fate = ""
        self.news = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Keep the bytes."""
        self.data += data
        self.news.set()

    def eof_received(self) -> bool:
        """A clean end."""
        self.fate = CLOSED
        self.news.set()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """A reset, unless it was over before."""
        self.fate = self.fate or (BROKEN if error else CLOSED)
        self.news.set()

    async def wait(self, seconds: float) -> bool:
        """Whether anything happened."""
        if self.fate:
            return False
        self.news.clear()
        try:
            await within(self.news.wait(), seconds)
        except TimeoutError:
            return False
        return True


async def converse(port: int, case: Case) -> Heard:
    """One case through one proxy."""
    loop = asyncio.get_running_loop()
    transport, link = await loop.create_connection(Socket, "127.0.0.1", port)
    try:
        segments = (case.request,) if isinstance(case.request, bytes) else case.request
        for segment in segments[:-1]:
            transport.write(segment)
            await asyncio.sleep(PAUSE)
        transport.write(segments[-1])
        if case.half_close:
            transport.write_eof()
        heard = await _listen(link, case.method)
        if not link.fate and heard.replies:
            await _outcome(link, heard, case)
        heard.fate = link.fate or heard.fate
        return heard
    finally:
        transport.abort()


async def _listen(link: Socket, method: bytes) -> Heard:
    """Until a whole answer is followed by silence, or nothing comes any more."""
    while True:
        heard = _parse(link, method)
        final = [reply for reply in heard.replies if reply.status >= 200]
        whole = bool(final) and heard.replies[-1].complete and not heard.excess
        if not await link.wait(QUIET if whole else REST if link.data else FIRST):
            return _parse(link, method)


def _parse(link: Socket, method: bytes) -> Heard:
    heard, data = Heard(), link.data
    while content := read(data, reply_to=method, ended=link.fate == CLOSED):
        message, data = content
        heard.replies.append(message)
        if message.status >= 200:
            method = b"POST"  # of later requests on the connection, none is HEAD
    heard.excess = data
    return heard


async def _outcome(link: Socket, heard: Heard, case: Case) -> None:
    """Where an end is announced, wait for it: bytes sent into it would turn it into a reset."""
    announced = any(b"close" in value.lower() for value in heard.replies[-1].values(b"connection"))
    if not announced and not case.half_close:
        await _probe(link, heard)
    while not link.fate and announced and await link.wait(FIRST):
        pass


async def _probe(link: Socket, heard: Heard) -> None:
    """Ask something else on the same connection."""
    before = len(link.data)
    link.transport.write(_PROBE)
    while True:
        content = read(link.data[before:], reply_to=b"GET", ended=bool(link.fate))
        if content and content[0].complete and content[0].status >= 200:
            heard.fate = KEPT if content[0].body == PROBE else ASTRAY
            if heard.fate == KEPT:
                link.fate = KEPT
            return
        if not await link.wait(REST):
            return
