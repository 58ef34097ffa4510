"""The ops listener: read-only, for probes and scrapers, so that a full data port never fails a probe.

    GET /livez    200 while the process answers; never depends on the model server
    GET /readyz   200 or 503, with what is waited for
    GET /metrics  for a scraper; 404 with `telemetry.prometheus: false`

One request a connection: probes and scrapers come every few seconds. A head has 8 KiB and 5 seconds, and at most 64 clients
are heard at once.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias

from guard.control.readiness import Readiness

WITHIN: Final = 5.0
MOST_BYTES: Final = 8192
MOST_CLIENTS: Final = 64
JSON: Final = "application/json"


class Page(NamedTuple):
    """What a path answers."""

    status: int
    content_type: str
    body: bytes


Pages: TypeAlias = Mapping[str, Callable[[str], Page]]
"""By path; each is given the Accept header, or an empty text."""


def probes(readiness: Readiness) -> dict[str, Callable[[str], Page]]:
    """The pages that probes ask for."""

    def live(_accept: str) -> Page:
        return _json(200, {"live": True})

    def ready(_accept: str) -> Page:
        return _json(200 if readiness.ready else 503, {"ready": readiness.ready, "waiting": readiness.waiting})

    return {"/livez": live, "/readyz": ready}


def _json(status: int, document: object) -> Page:
    return Page(status, JSON, json.dumps(document).encode() + b"\n")


class Ops:
    """Answers one request of each connection."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self._clients: set[asyncio.Task[None]] = set()

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client is here: `asyncio.start_server`'s callback, not a coroutine so that the task has a holder."""
        if len(self._clients) >= MOST_CLIENTS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._answer(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(WITHIN):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self.reply(head))
                await writer.drain()
                writer.write_eof()
                await reader.read()  # until the client has closed: a reset would destroy the answer on its way
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def reply(self, head: bytes) -> bytes:
        """The whole answer to a head."""
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            page = _json(400, {"code": "bad_request"})
        elif words[0] not in (b"GET", b"HEAD"):
            page = _json(405, {"code": "method_not_allowed"})
        else:
            make = self.pages.get(words[1].partition(b"?")[0].decode("latin-1"))
            page = make(_accept(head)) if make is not None else _json(404, {"code": "not_found"})
        lines = (
            f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}",
            f"content-type: {page.content_type}",
            f"content-length: {len(page.body)}",
            "cache-control: no-store",
            "connection: close",
            *(["allow: GET, HEAD"] if page.status == 405 else []),
        )
        answer = "\r\n".join(lines).encode() + b"\r\n\r\n"
        return answer if words[0] == b"HEAD" else answer + page.body


def _accept(head: bytes) -> str:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return ",".join(value.strip().decode("latin-1") for name, _, value in lines if name.lower() == b"accept")


async def listen(ops: Ops, host: str, port: int) -> asyncio.Server:
    """Bind. Raises OSError."""
    return await asyncio.start_server(ops, host, port, limit=MOST_BYTES, backlog=64)
