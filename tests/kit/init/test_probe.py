"""The probe before servers that lie, drip, flood and hang. A server here is a function of its connection."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from guard.kit.init.probe import Probe, Unreachable
from guard.kit.init.server import MOST_ANSWER
from guard.policy.scalars import Origin

Serve = Callable[[socket.socket, threading.Event], None]
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@contextmanager
def server(serve: Serve) -> Iterator[Origin]:
    """Each connection is served by a thread of its own; `over` is set at the end."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(client: socket.socket) -> None:
            with client:
                try:
                    client.recv(65536)
                    serve(client, over)
                except OSError:
                    pass

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(client,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield Origin("http", "127.0.0.1", listener.getsockname()[1])
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def hang(_client: socket.socket, over: threading.Event) -> None:
    over.wait(30)


def drip_head(client: socket.socket, over: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.wait(0.02):
        client.sendall(b"x-a: b\r\n")


def drip_body(client: socket.socket, over: threading.Event) -> None:
    client.sendall(OK + b"transfer-encoding: chunked\r\n\r\n")
    while not over.wait(0.02):
        client.sendall(b"1\r\n \r\n")


def flood(client: socket.socket, over: threading.Event) -> None:
    client.sendall(OK + b"transfer-encoding: chunked\r\n\r\n")
    while not over.is_set():
        client.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def fixed(answer: bytes) -> Serve:
    return lambda client, _over: client.sendall(answer)


@pytest.mark.parametrize("serve", [hang, drip_head, drip_body])
def test_a_server_that_takes_its_time_is_left(serve: Serve) -> None:
    with server(serve) as origin, Probe(origin, total=0.5) as probe:
        answer = probe.get("/v2")
        assert (answer.status, answer.why) == (0, "no answer in time")
        assert probe.get("/other").why == "the time limit ended before this request"
        with pytest.raises(Unreachable):
            probe.ahead(["/a", "/b"])


def test_a_flood_is_cut_at_four_mebibytes() -> None:
    with server(flood) as origin, Probe(origin, total=20) as probe:
        answer = probe.get("/openapi.json")
        assert (answer.status, answer.body, answer.why) == (200, b"", f"more than {MOST_ANSWER >> 20} MiB")
        assert answer.document is None


@pytest.mark.parametrize(
    "answer",
    [
        b"not http at all\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_what_is_no_answer_is_none(answer: bytes) -> None:
    with server(fixed(answer)) as origin, Probe(origin, total=10) as probe:
        answer_read = probe.get("/v2")
        assert answer_read.status == 0
        assert answer_read.why
        with pytest.raises(Unreachable):
            probe.ahead(["/v2"])


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc", 200),
        (OK + b'content-length: 9\r\n\r\n{"a":NaN}', 200),
        (OK + b'content-length: 13\r\n\r\n{"a":1,"a":2}', 200),
        (OK + b"content-length: 2\r\n\r\n\xff\xfe", 200),
        (b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", 302),
        (b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\n{}", 500),
    ],
    ids=["compressed", "nan", "duplicate", "binary", "redirect", "error"],
)
def test_what_is_no_document_is_none_and_nothing_is_followed(answer: bytes, status: int) -> None:
    with server(fixed(answer)) as origin, Probe(origin, total=10) as probe:
        answer_read = probe.get("/v2")
        assert answer_read.status == status
        assert answer_read.document in (None, pytest.approx({"a": float("nan")}, nan_ok=True))


def test_an_answer_is_asked_for_once() -> None:
    results = []

    def count(client: socket.socket, _over: threading.Event) -> None:
        results.append(1)
        client.sendall(OK + b"connection: close\r\ncontent-length: 2\r\n\r\n{}")

    with server(count) as origin, Probe(origin, total=10) as probe:
        probe.ahead(["/v2", "/v2", "/v2"])
        assert probe.get("/v2").document == {}
        assert (len(results), probe.requests) == (1, 1)


def test_nobody_there() -> None:
    with server(hang) as origin:
        pass
    with Probe(origin, total=5) as probe, pytest.raises(Unreachable, match="ConnectError"):
        probe.ahead(["/v2"])


def test_a_unix_socket_is_asked(tmp_path: object) -> None:
    path = f"{tmp_path}/s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(OK + b"content-length: 2\r\n\r\n{}")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with Probe(Origin("unix", "", 0, path), total=10) as probe:
            assert probe.get("/v2").document == {}
        thread.join(10)
