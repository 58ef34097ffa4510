"""Limits on the heads of a model server's answers, and heads that no HTTP/1.1 server writes.

A new limit is a field and a check here, and a key of the same name of `upstream.limits` (`guard/policy/ladder.py`).
"""

from dataclasses import dataclass

from guard.proxy.headers import repeated
from guard.proxy.values import Headers


class Malformed(Exception):  # noqa: N818
    """The error of an upstream that does not speak HTTP/1.1; it stops the parser."""


@dataclass(frozen=True)
class HeadLimits:
    """Limits on the head of an answer: the keys of `upstream.limits` with these names."""

    headers: int = 128
    """Most header fields."""
    header_bytes: int = 65536
    """Most bytes of names and values together."""


def bounded(status: int, headers: Headers, limits: HeadLimits, received: int) -> None:
    """Raises Malformed for a head with an impossible status or over the limits. `received`: bytes that brought it."""
    if not 200 <= status <= 599 or len(headers) > limits.headers:
        raise Malformed
    if received > limits.header_bytes and sum(len(name) + len(value) for name, value in headers) > limits.header_bytes:
        raise Malformed


def undoubled(headers: Headers) -> None:
    """Raises Malformed if a single-valued field is repeated: clients would disagree on its value."""
    if repeated(headers):
        raise Malformed
