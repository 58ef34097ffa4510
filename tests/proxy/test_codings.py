"""A compressed body is judged as the one that it holds, whatever the dialect, and a small one never becomes a large one."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from guard.proxy.codings import FREE, MOST_MEMBERS, MOST_RATIO, opened
from guard.proxy.values import Refused, Violation
from tests.dialects.speaking import JSON, LAYOUTS, PEOPLE, SINGLES, Layout, Single, ask, compiled, forwarded, refused

CODINGS: list[tuple[bytes, Callable[[bytes], bytes]]] = [
    (b"gzip", gzip.compress), (b"x-gzip", gzip.compress), (b"GZIP", gzip.compress), (b"deflate", zlib.compress),
    (b"identity, gzip", gzip.compress), (b"gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
]  # fmt: skip
coded = pytest.mark.parametrize(("coding", "press"), CODINGS)


@coded
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_body_of_any_layout_is_judged_and_forwarded_without_its_coding(
    layout: Layout, coding: bytes, press: Callable[[bytes], bytes]
) -> None:
    route, body = layout.route, layout.carry(PEOPLE)
    headers = [*layout.headers, (b"content-encoding", coding)]
    if layout.name == "binary":
        headers = [*headers[:-2], (b"inference-header-content-length", b"%d" % (body.rindex(b"}") + 1)), headers[-1]]
    plain = ask(route, headers[:-1], body)
    permit = ask(route, headers, press(body))
    assert permit.document == plain.document
    assert permit.body == plain.body
    assert b"content-encoding" not in dict(forwarded(permit)[0])


@coded
@pytest.mark.parametrize("single", SINGLES, ids=str)
def test_a_request_of_one_instance_too(single: Single, coding: bytes, press: Callable[[bytes], bytes]) -> None:
    permit = ask(single.route, [*JSON, (b"content-encoding", coding)], press(single.body))
    assert permit.body == ask(single.route, JSON, single.body).body
    assert b"content-encoding" not in dict(forwarded(permit)[0])


@coded
@pytest.mark.parametrize(
    "text",
    [
        "content: [image/png]",
        "input: {a: {type: integer}}\nenforcement: observe",
        "rows: /r\ncolumns: [a]\ninput: {a: {type: integer}}",
    ],
)
def test_opaque_observed_and_positional_bodies_too(text: str, coding: bytes, press: Callable[[bytes], bytes]) -> None:
    body, kind = (b"\x89PNG", b"image/png") if "png" in text else (b'{"a":1,"r":[[1]]}', b"application/json")
    permit = ask(compiled(text), [(b"content-type", kind), (b"content-encoding", coding)], press(body))
    assert b"content-encoding" not in dict(permit.forward)
    assert isinstance(permit.body, bytes)
    assert not permit.body.startswith((b"\x1f", b"\x78"))


@pytest.mark.parametrize("coding", [b"br", b"compress", b"gzip, gzip", b"gzip, br", b"zip"])
def test_another_coding_says_which_are_taken(coding: bytes) -> None:
    for layout in LAYOUTS:
        with pytest.raises(Refused) as caught:
            ask(layout.route, [*layout.headers, (b"content-encoding", coding)], b"x")
        assert caught.value.code == "unsupported_media_type"
        assert caught.value.headers == [(b"accept-encoding", b"gzip, deflate")]


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(b"{}")[:-1], gzip.compress(b"{}") + b"x", zlib.compress(b"{}"), gzip.compress(b"{}")[:-4] + b"\0\0\0\0",
     gzip.compress(b"") * (MOST_MEMBERS + 1)],
    ids=["nothing", "text", "cut", "longer", "zlib", "another length", "many members"],
)  # fmt: skip
def test_what_is_not_what_its_coding_says_is_refused(body: bytes) -> None:
    route = compiled("input: {a: {type: integer}}")
    assert refused(route, [*JSON, (b"content-encoding", b"gzip")], body) == [" format"]


def test_the_violation_names_no_field() -> None:
    with pytest.raises(Refused) as caught:
        opened(b"gzip", b"x", 100)
    assert list(caught.value.violations) == [Violation("", "format")]


@pytest.mark.parametrize(
    "press", [gzip.compress, lambda body: gzip.compress(body[: len(body) // 2]) * 2], ids=["one", "two"]
)
def test_a_bomb_is_refused_before_it_is_large(press: Callable[[bytes], bytes]) -> None:
    bomb = press(b"0" * (1 << 24))
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as caught:
            opened(b"gzip", bomb, 1 << 30)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == "body_too_large"
    assert peak < 3 * MOST_RATIO * len(bomb)


def test_what_comes_out_is_within_max_body() -> None:
    assert opened(b"gzip", gzip.compress(b"a" * 100), 100) == b"a" * 100
    with pytest.raises(Refused, match="body_too_large"):
        opened(b"gzip", gzip.compress(b"a" * 101), 100)


def test_up_to_64_kib_a_short_body_may_hold_anything() -> None:
    assert len(opened(b"gzip", gzip.compress(b"0" * FREE), 1 << 20)) == FREE
