"""The grammar of messages as RFC 9112 has it, line by line, however the bytes are cut. What deviates is refused."""

import re
from typing import Any

import pytest

from tests.proxy.stand import answering, run, standing
from tests.proxy.test_splits import CHUNKED, GOOD, in_loop, verdict

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
HOST = b"\r\nHost: a\r\n"
END = b"\r\n\r\n"
GET = b"GET /p HTTP/1.1\r\nHost: a\r\n\r\n"
LINES: dict[str, tuple[bytes, int]] = {
    "as it is": (b"GET /p HTTP/1.1", 200),
    "an empty line before": (b"\r\nGET /p HTTP/1.1", 200),  # §2.2
    "two empty lines before": (b"\r\n\r\nGET /p HTTP/1.1", 200),
    "a bare LF before": (b"\nGET /p HTTP/1.1", 400),
    "a bare CR before": (b"\rGET /p HTTP/1.1", 400),
    "an empty line and a bare LF before": (b"\r\n\nGET /p HTTP/1.1", 400),
    "a blank before": (b" GET /p HTTP/1.1", 400),
    "two blanks after the method": (b"GET  /p HTTP/1.1", 400),  # §3
    "two blanks before the version": (b"GET /p  HTTP/1.1", 400),
    "a tab after the method": (b"GET\t/p HTTP/1.1", 400),
    "a tab before the version": (b"GET /p\tHTTP/1.1", 400),
    "a blank after the version": (b"GET /p HTTP/1.1 ", 400),
    "a tab after the version": (b"GET /p HTTP/1.1\t", 400),
    "no version": (b"GET /p", 400),
    "no target": (b"GET HTTP/1.1", 400),
    "RTSP/1.0": (b"GET /p RTSP/1.0", 400),  # §2.3
    "RTSP/1.1": (b"GET /p RTSP/1.1", 400),
    "ICE/1.0": (b"SOURCE /p ICE/1.0", 400),
    "a version in lower case": (b"GET /p http/1.1", 400),
    "HTTP/1.2": (b"GET /p HTTP/1.2", 400),
    "HTTP/1.10": (b"GET /p HTTP/1.10", 400),
    "HTTP/01.1": (b"GET /p HTTP/01.1", 400),
    "HTTP/1,1": (b"GET /p HTTP/1,1", 400),
    "HTTP/0.9": (b"GET /p HTTP/0.9", 400),
    "HTTP/2.0": (b"GET /p HTTP/2.0", 400),
    "HTTP/3": (b"GET /p HTTP/3", 400),
    "an unknown method": (b"FOO /p HTTP/1.1", 501),  # RFC 9110 §15.6.2
    "a method in lower case": (b"get /p HTTP/1.1", 501),
    "the beginning of a method": (b"GE /p HTTP/1.1", 501),
    "a longer method": (b"GETS /p HTTP/1.1", 501),
    "a token with a digit": (b"B1 /p HTTP/1.1", 501),
    "no token": (b"(GET) /p HTTP/1.1", 400),
    "a control in the method": (b"G\x01T /p HTTP/1.1", 400),
    "TLS": (b"\x16\x03\x01\x02\x00", 400),
    "WebSocket": (b"GET /p HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket", 501),
    "WebSocket in a list": (b"GET /p HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c, WebSocket", 501),
}
FIELDS: dict[str, tuple[bytes, int]] = {
    "one line": (b"X-A: 1", 200),
    "two lines of a list": (b"Accept: a\r\nAccept: b", 200),
    "two Content-Encoding": (b"Content-Encoding: identity\r\nContent-Encoding: identity", 200),  # a list (RFC 9110 §8.4)
    "folded": (b"X-A: 1\r\n 2", 400),  # §5.2
    "folded with a tab": (b"X-A: 1\r\n\t2", 400),
    "a blank before the colon": (b"X-A : 1", 400),  # §5.1
    "a tab before the colon": (b"X-A\t: 1", 400),
    "no colon": (b"X-A", 400),
    "no name": (b": 1", 400),
    "a name that is no token": (b"X(A): 1", 400),
    "NUL in a value": (b"X-A: \x00", 400),
    "a control in a value": (b"X-A: \x02", 400),
    "DEL in a value": (b"X-A: \x7f", 400),
    "a bare CR in a value": (b"X-A: 1\r2", 400),
    "a bare LF after a value": (b"X-A: 1\nX-B: 2", 400),
    **{
        f"two {name.decode()}": (b"%b: %b\r\n%b: %b" % (name, value, name.lower(), value), 400)
        for name, value in {
            b"Content-Type": b"application/json", b"Authorization": b"Bearer x", b"Host": b"a", b"Content-Length": b"0",
            b"Content-Range": b"bytes 0-1/2", b"Range": b"bytes=0-1", b"Origin": b"http://a", b"Max-Forwards": b"1",
            b"Content-Location": b"/a", b"Referer": b"http://a/", b"If-Range": b'"a"',
            b"Inference-Header-Content-Length": b"2", b"Proxy-Authorization": b"Basic x",
        }.items()
    },
}  # fmt: skip
CHUNKS: dict[str, tuple[bytes, int]] = {
    "an extension": (b"3;a=b\r\nabc\r\n0\r\n\r\n", 200),
    "a quoted extension": (b'3;a="b c"\r\nabc\r\n0\r\n\r\n', 200),
    "a trailer": (b"3\r\nabc\r\n0\r\nX-A: 1\r\n\r\n", 200),
    "no size": (b"\r\nabc\r\n0\r\n\r\n", 400),
    "0x": (b"0x3\r\nabc\r\n0\r\n\r\n", 400),
    "a sign": (b"+3\r\nabc\r\n0\r\n\r\n", 400),
    "a bare LF after the size": (b"3\nabc\r\n0\r\n\r\n", 400),
    "a bare LF after the data": (b"3\r\nabc\n0\r\n\r\n", 400),
    "more than its size": (b"2\r\nabc\r\n0\r\n\r\n", 400),
    "a trailer with a blank before the colon": (b"3\r\nabc\r\n0\r\nX-A : 1\r\n\r\n", 400),
    "a trailer Content-Length": (b"3\r\nabc\r\n0\r\nContent-Length: 1\r\n\r\n", 400),
}
CHUNKED_HEAD = CHUNKED.partition(b"\r\n\r\n")[0] + END


def statuses(raw: list[bytes]) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", verdict(raw)[0])]


def holds(raw: bytes, expected: list[int]) -> None:
    """However it is cut, and whatever comes before it on its connection."""

    def check() -> None:
        assert statuses([raw]) == expected
        assert statuses([raw[at : at + 1] for at in range(len(raw))]) == expected
        for at in range(1, len(raw)):
            assert statuses([raw[:at], raw[at:]]) == expected, raw[:at]
        for before in (GET, GOOD, CHUNKED):
            assert statuses([before, raw]) == [200, *expected], before
        for before in (GET, GOOD, GET + GET, GOOD + GOOD):
            first = [200] * before.count(b" HTTP/1.1")
            assert statuses([before + raw]) == [*first, *expected], before
            at = len(before) + 2
            assert statuses([(before + raw)[:at], (before + raw)[at:]]) == [*first, *expected], before

    in_loop(check)


@pytest.mark.parametrize("name", LINES)
def test_request_lines(name: str) -> None:
    line, status = LINES[name]
    holds(line + HOST + b"\r\n", [status if status != 200 else 200])


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_a_request(name: str) -> None:
    lines, status = FIELDS[name]
    holds(b"GET /p HTTP/1.1" + HOST + lines + END, [status])


@pytest.mark.parametrize("name", CHUNKS)
def test_chunks_of_a_request(name: str) -> None:
    body, status = CHUNKS[name]
    holds(CHUNKED_HEAD + body, [status])


ANSWERS: dict[str, tuple[bytes, int]] = {
    "as it is": (b"HTTP/1.1 200 OK", 200),
    "HTTP/1.0": (b"HTTP/1.0 200 OK", 200),
    "no reason": (b"HTTP/1.1 200 ", 200),
    "RTSP/1.1": (b"RTSP/1.1 200 OK", 503),
    "RTSP/1.0": (b"RTSP/1.0 200 OK", 503),
    "ICE/1.0": (b"ICE/1.0 200 OK", 503),
    "HTTP/2.0": (b"HTTP/2.0 200 OK", 503),
    "lower case": (b"http/1.1 200 OK", 503),
    "an empty line before": (b"\r\nHTTP/1.1 200 OK", 503),
    "a bare LF before": (b"\nHTTP/1.1 200 OK", 503),
    "two blanks": (b"HTTP/1.1  200 OK", 503),
    "four digits": (b"HTTP/1.1 2000 OK", 503),
    "999": (b"HTTP/1.1 999 OK", 503),
    "RTSP after an interim answer": (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nRTSP/1.0 200 OK", 503),
    "ICE after two interim answers": (b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 102 P\r\n\r\nICE/1.0 200 OK", 503),
    "HTTP after two interim answers": (b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 200 OK", 200),
    "two Content-Type": (b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Type: c/d", 503),
    "two Location": (b"HTTP/1.1 200 OK\r\nLocation: /a\r\nLocation: /b", 503),
    "two Vary": (b"HTTP/1.1 200 OK\r\nVary: a\r\nVary: b", 200),
    "folded": (b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2", 503),
    "a blank before the colon": (b"HTTP/1.1 200 OK\r\nX-A : 1", 503),
    "a control in a value": (b"HTTP/1.1 200 OK\r\nX-A: \x01", 503),
    "a bare LF after a value": (b"HTTP/1.1 200 OK\r\nX-A: 1\nX-B: 2", 503),
}


@LOOPS
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(loop: str, name: str) -> None:
    head, status = ANSWERS[name]
    raw = head + b"\r\nContent-Length: 2\r\n\r\n{}"
    cuts = [0, 3, head.find(b"\r\n\r\n") + 3, head.find(b"\r\n\r\n") + 6, len(raw) - 1]

    async def main() -> None:
        for cut in cuts:

            async def script(reader: Any, writer: Any, cut: int = cut) -> None:
                await answering(raw[:cut])(reader, writer)
                await stand_aside()
                writer.write(raw[cut:])
                await writer.drain()

            async with standing(script) as stand:
                answer = await stand.exchange(b"GET /p HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
                assert int(answer[9:12]) == status, (cut, answer)

    run(main, loop)


async def stand_aside() -> None:
    """Let the other side read what was written."""
    import asyncio

    for _ in range(5):
        await asyncio.sleep(0)


@LOOPS
def test_an_answer_to_head_says_its_length(loop: str) -> None:
    async def main() -> None:
        for buffered in (True, False):
            async with standing(
                answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"), paths={"/p": {"buffered": buffered}}
            ) as stand:
                answer = await stand.exchange(b"HEAD /p HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
                assert answer.lower().count(b"content-length: 1234\r\n") == 1

    run(main, loop)
