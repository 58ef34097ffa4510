"""One page from somebody else's server, within bounds of time and size that it cannot stretch."""

import time
from pathlib import Path
from typing import Any, Final, NamedTuple

WITHIN: Final = 10.0
"""Seconds for a whole page, however slowly it comes."""
MOST_BYTES: Final = 16 << 20


class Page(NamedTuple):
    """`status` 0: none, and `trouble` says why."""

    status: int
    body: bytes
    trouble: str


def get(url: str, ca: Path | None = None) -> Page:
    """GET a page without redirects, proxies of the environment or encodings that could swell. Never raises."""
    import httpx2  # noqa: PLC0415 — 70 ms that a checklist without --live need not pay

    verify: Any = url.startswith("https:")  # trust for nothing costs 30 ms
    try:
        if ca is not None:
            import ssl  # noqa: PLC0415

            verify = ssl.create_default_context(cafile=str(ca))
        until = time.monotonic() + WITHIN
        with (
            httpx2.Client(trust_env=False, timeout=WITHIN / 2, verify=verify) as client,
            client.stream("GET", url, headers={"accept": "text/plain", "accept-encoding": "identity"}) as answer,
        ):
            body = bytearray()
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > MOST_BYTES:
                    return Page(0, b"", f"{url}: more than {MOST_BYTES >> 20} MiB")
                if time.monotonic() > until:
                    return Page(0, b"", f"{url}: no complete answer within {WITHIN:g} s")
            return Page(answer.status_code, bytes(body), "")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        return Page(0, b"", f"{url}: {type(error).__name__}")
