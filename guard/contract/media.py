"""Media types of request bodies (RFC 9110 §8.3): what is judged as JSON, and what is opaque."""

from collections.abc import Sequence
from functools import lru_cache

from guard.proxy.values import Allow, Deny, Head, Verdict, combined


def is_json(head: Head) -> bool:
    """Whether a body is application/json or +json, in UTF-8 and not compressed; false without a Content-Type."""
    fields = head.fields or combined(head.headers)  # two calls of `get` cost 1,400 instructions more
    kind, coding = fields.get(b"content-type"), fields.get(b"content-encoding")
    if coding is not None and any(part.strip(b" \t").lower() != b"identity" for part in coding.split(b",")):
        return False
    return kind == b"application/json" or (kind is not None and _is_json(kind))  # of two types it is none


@lru_cache(64)  # clients of one service write it in few ways
def _is_json(kind: bytes) -> bool:
    essence, *parameters = (part.strip(b" \t").lower() for part in kind.split(b";"))
    if essence != b"application/json" and not (essence.startswith(b"application/") and essence.endswith(b"+json")):
        return False
    charsets = [parameter.partition(b"=")[2].strip(b' \t"') for parameter in parameters if parameter.startswith(b"charset")]
    return all(charset == b"utf-8" for charset in charsets)


class OpaqueContract:
    """A Judge of bodies that are not read: it checks their media type; the route's `max_body` bounds their size."""

    def __init__(self, types: Sequence[str]) -> None:
        self._types = frozenset(type_.lower().encode() for type_ in types)

    def judge(self, head: Head, body: bytes, wall: float) -> Verdict:  # noqa: ARG002 — a Judge
        """Allow an uncompressed body of a declared media type; deny any other."""
        kinds = [value for name, value in head.headers if name == b"content-type"]
        codings = [value for name, value in head.headers if name == b"content-encoding"]
        if len(kinds) != 1 or any(coding.strip().lower() != b"identity" for coding in codings):
            return Deny("unsupported_media_type")
        essence = kinds[0].partition(b";")[0].strip(b" \t").lower()
        return Allow() if essence in self._types else Deny("unsupported_media_type")


def compile_opaque(types: Sequence[str]) -> OpaqueContract:
    """Compile the contract of a route that takes these media types."""
    return OpaqueContract(types)
