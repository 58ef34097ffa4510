"""Heads of answers that no HTTP/1.1 server writes, or that pass the limits."""

from guard.proxy.headers import repeated
from guard.proxy.values import Headers


class Malformed(Exception):  # noqa: N818
    """The upstream does not speak HTTP/1.1; stops the parser."""


def bounded(status: int, headers: Headers, most: int, most_bytes: int) -> None:
    """Raises Malformed for a head that no answer has, or that passes the limits."""
    if not 200 <= status <= 599 or len(headers) > most:
        raise Malformed
    if sum(len(name) + len(value) for name, value in headers) > most_bytes:
        raise Malformed


def undoubled(headers: Headers) -> None:
    """Raises Malformed where a field that has one value stands twice: clients would differ about it."""
    if repeated(headers):
        raise Malformed
