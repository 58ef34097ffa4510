"""Step 1: how the dialect of a route carries instances, and how answers of rungs are read and written in it."""

from collections.abc import Callable
from typing import Any

from guard.contract.json_lines import TYPES, JsonLines
from guard.contract.media import is_json
from guard.contract.strict import audit, dumps, loads
from guard.policy.route import Route
from guard.proxy.values import CodecSpec, Dialect, Headers, RouteCodec


def codec_of(key: str, route: Route, dialect: Dialect, *, metered: bool) -> RouteCodec | None:
    """The codec with which the dialect carries instances on this route; None: the body is the document."""
    return dialect.codec(
        CodecSpec(
            template=key.partition(" ")[2],
            inputs=route.inputs,
            outputs=route.outputs,
            rows=route.rows,
            columns=route.columns,
            undeclared=route.undeclared,
            max_body=route.max_body,
            metered=metered,
            loads=_loads(route.max_elements),
            loads_answer=_loads_answer(route.max_elements),
            dumps=dumps,
            is_json=is_json,
        )
    )


def line_reader(route: Route, dialect: Dialect) -> JsonLines | None:
    """Reads JSON Lines as the batch that the route takes; None where it takes no list of rows in JSON."""
    if route.content is not None or dialect.tensors:
        return None
    if dialect.plain:
        return JsonLines(route.rows, route.max_elements) if route.rows is not None else None
    member = (
        (dialect.request_layout.rows or dialect.request_layout.member)
        if route.columns is not None
        else dialect.request_layout.member
    )
    return JsonLines("/" + member, route.max_elements) if member else None


def media_types(route: Route, dialect: Dialect) -> tuple[str, ...]:
    """Media types of the bodies that the route accepts; for JSON Lines the type that most clients use."""
    if route.content is not None:
        return route.content
    return (
        (*dialect.request_layout.content, *TYPES[:1])
        if line_reader(route, dialect) is not None
        else dialect.request_layout.content
    )


def _loads(elements: int) -> Callable[[bytes, bool], Any]:
    def strictly(body: bytes, nan: bool) -> Any:  # noqa: FBT001 — see CodecSpec
        tree = loads(body, nan, elements)
        audit(tree, body, nan)
        return tree

    return strictly


def _loads_answer(elements: int) -> Callable[[bytes], Any]:
    def leniently(body: bytes) -> Any:
        tree = loads(body, True, elements)
        audit(tree, body)
        return tree

    return leniently


def reader(codec: RouteCodec | None, elements: int) -> Callable[[Headers, bytes], object]:
    """Reads a cached answer."""
    if codec is None:
        return lambda _headers, body: loads(body, elements=elements)
    return lambda headers, body: codec.read_answer(headers, body).document


def writer(codec: RouteCodec | None) -> Callable[[object, object], tuple[bytes, bytes]]:
    """Writes an answer of our own."""
    if codec is None:
        return lambda document, _message: (b"application/json", dumps(document))
    return codec.write_answer
