"""A compressed body is judged as the one that it holds, whatever the dialect, and a small one never becomes a large one."""

import gzip
import random
import resource
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from backports import zstd

from guard.proxy.codings import FREE, MOST_MEMBERS, MOST_RATIO, MOST_WINDOW, SLICE, STEP, opened
from guard.proxy.values import Refused
from tests.dialects.speaking import JSON, LAYOUTS, PEOPLE, SINGLES, Layout, Single, ask, compiled, forwarded, refused

SKIPPABLE = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
"""A frame that holds nothing (RFC 8878 §3.1.2)."""
CODINGS: list[tuple[bytes, Callable[[bytes], bytes]]] = [
    (b"gzip", gzip.compress), (b"x-gzip", gzip.compress), (b"GZIP", gzip.compress), (b"deflate", zlib.compress),
    (b"zstd", zstd.compress), (b"ZSTD", lambda body: zstd.compress(body[:9]) + SKIPPABLE + zstd.compress(body[9:])),
    (b"zstd", lambda body: zstd.compress(body, options={zstd.CompressionParameter.checksum_flag: 1})),
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
    assert not permit.body.startswith((b"\x1f", b"\x78", b"\x28\xb5"))


@pytest.mark.parametrize("coding", [b"br", b"compress", b"gzip, gzip", b"gzip, br", b"zip"])
def test_another_coding_says_which_are_taken(coding: bytes) -> None:
    for layout in LAYOUTS:
        with pytest.raises(Refused) as caught:
            ask(layout.route, [*layout.headers, (b"content-encoding", coding)], b"x")
        assert caught.value.code == "coding_unsupported"
        assert caught.value.headers == [(b"accept-encoding", b"gzip, deflate, zstd")]


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(b"{}")[:-1], gzip.compress(b"{}") + b"x", zlib.compress(b"{}"), gzip.compress(b"{}")[:-4] + b"\0\0\0\0",
     gzip.compress(b"") * (MOST_MEMBERS + 1)],
    ids=["nothing", "text", "cut", "longer", "zlib", "another length", "many members"],
)  # fmt: skip
def test_what_is_not_gzip_as_the_coding_says_is_refused(body: bytes) -> None:
    route = compiled("input: {a: {type: integer}}")
    assert refused(route, [*JSON, (b"content-encoding", b"gzip")], body) == ["coding_malformed"]


WHOLE = zstd.compress(b'{"a": 1}', options={zstd.CompressionParameter.checksum_flag: 1})


@pytest.mark.parametrize(
    "body",
    [b"", b"no zstd at all, but longer than a header", *[WHOLE[:cut] for cut in range(1, len(WHOLE))], WHOLE + b"x", WHOLE + b"\0" * 64,
     WHOLE[:-1] + bytes([WHOLE[-1] ^ 1]), zlib.compress(b"{}"), SKIPPABLE[:-1], zstd.compress(b"") * (MOST_MEMBERS + 1),
     SKIPPABLE * (MOST_MEMBERS + 1), zstd.compress(b"1" * 40, zstd_dict=zstd.ZstdDict(b"1" * 64, is_raw=True))[:-1]],
    ids=repr,
)  # fmt: skip
def test_what_is_not_zstd_as_the_coding_says_is_refused(body: bytes) -> None:
    route = compiled("input: {a: {type: integer}}")
    assert refused(route, [*JSON, (b"content-encoding", b"zstd")], body) == ["coding_malformed"]


def halves(press: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The same in two members or frames."""
    return lambda body: press(body[: len(body) // 2]) * 2


def undeclared(body: bytes) -> bytes:
    """A frame that does not say how much it holds."""
    return zstd.compress(body, options={zstd.CompressionParameter.content_size_flag: 0})


PRESSES = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress, "undeclared": undeclared}


@pytest.mark.parametrize(
    ("coding", "press"),
    [
        (b"zstd" if name == "undeclared" else name.encode(), several)
        for name, press in PRESSES.items()
        for several in (press, halves(press))
    ],
)
def test_a_bomb_is_refused_before_it_is_large(coding: bytes, press: Callable[[bytes], bytes]) -> None:
    bomb = press(b"0" * (1 << 26))
    most = max(FREE, MOST_RATIO * len(bomb))
    if coding == b"deflate" and bomb.count(zlib.compress(b"0" * (1 << 25))) > 1:
        most = 1 << 24  # what follows the first part is no deflate body, and never read
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="coding_ratio"):
            opened(coding, bomb, 1 << 30)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * most + 4 * STEP


def frame(header: bytes) -> bytes:
    """A frame with this descriptor and what follows it, and one empty raw block that is the last."""
    return b"\x28\xb5\x2f\xfd" + header + b"\x01\0\0"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (frame(b"\xe0" + (1 << 40).to_bytes(8, "little")), "body_too_large"),  # a single segment of 1 TiB
        (frame(b"\xc0\x58" + (1 << 40).to_bytes(8, "little")), "body_too_large"),  # a window of 2 MiB for 1 TiB
        (frame(b"\xa0" + (MOST_WINDOW + 1).to_bytes(4, "little")), "coding_window"),
        (frame(b"\x00\x68"), ""),  # 8 MiB
        (frame(b"\x00\x69"), "coding_window"),  # 9 MiB
        (frame(b"\x00\xff"), "coding_window"),  # 3.75 TiB
    ],
)
def test_a_frame_is_refused_by_its_header_before_memory_is_taken(body: bytes, code: str) -> None:
    padded = body + SKIPPABLE[:4] + (1 << 20).to_bytes(4, "little") + bytes(1 << 20)  # the ratio is not what refuses it
    limit, before = 20 << 20, resident()
    if code:
        with pytest.raises(Refused, match=code):
            opened(b"zstd", padded, limit)
    else:
        assert opened(b"zstd", padded, limit) == b""
    assert resident() - before < 12 << 20


def resident() -> int:
    """Bytes, the most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_frame_that_holds_more_than_it_declares_is_broken() -> None:
    whole = zstd.compress(b"a" * 200)
    assert whole[4] & 0x20
    with pytest.raises(Refused, match="coding_malformed"):
        opened(b"zstd", whole[:5] + b"\x64" + whole[6:], 1 << 20)


@pytest.mark.parametrize(
    ("coding", "press"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress), (b"zstd", zstd.compress)]
)
def test_what_comes_out_is_within_max_body(coding: bytes, press: Callable[[bytes], bytes]) -> None:
    for size in (100, STEP - 1, STEP, STEP + 1, 3 * STEP):
        text = random.Random(size).randbytes(size)
        assert opened(coding, press(text), size) == text
        with pytest.raises(Refused, match="body_too_large"):
            opened(coding, press(text), size - 1)


@pytest.mark.parametrize(
    ("coding", "press"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress), (b"zstd", zstd.compress)]
)
def test_whatever_the_sizes_of_slices_and_steps_the_body_is_the_same(
    coding: bytes, press: Callable[[bytes], bytes]
) -> None:
    numbers = random.Random(1)
    for _ in range(20):
        runs = [bytes([numbers.randrange(256)]) * numbers.randrange(1, 2000) for _ in range(numbers.randrange(800))]
        text = b"".join(runs) + numbers.randbytes(numbers.randrange(2 * SLICE))
        assert opened(coding, press(text), 1 << 30) == text


def test_up_to_64_kib_a_short_body_may_hold_anything() -> None:
    for name, press in PRESSES.items():
        coding = b"zstd" if name == "undeclared" else name.encode()
        assert len(opened(coding, press(b"0" * FREE), 1 << 20)) == FREE


def test_no_native_call_reads_or_writes_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []

    class Watched:
        def __init__(self, reader: object) -> None:
            self.reader: zlib._Decompress = reader  # type: ignore[assignment]

        def __getattr__(self, name: str) -> object:
            return getattr(self.reader, name)

        def decompress(self, piece: bytes, most: int) -> bytes:
            calls.append((len(piece), most))
            return self.reader.decompress(piece, most)

    plain, real = random.Random(2).randbytes(1 << 20) + bytes(1 << 20), zlib.decompressobj
    reader = zstd.ZstdDecompressor
    monkeypatch.setattr(zlib, "decompressobj", lambda wbits: Watched(real(wbits)))
    monkeypatch.setattr(zstd, "ZstdDecompressor", lambda options: Watched(reader(options=options)))
    for coding, press in ((b"gzip", gzip.compress), (b"zstd", zstd.compress)):
        calls.clear()
        assert opened(coding, press(plain), 1 << 30) == plain
        assert len(calls) > 8
        assert all(read <= SLICE and written <= STEP for read, written in calls)
