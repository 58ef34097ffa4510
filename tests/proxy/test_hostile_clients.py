"""What hostile clients send, over real sockets, and the bytes that the model server saw of it."""

import asyncio
import re
from typing import Any

import pytest

from guard.policy.routes import RouteTable
from guard.proxy.listener_state import Limits
from tests.proxy.stand import OK, WITHIN, answering, read_request, run, standing
from tests.proxy.test_splits import CHUNKED, CORPUS, GOOD, LIMITS
from tests.within import within

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
LONG = b"x" * 70_000
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def host(value: bytes) -> bytes:
    return GOOD.replace(b"Host: a", b"Host: " + value)


def with_(*lines: bytes) -> bytes:
    return GOOD.replace(b"Host: a", b"\r\n".join((b"Host: a", *lines)))


def coded(value: bytes) -> bytes:
    return CHUNKED.replace(b"Transfer-Encoding: chunked", value)


REFUSED: dict[str, bytes] = {
    **{f"host {value!r}": host(value) for value in (b"", b"u:p@h", b"a/b", b"a/public?", b"a,b", b"[::1", b"a b", b"a:x", b"\xff")},
    "an underscore": with_(b"X_Admin: 1"),
    **{f"length {value!r}": GOOD.replace(b"Length: 3", b"Length: " + value)
       for value in (b"+3", b"0x3", b"1_0", b"3, 3", b"", b"-3", b"18446744073709551619", b"3\r\nContent-Length: 3")},
    **{f"coding {value!r}": coded(value) for value in (
        b"Transfer-Encoding: xchunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"Transfer-Encoding:\x00chunked")},
    "a long chunk extension": CHUNKED.replace(b"2;x=y", b"2;x=" + LONG),
    "many chunks of nothing much": CHUNKED.replace(b"3\r\nabc\r\n", b"1\r\na\r\n" * 20_000),
    "a long head": with_(b"X: " + LONG),
    "a long target": GOOD.replace(b"/p", b"/p?" + LONG),
    "a long name": with_(LONG + b": 1"),
    "many headers": with_(*[b"X: 1"] * 300),
    "an expectation nobody knows, hidden behind another": with_(b"Expect: tea", b"Expect: 100-continue"),
    "another authority": GOOD.replace(b"/p", b"http://b/p"),
    "a length behind the chunks": CHUNKED[:-2] + b"Content-Length: 99\r\n\r\n",
}  # fmt: skip


@LOOPS
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_never_seen_upstream(loop: str, name: str) -> None:
    async def main() -> None:
        seen: list[bytes] = []

        async def upstream(reader: Any, _: Any) -> None:
            seen.append(await reader.read(1))

        async with standing(upstream) as stand:
            answer = await stand.exchange(REFUSED[name])
            assert [int(status) for status in STATUS.findall(answer)][:1] in ([400], [414], [431]), answer
            assert b"connection: close" in answer
            assert seen == []
            assert stand.listener.budget.used == 0

    run(main, loop)


@LOOPS
def test_the_corpus_over_sockets_and_what_the_model_server_saw(loop: str) -> None:
    """As many requests reach it as were answered 200; each is one plain request with one Host and one framing."""

    async def main() -> None:
        seen: list[tuple[bytes, bytes]] = []
        limits = Limits(headers=LIMITS.headers, header_bytes=LIMITS.header_bytes, target=LIMITS.target)
        async with standing(answering(seen=seen), limits=limits, paths={"/p": {"max_body": 100}}) as stand:
            for name, (raw, statuses) in CORPUS.items():
                seen.clear()
                reader, writer = await stand.connect()
                writer.write(raw)
                answer = b""
                while len(STATUS.findall(answer.replace(b" 100 Continue", b""))) < len(statuses):
                    part = await within(reader.read(65536), WITHIN)
                    if not part:
                        break
                    answer += part
                writer.close()
                got = [int(status) for status in STATUS.findall(answer) if status != b"100"]
                assert got == statuses, name
                assert len(seen) == statuses.count(200), name
                for head, body in seen:
                    lines = head.lower().split(b"\r\n")
                    assert lines[0].split(b" ")[0] in (b"post", b"head"), name
                    assert sum(line.startswith(b"host:") for line in lines) == 1, name
                    assert not [
                        line for line in lines if line.startswith((b"upgrade:", b"te:", b"expect:", b"transfer-encoding:"))
                    ]
                    assert body in (b"", b"abc", b"def", b"abcde"), name

    run(main, loop)


@LOOPS
def test_trailers_reach_nobody(loop: str) -> None:
    async def main() -> None:
        seen: list[tuple[bytes, bytes]] = []
        trailers = b"Host: evil\r\nAuthorization: evil\r\nX-Forwarded-For: evil\r\n"
        async with standing(answering(seen=seen)) as stand:
            for cut in (0, 3, len(trailers)):
                reader, writer = await stand.connect()
                raw = CHUNKED[:-2].replace(b"Host: a", b"Host: a\r\nConnection: close") + trailers
                writer.write(raw[: len(raw) - cut])
                await asyncio.sleep(0.01)
                writer.write(raw[len(raw) - cut :] + b"\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
                writer.close()
            assert len(seen) == 3
            assert b"evil" not in b"".join(head for head, _ in seen)
            assert {body for _, body in seen} == {b"abcde"}

    run(main, loop)


@LOOPS
def test_garbage_behind_a_running_answer_never_stands_in_it(loop: str) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def upstream(reader: Any, writer: Any) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            await go.wait()
            writer.write(b"3\r\ndef\r\n0\r\n\r\n")
            await writer.drain()

        async with standing(upstream, paths={"/p": {"collect": 0}}) as stand:
            reader, writer = await stand.connect()
            writer.write(GOOD)
            first = await reader.readuntil(b"abc\r\n")
            writer.write(b"\x00garbage\r\n\r\n")
            await asyncio.sleep(0.01)
            go.set()
            rest = await reader.read()
            assert first.count(b"HTTP/1.1") == 1
            assert rest.startswith(b"3\r\ndef\r\n0\r\n\r\n")
            assert STATUS.findall(rest) in ([], [b"400"])
            writer.close()

    run(main, loop)


@LOOPS
def test_cookies_of_one_client_are_not_anothers(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    async def main() -> None:
        seen: list[tuple[bytes, bytes]] = []
        moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nSet-Cookie: s=1\r\nContent-Length: 0\r\n\r\n"
        async with standing(answering(moved, OK, seen=seen)) as stand:
            first, second = [await stand.exchange(with_(b"Connection: close")) for _ in range(2)]
            assert first.startswith(b"HTTP/1.1 302 ")
            assert b"set-cookie: s=1" in first
            assert second.startswith(b"HTTP/1.1 200 ")
            assert len(seen) == 2
            assert not any(b"cookie" in head.lower() for head, _ in seen)

    run(main, loop)


@pytest.mark.parametrize(
    "target",
    [b"/v1/../admin", b"/v1/%2e%2e/admin", b"/v1%2fadmin", b"/v1\\admin", b"//v1", b"/v1;p", b"/v1%00", b"/v1\xff", b"/v1#f",
     b"*", b"?x", b"", b"http://a/v1", b"/v1/%5cadmin", b"ftp://a/v1", b"/v1/.", b"/v1/%zz"],
)  # fmt: skip
def test_a_path_that_others_may_read_differently_is_refused(target: bytes) -> None:
    from guard.proxy.values import Refused

    table = RouteTable([("POST /v1/*", 1), ("POST /admin", 2), ("POST /v1", 3)])
    with pytest.raises(Refused) as refused:
        table.match(b"POST", target)
    assert refused.value.code == "bad_request"


def test_a_path_without_two_readings_is_matched_as_it_is() -> None:
    table = RouteTable([("POST /v1/*", 1), ("POST /admin", 2)])
    assert table.match(b"POST", b"/v1/a%20b?x=/../%2e%2e") == 1
    assert table.match(b"POST", b"/v1/%252f") == 1
