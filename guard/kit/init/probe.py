"""Asks a model server, for as long and as much as is reasonable: nothing that it does can hang or fill this process."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

import httpx2

from guard.kit.init.server import MOST_ANSWER, ServerAnswer
from guard.policy.scalars import Origin

WITHIN: Final = 5.0
"""Seconds for one answer, from connect to its last byte."""
AT_ONCE: Final = 8
_HEADERS: Final = {"accept": "application/json, */*;q=0.1", "accept-encoding": "identity", "user-agent": "guard-init"}


class Unreachable(Exception):  # noqa: N818 — a word of the domain
    """Nothing answers there."""


class Probe:
    """A Server, over HTTP. No redirects, no proxies, no cookies. `total`: seconds for all questions together."""

    def __init__(self, origin: Origin, *, total: float, ca: Path | None = None) -> None:
        """Raises OSError where the file of `ca` is not there or holds no certificate."""
        verify: Any = True
        if ca is not None:
            import ssl  # noqa: PLC0415

            verify = ssl.create_default_context(cafile=str(ca))
        self._base = "http://localhost" if origin.scheme == "unix" else str(origin)
        transport = httpx2.AsyncHTTPTransport(uds=origin.socket) if origin.scheme == "unix" else None
        self._client = httpx2.AsyncClient(
            trust_env=False, timeout=WITHIN, verify=verify, transport=transport, headers=_HEADERS
        )
        self._until = time.monotonic() + total
        self._runner = asyncio.Runner()
        self._answers: dict[tuple[str, str, bytes], ServerAnswer] = {}

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self._runner.run(self._client.aclose())
        self._runner.close()

    @property
    def requests(self) -> int:
        """The number of requests that were sent."""
        return len(self._answers)

    def get(self, path: str) -> ServerAnswer:
        """See Server."""
        return self._runner.run(self._ask("GET", path, b""))

    def post(self, path: str, body: bytes) -> ServerAnswer:
        """See Server."""
        return self._runner.run(self._ask("POST", path, body))

    def ahead(self, paths: Iterable[str]) -> None:
        """Ask for several at once: a slow server is waited for once. Raises Unreachable where nothing at all comes back."""
        self._runner.run(self._several(list(dict.fromkeys(paths))))
        if not any(answer.status for answer in self._answers.values()):
            raise Unreachable(next(answer.why for answer in self._answers.values()))

    async def _several(self, paths: list[str]) -> None:
        free = asyncio.Semaphore(AT_ONCE)

        async def fetch(path: str) -> None:
            async with free:
                await self._ask("GET", path, b"")

        await asyncio.gather(*map(fetch, paths))

    async def _ask(self, method: str, path: str, body: bytes) -> ServerAnswer:
        question = (method, path, body)
        if question not in self._answers:
            self._answers[question] = await self._answer(method, path, body)
        return self._answers[question]

    async def _answer(self, method: str, path: str, body: bytes) -> ServerAnswer:
        remaining = self._until - time.monotonic()
        if remaining <= 0:
            return ServerAnswer(0, why="the time limit ended before this request")
        headers = {"content-type": "application/json"} if body else {}
        try:
            async with (
                asyncio.timeout(min(WITHIN, remaining)),
                self._client.stream(method, self._base + path, content=body or None, headers=headers) as answer,
            ):
                return await _read(answer)
        except TimeoutError:
            return ServerAnswer(0, why="no answer in time")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return ServerAnswer(0, why=f"{type(error).__name__}: {error}")


async def _read(answer: httpx2.Response) -> ServerAnswer:
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        return ServerAnswer(answer.status_code, why="compressed, although guard did not ask for it")
    parts, size = [], 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > MOST_ANSWER:
            return ServerAnswer(answer.status_code, why=f"more than {MOST_ANSWER >> 20} MiB")
        parts.append(part)
    return ServerAnswer(answer.status_code, b"".join(parts))
