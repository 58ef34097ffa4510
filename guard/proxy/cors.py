"""Cross-origin rules: the web pages that may call, and read answers of guard too (Fetch standard, CORS protocol)."""

from collections.abc import Callable
from typing import Final

from guard.proxy.values import Answered, Head, Headers, Reply

PREFIX: Final = b"access-control-"


class Cors:
    """The policy's `cors`: adds the fields to every answer for an allowed page, and answers preflights itself."""

    def __init__(
        self, *, origins: frozenset[bytes], headers: tuple[bytes, ...], expose: tuple[bytes, ...], credentials: bool,
        max_age: int,
    ) -> None:  # fmt: skip
        """`origins`: as browsers send them; `*` is every page. `max_age`: seconds that a browser remembers a preflight."""
        self._origins = origins
        self._any = b"*" in origins
        self._headers = b", ".join(headers)
        self._expose = b", ".join(expose)
        self._credentials = credentials
        self._max_age = max_age

    def _allowed(self, head: Head) -> Headers | None:
        """The fields that let a page read the answer; None if it may not, or no page asks."""
        origin = head.get(b"origin")
        if origin is None or not (self._any or origin in self._origins):
            return None
        fields = [(b"access-control-allow-origin", b"*" if self._any else origin)]
        if self._credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        return fields

    def preflight(self, head: Head, is_routed: Callable[[bytes, bytes], bool]) -> None:
        """Raises Answered for a preflight request. `is_routed`: whether a method and a target have a route."""
        method = head.get(b"access-control-request-method")
        if head.method != b"OPTIONS" or method is None or head.get(b"origin") is None:
            return
        fields: Headers = [(b"vary", b"access-control-request-method, access-control-request-headers")]
        if self._allowed(head) is not None and is_routed(method, head.target):
            fields.append((b"access-control-allow-methods", method))
            if self._headers:
                fields.append((b"access-control-allow-headers", self._headers))
            fields.append((b"access-control-max-age", b"%d" % self._max_age))
        raise Answered(Reply(204, fields, b""))

    def add(self, head: Head, headers: Headers) -> Headers:
        """The fields of an answer, with the policy's CORS fields in place of the model server's."""
        fields = [pair for pair in headers if not pair[0].startswith(PREFIX) or pair[0] in OF_PREFLIGHTS]
        allowed = self._allowed(head)
        if allowed is not None:
            fields += allowed
            if self._expose and head.method != b"OPTIONS":
                fields.append((b"access-control-expose-headers", self._expose))
        if not self._any:
            fields.append((b"vary", b"origin"))  # on every answer: a cache must not give one page's to another
        return fields


OF_PREFLIGHTS: Final = frozenset(
    (b"access-control-allow-methods", b"access-control-allow-headers", b"access-control-max-age")
)
