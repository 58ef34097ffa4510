"""The back edge over real sockets, before upstreams that say anything. Each trap of httptools as a client has its name."""

import asyncio
import gc
import re
from types import SimpleNamespace
from typing import Any

import pytest

from guard.proxy.back import MOST_INTERIM, Link
from guard.proxy.pool import Pool
from guard.proxy.values import Allow, Answer, Call, CallOutcome, ForwardedRequest, Head, Outcome
from tests.proxy.scene import Fixed, Tongue
from tests.proxy.stand import OK, answering, post, read_request, run, standing, until
from tests.servers.black_hole import closed_port

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
STREAMED = {"/p": {"collect": 0}}


def head(answer: bytes) -> tuple[int, bytes, bytes]:
    """(status, reason or source, body) of an answer."""
    first, _, body = answer.partition(b"\r\n\r\n")
    status = int(first.split(b" ")[1])
    match = re.search(rb"x-guard-reason: ([^\r]*)", first) or re.search(rb"x-guard-source: ([^\r]*)", first)
    return status, match[1] if match else b"", body


def ask(loop: str, script: Any, raw: bytes | None = None, paths: Any = None, times: int = 1) -> list[bytes]:
    """Send the same request some times, each on its own connection."""
    answers: list[bytes] = []

    async def main() -> None:
        async with standing(script, paths=paths) as stand:
            for _ in range(times):
                answers.append(await stand.exchange(raw or post()))
            await stand.settled()
            assert all(model.breaker.out == 0 for model in stand.models)

    run(main, loop)
    return answers


def then_close(answer: bytes) -> Any:
    async def script(reader: Any, writer: Any) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    return script


@pytest.mark.source
def test_a_connection_that_its_call_left_paused_is_read_for_the_next_one() -> None:
    """A client that does not read pauses the upstream, also with the piece that ends the answer."""

    class Slow:
        def answered(self, link: Link, answer: Answer) -> None:
            link.flow()

        def data(self, link: Link, chunk: bytes) -> None:
            link.pause_reading()

        def done(self, link: Link) -> None: ...

    class Wire:
        reading = True

        def write(self, data: bytes) -> None: ...
        def get_extra_info(self, name: str) -> None: ...
        def get_write_buffer_size(self) -> int:
            return 0

        def is_closing(self) -> bool:
            return False

        def pause_reading(self) -> None:
            self.reading = False

        def resume_reading(self) -> None:
            self.reading = True

    async def main() -> None:
        pool, wire, owner = Pool(host="m", port=1), Wire(), Slow()
        link = Link(pool)
        link.connection_made(wire)  # type: ignore[arg-type]
        pool.links += 1
        asked = Call(SimpleNamespace(opening=b" HTTP/1.1\r\nhost: m\r\n"), Head(b"GET", b"/", []), [], b"", 0, 1e9, None)  # type: ignore[arg-type]
        link.send(owner, asked, 0, 0.0)  # type: ignore[arg-type]
        link.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        link.data_received(b"1\r\nx\r\n0\r\n\r\n")
        assert link.owner is None
        assert wire.reading

    run(main, "asyncio")


@LOOPS
def test_what_the_upstream_sees(loop: str) -> None:
    seen: list[tuple[bytes, bytes]] = []
    raw = post("/p?a=%20b", b"abc", b"X-A: 1", b"x-a: \xff", b"Empty:", b"Cookie: c", b"TE: trailers", b"Keep-Alive: 1", b"X-Guard-Mode: x",
               b"Proxy-Authorization: s", b"Expect: 100-continue", b"Upgrade-Insecure-Requests: 1")  # fmt: skip
    (answer,) = ask(loop, answering(seen=seen), raw)
    assert head(answer.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))[0] == 200
    ((request, body),) = seen
    lines = request.split(b"\r\n")
    assert lines[0] == b"POST /p?a=%20b HTTP/1.1"
    assert lines[1] == b"host: m"
    assert lines[2:-2] == [
        b"x-a: 1",
        b"x-a: \xff",
        b"empty: ",
        b"cookie: c",
        b"upgrade-insecure-requests: 1",
        b"via: 1.1 us",
        b"x-forwarded-for: 127.0.0.1",
        b"x-forwarded-proto: http",
        b"x-forwarded-host: g",
        b"x-guard-request-id: id-1",
        b"content-length: 3",
    ]
    assert body == b"abc"


@LOOPS
def test_connections_are_reused_and_headers_come_back_in_order(loop: str) -> None:
    connections = 0

    async def script(reader: Any, writer: Any) -> None:
        nonlocal connections
        connections += 1
        await answering(*[b"HTTP/1.1 201 Made\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nX-Guard-Source: forged\r\nConnection: x-hop, date\r\n"
                          b"X-Hop: 1\r\nDate: long ago\r\nX-O: \xff\r\nContent-Length: 0\r\n\r\n"] * 3)(reader, writer)  # fmt: skip

    for answer in ask(loop, script, times=3):
        assert answer.startswith(
            b"HTTP/1.1 201 Created\r\nset-cookie: a\r\nset-cookie: b\r\nx-o: \xff\r\ndate: "  # it had none: RFC 9110 §6.6.1
        )
        assert b"x-hop" not in answer
        assert b"forged" not in answer
        assert answer.count(b"\r\ndate: ") == 1
        assert b"long ago" not in answer  # its Date is this hop's alone, so the client gets ours
    assert connections == 1


@LOOPS
def test_an_error_where_a_stream_was_asked_for_is_read_whole(loop: str) -> None:
    """Its dialect reads in the body whose fault it is, and many servers write head and body apart."""
    seen: list[Answer] = []

    async def in_two(reader: Any, writer: Any) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 400 B\r\nContent-Length: 5\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"fault")

    class Reading(Tongue):
        def outcome(self, answer: Answer, asked: ForwardedRequest) -> Outcome:
            seen.append(answer)
            return super().outcome(answer, asked)

    ask(loop, in_two, paths={"/p": {"collect": 0, "dialect": Reading()}})
    assert [(answer.complete, answer.body) for answer in seen] == [(True, b"fault")]


@LOOPS
def test_a_head_reply_completes_at_its_head(loop: str) -> None:
    script = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", OK)
    raw = b"HEAD /p HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"
    first, second = ask(loop, script, raw, times=2)
    assert head(first) == (200, b"model", b"")
    assert head(second)[0] == 200


@LOOPS
@pytest.mark.parametrize("paths", [None, STREAMED])
def test_a_body_that_ends_with_the_connection(loop: str, paths: Any) -> None:
    (answer,) = ask(loop, then_close(b"HTTP/1.1 200 OK\r\n\r\nabc"), paths=paths)
    assert head(answer)[:2] == (200, b"model")
    assert answer.endswith(b"\r\n\r\nabc" if paths is None else b"3\r\nabc\r\n0\r\n\r\n")


@LOOPS
@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_answers_without_a_body(loop: str, status: bytes) -> None:
    (answer,) = ask(loop, answering(b"HTTP/1.1 " + status + b"\r\nETag: x\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"content-length" not in answer
    assert answer.endswith(b"\r\n\r\n")


@LOOPS
def test_interim_answers_are_passed_over(loop: str) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    (answer,) = ask(loop, answering(interim * MOST_INTERIM + OK))
    assert head(answer) == (200, b"model", b"{}")
    assert b"link" not in answer


MALFORMED = {
    "too many interim": b"HTTP/1.1 102 Wait\r\n\r\n" * (MOST_INTERIM + 1) + OK,
    "999": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "600": b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
    "099": b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "control byte": b"HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 0\r\n\r\n",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "no HTTP": b"SSH-2.0-x\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 129 + b"\r\n",
    "headers too large": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 300_000,
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@LOOPS
@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_http_closes_the_rung_and_the_connection(loop: str, name: str) -> None:
    first, second = ask(loop, then_close(MALFORMED[name]), times=2)
    assert head(first) == head(second) == (503, b"malformed", b"malformed")


@LOOPS
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    ],
)
def test_a_truncated_answer_is_no_answer(loop: str, raw: bytes) -> None:
    assert head(ask(loop, then_close(raw))[0]) == (503, b"reset", b"reset")


@LOOPS
@pytest.mark.parametrize("framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
def test_a_truncated_stream_never_gets_a_clean_end(loop: str, framing: bytes) -> None:
    piece = b"3\r\nabc\r\n" if b"chunked" in framing else b"abc"

    async def main() -> None:
        async with standing(then_close(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + piece), paths=STREAMED) as stand:
            reader, writer = await stand.connect()
            writer.write(post())
            try:
                answer = await reader.read()
            except ConnectionError:
                answer = b""
            assert not answer.endswith(b"0\r\n\r\n")
            assert b"content-length: 3\r\n" not in answer
            writer.close()
            await stand.settled()
            assert [record.error for record in stand.records] == ["reset"]

    run(main, loop)


@LOOPS
def test_bytes_after_an_answer_end_the_connection_and_nothing_else(loop: str) -> None:
    connections = 0

    async def script(reader: Any, writer: Any) -> None:
        nonlocal connections
        connections += 1
        await answering(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", OK)(reader, writer)

    for answer in ask(loop, script, times=3):
        assert head(answer) == (200, b"model", b"{}")
    assert connections == 3


@LOOPS
def test_bytes_on_an_idle_connection_end_it(loop: str) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def script(reader: Any, writer: Any) -> None:
            await read_request(reader)
            writer.write(OK)
            await go.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            await writer.drain()
            await reader.read()

        async with standing(script) as stand:
            assert head(await stand.exchange(post()))[0] == 200
            assert stand.pool.idle == 1
            go.set()
            async with asyncio.timeout(5):
                while stand.pool.links:
                    await asyncio.sleep(0.002)
            assert head(await stand.exchange(post())) == (200, b"model", b"{}")

    run(main, loop)


@LOOPS
@pytest.mark.parametrize("repeatable", [True, False])
def test_what_was_read_is_sent_again_once_and_only_where_it_is_repeatable(loop: str, repeatable: bool) -> None:
    served = 0

    async def script(reader: Any, writer: Any) -> None:
        nonlocal served
        for number in range(2):
            await read_request(reader)
            served += 1
            if number == 1:
                return  # as if it had been closed while idle
            writer.write(OK)

    first, second = ask(loop, script, paths={"/p": {"repeatable": repeatable}}, times=2)
    assert head(first) == (200, b"model", b"{}")
    assert head(second) == ((200, b"model", b"{}") if repeatable else (503, b"reset", b"reset"))
    assert served == (3 if repeatable else 2)


@LOOPS
def test_a_fresh_connection_that_breaks_is_not_tried_again(loop: str) -> None:
    served = 0

    async def script(reader: Any, _: Any) -> None:
        nonlocal served
        await read_request(reader)
        served += 1

    assert head(ask(loop, script)[0]) == (503, b"reset", b"reset")
    assert served == 1


@LOOPS
def test_nobody_listens(loop: str) -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            with closed_port() as port:
                stand.pool._port = port
                assert head(await stand.exchange(post())) == (503, b"connect", b"connect")
            assert not stand.pool.dialling

    run(main, loop)


@LOOPS
def test_deadlines_of_the_attempt_and_of_an_idle_stream(loop: str) -> None:
    async def silent(reader: Any, writer: Any) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await reader.read()

    async def trickle(reader: Any, writer: Any) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await asyncio.sleep(0.01)

    for script in (silent, trickle):
        assert head(ask(loop, script, paths={"/p": {"attempt": 0.1}})[0]) == (503, b"timeout", b"timeout")
    answer = ask(loop, silent, paths={"/p": {"collect": 0, "idle": 0.1}})
    assert b"content-length: 9" in answer[0] if answer[0] else True


@LOOPS
def test_the_time_of_an_attempt_begins_when_a_streamed_body_is_whole(loop: str) -> None:
    """A long upload is no slow model server; an upload that stands still is the client's fault."""

    async def whole(reader: Any, writer: Any) -> None:
        await read_request(reader)
        writer.write(OK)

    async def upload(stand: Any, pieces: int) -> bytes:
        reader, writer = await stand.connect()
        writer.write(b"POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20\r\n\r\n")
        for _ in range(pieces):
            writer.write(b"x")
            await asyncio.sleep(0.02)
        answer: bytes = await reader.read()
        writer.close()
        return answer

    async def main() -> None:
        options = {"buffered": False, "attempt": 0.1, "idle": 0.3}
        async with standing(whole, paths={"/p": options}) as stand:
            assert (await upload(stand, 20)).startswith(b"HTTP/1.1 200")
            assert (await upload(stand, 5)).startswith(b"HTTP/1.1 408")
            await stand.settled()
            assert stand.models[0].breaker.counts[CallOutcome.FAILURE] == 0

    run(main, loop)


@LOOPS
def test_slots_queue_and_overflow(loop: str) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def script(reader: Any, writer: Any) -> None:
            while True:
                await read_request(reader)
                await go.wait()
                writer.write(OK)

        async with standing(script, paths={"/p": {"concurrency": 1, "queue": 1, "queue_timeout": 5.0}}) as stand:
            tasks = [asyncio.create_task(stand.exchange(post()))]
            (limiter,) = stand.limiter
            async with asyncio.timeout(5):
                while limiter.held < 1:
                    await asyncio.sleep(0.001)
                tasks.append(asyncio.create_task(stand.exchange(post())))
                while limiter.waiting < 1:
                    await asyncio.sleep(0.001)
            assert head(await stand.exchange(post())) == (503, b"overloaded", b"overloaded")
            go.set()
            assert [head(answer)[:2] for answer in await asyncio.gather(*tasks)] == [(200, b"model")] * 2

    run(main, loop)


@LOOPS
def test_an_answer_larger_than_may_be_judged(loop: str) -> None:
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    paths = {"/p": {"collect": 1000, "output": Fixed(Allow())}}
    assert head(ask(loop, answering(big), paths=paths)[0]) == (503, b"too_large", b"too_large")
    (answer,) = ask(loop, answering(big), paths={"/p": {"collect": 1000}})
    assert head(answer) == (200, b"model", b"x" * 100_000)


@LOOPS
def test_a_truncated_answer_is_a_reset_where_its_end_would_be_the_close(loop: str) -> None:
    async def script(reader: Any, writer: Any) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc")
        await writer.drain()

    async def main() -> None:
        async with standing(script, paths=STREAMED) as stand:
            reader, writer = await stand.connect()
            writer.write(b"GET /p HTTP/1.0\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                while await reader.read(65536):
                    pass
            writer.close()
            assert [record.error for record in stand.records] == ["reset"]

    run(main, loop)


@LOOPS
@pytest.mark.parametrize("excess", [b"abc", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
def test_a_body_after_an_answer_to_head_poisons_nobody(loop: str, excess: bytes) -> None:
    async def script(reader: Any, writer: Any) -> None:
        head, _ = await read_request(reader)
        if head.startswith(b"HEAD"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(excess), excess))
            await read_request(reader)
        writer.write(OK)

    async def main() -> None:
        async with standing(script) as stand:
            assert (await stand.exchange(post().replace(b"POST", b"HEAD"))).startswith(b"HTTP/1.1 200 OK")
            assert (await stand.exchange(post())).endswith(b"\r\n\r\n{}")

    run(main, loop)


@LOOPS
@pytest.mark.parametrize("start", [b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK"])
def test_an_answer_of_another_version_is_malformed(loop: str, start: bytes) -> None:
    (answer,) = ask(loop, answering(start + b"\r\nContent-Length: 2\r\n\r\n{}"))
    assert answer.endswith(b"malformed")


@LOOPS
def test_chunks_from_http_1_0_are_read_and_the_connection_ends(loop: str) -> None:
    connections = 0

    async def script(reader: Any, writer: Any) -> None:
        nonlocal connections
        connections += 1
        answer = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        await answering(answer, answer)(reader, writer)

    for answer in ask(loop, script, times=2):
        assert answer.endswith(b"{}")
    assert connections == 2


@LOOPS
def test_a_connection_that_answered_500_is_not_used_again(loop: str) -> None:
    """Servers such as uvicorn close it without saying so: what is sent on it then is lost."""
    connections = 0

    async def script(reader: Any, writer: Any) -> None:
        nonlocal connections
        connections += 1
        await answering(OK, b"HTTP/1.1 500 Error\r\nContent-Length: 2\r\n\r\n{}", OK)(reader, writer)

    ask(loop, script, times=4)
    assert connections == 2


@LOOPS
def test_one_parser_reads_every_answer_of_a_kept_connection(loop: str) -> None:
    connections = 0
    answers = [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
        OK,
    ]

    async def script(reader: Any, writer: Any) -> None:
        nonlocal connections
        connections += 1
        await answering(*answers)(reader, writer)

    answer = ask(loop, script, times=len(answers))
    assert [answer.partition(b"\r\n\r\n")[2] for answer in answer] == [b"", b"{}", b"{}", b"", b"{}", b"{}"]
    assert [head(answer)[0] for answer in answer] == [204, 200, 200, 304, 200, 200]
    assert connections == 1


@LOOPS
def test_the_version_after_an_interim_answer_is_its_own(loop: str) -> None:
    (answer,) = ask(loop, answering(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
    assert answer.endswith(b"malformed")


def test_a_connection_to_the_upstream_that_is_gone_leaves_no_cycle() -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            gc.collect()
            gc.disable()
            try:
                assert (await stand.exchange(post())).endswith(b"{}")
                await stand.settled()
                assert [get_object for get_object in gc.get_objects() if isinstance(get_object, Link)]
                stand.pool.close()
                await until(lambda: stand.pool.links == 0)
                await asyncio.sleep(0)
                assert not [get_object for get_object in gc.get_objects() if isinstance(get_object, Link)]
            finally:
                gc.enable()

    run(main, "asyncio")
