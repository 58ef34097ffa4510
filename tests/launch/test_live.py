"""A running guard that is looked at, and is none: slow, huge, foreign, or telling tales."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from guard.kit.checklist import live, pages
from guard.kit.checklist.live import Live, parse
from guard.policy.loading import load
from tests.launch.test_items import HEAD, ROUTE, items
from tests.threaded import threaded


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None: ...

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    with threaded(made):
        yield f"http://127.0.0.1:{made.server_address[1]}"


def says(body: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


INFO = b'guard_policy_info{guard_service="t",guard_policy_digest="sha256:000000000000"} 1\n'


@pytest.mark.parametrize(
    ("body", "status", "item", "words"),
    [
        (b"<html>", 200, "monitoring.live", "not the metrics page of a guard"), (b"", 200, "monitoring.live", "not the metrics page of a guard"),
        (b"\xff\x00" * 1000, 200, "monitoring.live", "not the metrics page of a guard"), (b"no", 404, "monitoring.live", "answers 404"),
        (b"", 302, "monitoring.live", "answers 302"), (b'{"waiting": ["upstream"]}', 503, "monitoring.live", "answers 503"),
        (INFO, 200, "monitoring.policy", "guard runs sha256:000000000000"),
        (INFO.replace(b'"t"', b'"other"'), 200, "monitoring.policy", "guard serves other, not t"),
        (INFO + b'guard_mode{http_route="/p",guard_mode="rules"} 1\n', 200, "monitoring.state", "/p is lowered to rules"),
        (INFO + b"guard_policy_refused 1\n", 200, "monitoring.state", "refuses"),
        (INFO + b'guard_model_info{guard_model_version="9"} 1\n', 200, "monitoring.model_version", "not on the page"),
        (INFO + b'guard_model_info{guard_model_version="1"} 1\nguard_model_served{guard_target="model",guard_model_version="9"} 1\n', 200,
         "monitoring.model_version", "reports version 9, but the release is 1"),
        (INFO + b'guard_requests_total{guard_source="x' + b"\n", 200, "monitoring.requests", "not on the page"),
    ],
)  # fmt: skip
def test_a_server_that_lies(tmp_path: Path, body: bytes, status: int, item: str, words: str) -> None:
    with server(says(body, status, location="http://127.0.0.1:1/")) as url:
        running = live.read_live(url, None)
    found = items(tmp_path, more="release: {version: 1}\n", running=running)[item]
    assert found.status in ("warn", "fail")
    assert words in found.evidence


def test_a_server_that_is_too_large_or_never_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "WITHIN", 0.4)
    monkeypatch.setattr(pages, "MOST_BYTES", 100_000)
    ended = threading.Event()

    def drips(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not ended.wait(0.05):
            handler.wfile.write(b"# and so on\n")
            handler.wfile.flush()

    def swells(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 10_000)
        except OSError:
            pass

    for answer, why in ((drips, "no complete answer"), (swells, "more than"), (lambda _: ended.wait(5), "Timeout")):
        with server(answer) as url:  # type: ignore[arg-type]
            running = live.read_live(url, None)
        if answer is drips:
            ended.set()
            ended = threading.Event()
        assert why in running.trouble, running
        assert items(tmp_path, running=running)["monitoring.live"].status == "fail"
    ended.set()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert "ConnectError" in live.read_live(f"http://127.0.0.1:{bound.getsockname()[1]}", None).trouble
    assert live.read_live("http://[", None).trouble


def test_lines_that_are_none_are_left_out_in_linear_time() -> None:
    page = (
        b"a" * 1_000_000
        + b"\n"
        + b'x{a="'
        + b"b" * 1_000_000
        + b"\n"
        + b"y{"
        + b"a}" * 500_000
        + b" 1\n"
        + b"z nan\nw 1e999\nv x\n"
    )
    parsed = parse(page + b'k{a="q\\"\\\\\\n",b=""} 2 1700000000\n')
    assert [item.labels for item in parsed["k"]] == [{"a": 'q"\\\n', "b": ""}]
    assert set(parsed) == {"y", "z", "w", "k"}


def test_an_admin_api_that_lies_is_not_repeated_as_a_thing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + ROUTE)
    digest = load(path, environ={}).digest
    metrics = parse(INFO.replace(b"sha256:000000000000", digest[:19].encode()))
    for back, fix in (("rm -rf ~", "`guard status` says why and how to go back"), ("guard restore --reason '…'", "`guard restore --reason '…'`"), ([], "")):  # fmt: skip
        status = {"back": back, "policy": {"digest": digest}, "durable": True}
        found = items(tmp_path, running=Live("u", ready=True, waiting="", metrics=metrics, status=status))
        assert found["monitoring.state"].fix == fix
    status = {"back": None, "policy": {"digest": "sha256:other"}, "durable": False}
    found = items(tmp_path, running=Live("u", ready=True, waiting="", metrics=metrics, status=status))
    assert "different policies" in found["monitoring.policy"].evidence
    assert "cannot write its state folder" in found["monitoring.state"].evidence
