"""Limits on the heads of a model server's answers, and heads that no HTTP/1.1 server writes.

A new limit is a field and a check here, and a key of the same name of `upstream.limits` (`guard/policy/ladder.py`).
"""

from dataclasses import dataclass

from guard.proxy.headers import repeated
from guard.proxy.values import Headers


class Malformed(Exception):  # noqa: N818
    """The upstream does not speak HTTP/1.1; stops the parser."""


@dataclass(frozen=True)
class HeadLimits:
    """What the head of an answer may have: the fields of `upstream.limits` of these names."""

    headers: int = 128
    """Fields."""
    header_bytes: int = 65536
    """Bytes of names and values."""


def bounded(status: int, headers: Headers, limits: HeadLimits, received: int) -> None:
    """Raises Malformed for a head that no answer has, or that passes the limits. It came within `received` bytes."""
    if not 200 <= status <= 599 or len(headers) > limits.headers:
        raise Malformed
    if received > limits.header_bytes and sum(len(name) + len(value) for name, value in headers) > limits.header_bytes:
        raise Malformed


def undoubled(headers: Headers) -> None:
    """Raises Malformed where a field that has one value stands twice: clients would differ about it."""
    if repeated(headers):
        raise Malformed
