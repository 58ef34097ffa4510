"""Asks one request after the other, and never raises for what a server does."""

import ssl
import time
from types import TracebackType
from typing import Any, Final, Literal, Self

from guard.kit.rehearse.values import Got, Request

MOST_ANSWER: Final = 64 << 20
"""Bytes of an answer that are read."""


class Client:
    """Asks one origin. `within`: seconds for an answer."""

    def __init__(self, origin: str, verify: ssl.SSLContext | Literal[True], within: float) -> None:
        import httpx2  # noqa: PLC0415 — 70 ms that other commands need not pay

        transport = None
        if origin.startswith("unix://"):
            transport = httpx2.HTTPTransport(uds=origin.removeprefix("unix://"))
            origin = "http://localhost"
        self._errors = httpx2.HTTPError
        self._origin = origin.rstrip("/")
        self._within = within
        self._client: Any = httpx2.Client(
            trust_env=False,
            timeout=within,
            verify=verify,
            transport=transport,
            headers={"user-agent": "guard-rehearse", "accept-encoding": "identity"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def ask(self, request: Request) -> Got:
        """One request, and its answer or what came in place of one."""
        begun = time.perf_counter()
        try:
            with self._client.stream(
                request.method, self._origin + request.target, content=request.body, headers=list(request.headers)
            ) as answer:
                parts, size = [], 0
                for part in answer.iter_raw():
                    parts.append(part)
                    size += len(part)
                    if size > MOST_ANSWER or time.perf_counter() - begun > self._within * 2:
                        return Got(0, {}, b"", time.perf_counter() - begun, "an answer without end")
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Got(answer.status_code, headers, b"".join(parts), time.perf_counter() - begun)
        except (self._errors, OSError, ValueError) as error:
            return Got(0, {}, b"", time.perf_counter() - begun, type(error).__name__)
