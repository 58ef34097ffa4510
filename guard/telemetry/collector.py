"""The way to a collector: the session that every exporter sends with, and how spans are sent, which are encoded here.

The SDK's exporters read an answer to its end, however long it is, but may be given a session: the bound is in its adapter.
They take no bytes, so encoded spans have a sender of their own.
"""

import gzip
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from threading import Event
from time import monotonic
from typing import Any, Final

import requests
from opentelemetry.util.re import parse_env_headers
from requests.adapters import HTTPAdapter

MOST_ANSWER: Final = 65536
"""Bytes of an answer that are read, so that its connection can be used again; then it is closed."""
ANSWER_WITHIN: Final = 2.0
"""Seconds after which no more of an answer is read."""
AGAIN: Final = frozenset((0, 429, 502, 503, 504))
"""Statuses after which a batch is sent again; 0: the collector could not be reached. Source: the OTLP specification."""
FIRST_PAUSE: Final = 1.0
ENDPOINT: Final = "http://localhost:4318"
TIMEOUT: Final = 10.0
COMPRESSIONS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"gzip": gzip.compress, "deflate": zlib.compress}


class BoundedAdapter(HTTPAdapter):
    """Returns answers with status and headers; the body is read to a bound and dropped."""

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """See HTTPAdapter. Every answer passes here, a redirect's too, before anybody reads it."""
        response = super().build_response(req, resp)
        response.raw = BytesIO()
        remaining, until = MOST_ANSWER, monotonic() + ANSWER_WITHIN
        try:
            while remaining > 0 and monotonic() < until:
                chunk = resp.read1(remaining, decode_content=False)
                if not chunk:
                    resp.release_conn()
                    return response
                remaining -= len(chunk)
        except Exception:  # noqa: BLE001, S110 — of an answer that breaks off its status is there all the same
            pass
        resp.close()
        return response


def bounded_session() -> requests.Session:
    """A session for an exporter."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, BoundedAdapter())
    return session


@dataclass(frozen=True, slots=True)
class Destination:
    """The endpoint that receives spans, from the `OTEL_EXPORTER_OTLP_*` variables."""

    url: str
    headers: Mapping[str, str]
    timeout: float
    """Seconds for a batch, repetitions included."""
    compression: str
    verify: str | bool
    """CA bundle for https."""
    certificate: str | tuple[str, str] | None
    """Client certificate, and its key where that is another file."""


def destination(environ: Mapping[str, str]) -> Destination:
    """Read the variables of traces; each stands over that of all signals. A value that makes no sense is as if unset."""

    def text(name: str, default: str = "") -> str:
        of_traces = environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}", "").strip()
        return of_traces or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip() or default

    url = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    try:
        timeout = float(text("TIMEOUT", str(TIMEOUT)))
    except ValueError:
        timeout = TIMEOUT
    compression = text("COMPRESSION").lower()
    certificate, key = text("CLIENT_CERTIFICATE"), text("CLIENT_KEY")
    headers = {"content-type": "application/x-protobuf", **parse_env_headers(text("HEADERS"), liberal=True)}
    if compression in COMPRESSIONS:
        headers["content-encoding"] = compression
    return Destination(
        url=url or f"{text('ENDPOINT', ENDPOINT).removesuffix('/')}/v1/traces",
        headers=headers,
        timeout=timeout if timeout > 0 else TIMEOUT,
        compression=compression,
        verify=text("CERTIFICATE") or True,
        certificate=(certificate, key) if certificate and key else certificate or None,
    )


class Collector:
    """Sends batches that are encoded. For one thread; `close` may be called from another."""

    def __init__(
        self,
        where: Destination,
        jitter: Callable[[float], float] = lambda most: random.uniform(0.0, most),  # noqa: S311
    ) -> None:
        """`jitter` draws a pause; its argument is the longest one in seconds."""
        self._where, self._jitter = where, jitter
        self._session = bounded_session()
        self._session.cert = where.certificate
        self._closed = Event()

    def send(self, batch: bytes) -> bool:
        """Whether the collector accepted the spans. The call is repeated until the timeout while it is busy or away."""
        compress = COMPRESSIONS.get(self._where.compression)
        body = compress(batch) if compress is not None else batch
        until, pause = monotonic() + self._where.timeout, FIRST_PAUSE
        while True:
            status, retry_after = self._once(body, max(0.001, until - monotonic()))
            if 200 <= status < 300:
                return True
            wait = self._jitter(pause) if retry_after is None else retry_after
            pause *= 2
            if status not in AGAIN or monotonic() + wait >= until or self._closed.wait(wait):
                return False

    def _once(self, body: bytes, timeout: float) -> tuple[int, float | None]:
        """Status, and how many seconds the collector asks to wait."""
        where = self._where
        try:
            answer = self._session.post(
                where.url, body, headers=where.headers, timeout=timeout, allow_redirects=False, verify=where.verify
            )
        except requests.ConnectionError:
            return 0, None
        except requests.Timeout:
            return 0, None
        retry_after = answer.headers.get("retry-after", "")
        return answer.status_code, float(retry_after) if retry_after.isdecimal() and retry_after.isascii() and len(
            retry_after
        ) < 6 else None

    def close(self) -> None:
        """Give up what is under way."""
        self._closed.set()
        self._session.close()
