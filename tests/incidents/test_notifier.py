"""Notices on their way: real sockets, receivers that are well, slow, wrong or gone. No sleeps; pauses are nought."""

import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
import trustme

from guard.control.incidents import notifier
from guard.control.incidents.notifier import CLOSE_WITHIN, MOST, Delivery, Receiver, WebhookNotifier
from guard.events import AlertLost, Event
from tests.incidents.receiver import WITHIN, receiving, saying
from tests.servers.process import until

SECRET = "s3cr3t"


class Office:
    """A notifier, and what it publishes."""

    def __init__(self, pause: Callable[[float], float]) -> None:
        self.events: list[Event] = []
        self.delivered: Counter[tuple[str, str]] = Counter()
        self.lost: Counter[tuple[str, str]] = Counter()
        self.said = threading.Condition()
        self.pauses: list[float] = []
        self.notifier = WebhookNotifier(
            self._publish, self.delivered, self.lost, lambda most: self.pauses.append(most) or pause(most)
        )

    def _publish(self, event: Event) -> None:
        with self.said:
            self.events.append(event)
            self.said.notify_all()

    def given_up(self, count: int = 1) -> list[AlertLost]:
        with self.said:
            assert self.said.wait_for(lambda: len(self.events) >= count, WITHIN), self.events
        return [event for event in self.events if isinstance(event, AlertLost)]

    def put(self, url: str | None, text: str = "x", receiver: Receiver | None = None, tries: int = 5) -> Receiver:
        to = receiver or Receiver(0, "json", lambda: url)
        self.notifier.put(to, Delivery("mode", json.dumps(text).encode(), tries))
        return to


@contextmanager
def office(pause: Callable[[float], float] = lambda _most: 0.0) -> Iterator[Office]:
    made = Office(pause)
    try:
        yield made
    finally:
        made.notifier.close()
        assert not made.notifier._thread.is_alive()
        assert SECRET not in str(made.events)


@pytest.fixture
def at() -> Iterator[Office]:
    with office() as made:
        yield made


def test_in_order_and_counted(at: Office) -> None:
    with receiving() as server:
        to = at.put(f"{server.url}/{SECRET}", "0")
        for number in range(1, 5):
            at.put(None, str(number), to)
        assert server.wait(5) == ["0", "1", "2", "3", "4"]
        path, headers, _ = server.got[0]
        assert path == f"/{SECRET}"
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"].startswith("guard/")
        at.notifier.close()
    assert at.delivered == {("mode", "json"): 5}
    assert at.lost == {}
    assert at.events == []


def test_what_fails_for_now_is_tried_again_with_longer_pauses(at: Office) -> None:
    with receiving() as server:
        server.answers = [(500, {}), (503, {}), (502, {})]
        to = at.put(f"{server.url}/{SECRET}", "first")
        at.put(None, "second", to)
        assert server.wait(5) == ["first", "first", "first", "first", "second"]
    assert at.pauses == [1.0, 2.0, 4.0]


def test_pauses_are_drawn_below_their_bound_and_follow_what_the_receiver_asks() -> None:
    with receiving() as server, office(lambda most: 0.001 * most) as at:
        server.answers = [(429, {"Retry-After": "0"}), (503, {}), (503, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})]
        at.put(server.url)
        server.wait(4)
        assert at.pauses == [2.0, 4.0]


def test_it_is_given_up_after_five_and_the_next_goes_on(at: Office) -> None:
    with receiving() as server:
        server.answers = [(500, {})] * 5
        to = at.put(f"{server.url}/{SECRET}", "lost")
        at.put(None, "kept", to)
        assert server.wait(6) == ["lost"] * 5 + ["kept"]
    assert at.given_up() == [AlertLost(webhook=0, format="json", kind="mode", why="500")]
    assert at.lost == {("alerts", "failed"): 1}


@pytest.mark.parametrize(("status", "headers"), [(400, {}), (404, {}), (301, {"Location": "/other"}), (307, {"Location": "http://127.0.0.1:1/"})])  # fmt: skip
def test_a_refusal_and_a_redirect_are_final(at: Office, status: int, headers: dict[str, str]) -> None:
    with receiving() as server:
        server.answers = [(status, headers)]
        to = at.put(f"{server.url}/{SECRET}", "refused")
        at.put(None, "next", to)
        assert server.wait(2) == ["refused", "next"]
        assert {path for path, _, _ in server.got} == {f"/{SECRET}"}
    assert at.given_up()[0].why == str(status)
    assert at.lost == {("alerts", "refused"): 1}


def test_nobody_there_and_no_url(at: Office) -> None:
    at.put(f"http://127.0.0.1:1/{SECRET}")
    assert at.given_up()[0].why == "ConnectError"
    at.put(None)
    assert at.given_up(2)[1].why == "no_url"
    at.put(f"http://[{SECRET}")
    assert "Error" in at.given_up(3)[2].why or "URL" in at.given_up(3)[2].why
    assert at.lost == {("alerts", "failed"): 2, ("alerts", "no_url"): 1}


def test_a_url_is_looked_up_each_time(at: Office) -> None:
    with receiving() as server:
        urls = ["http://127.0.0.1:1/", server.url]
        at.put(None, "x", Receiver(0, "json", lambda: urls.pop(0)))
        assert server.wait(1) == ["x"]


def hangs(client: Any) -> None:
    while client.recv(65536):  # until the other side leaves
        pass


def drips(client: Any) -> None:
    client.recv(65536)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        client.sendall(b"x")
        threading.Event().wait(0.01)


def lies(client: Any) -> None:
    client.recv(65536)
    client.sendall(b"HTTP/9.9 999 \x00 \r\n\xff\r\n\r\n" + b"y" * 100)


@pytest.mark.parametrize(("script", "why"), [(hangs, "timeout"), (drips, "timeout"), (lies, "RemoteProtocolError")])
def test_receivers_that_hang_drip_or_lie(script: Any, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "WITHIN", 0.2)
    with saying(script) as (url, came), receiving() as other, office() as at:
        at.put(url, tries=2)
        at.put(other.url, "another webhook", Receiver(1, "json", lambda: other.url))
        assert other.wait(1) == ["another webhook"]  # which does not wait for the first
        assert at.given_up()[0].why == why
        assert len(came) == 2
    assert at.lost == {("alerts", "failed"): 1}


def test_a_long_answer_is_not_read(at: Office) -> None:
    sent: list[int] = []

    def floods(client: Any) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            sent.append(client.send(b"z" * 65536))

    with saying(floods) as (url, _):
        at.put(url)
        at.notifier.close()
    assert at.delivered == {("mode", "json"): 1}  # its status was good
    assert sum(sent) < 64 * 1024 * 1024


def test_a_full_queue_drops_its_oldest_and_nobody_waits() -> None:
    with saying(hangs) as (url, came), office() as at:
        to = at.put(url, "under way")
        until(lambda: bool(came), lambda: "nobody came")
        begun = monotonic()
        for number in range(MOST + 10):
            at.put(None, str(number), to)
        assert monotonic() - begun < 5  # hundreds of thousands would fit
        until(lambda: at.lost["alerts", "queue_full"] >= 10, lambda: str(at.lost))
        at.notifier.close()
        assert at.lost == {("alerts", "queue_full"): 10, ("alerts", "shutdown"): MOST + 1}


def test_the_end_waits_a_moment_for_what_is_under_way_and_no_longer() -> None:
    with saying(hangs) as (url, _), receiving() as other, office() as at:
        at.put(url)
        at.put(other.url, "last", Receiver(1, "json", lambda: other.url))
        begun = monotonic()
        at.notifier.close()
        assert monotonic() - begun < 4 * CLOSE_WITHIN
        assert other.bodies() == ["last"]
        at.notifier.close()


def test_webhooks_that_nobody_names_any_more_are_let_go_once_they_are_sent(at: Office) -> None:
    with receiving() as server:
        to = at.put(server.url, "1")
        at.notifier.keep([])
        assert server.wait(1) == ["1"]
        at.put(None, "2", to)
        assert server.wait(2) == ["1", "2"]


def test_tls_is_verified(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with receiving(context) as server:
        with office() as stranger:
            stranger.put(f"{server.url}/{SECRET}", tries=1)
            assert stranger.given_up()[0].why == "ConnectError"
        assert server.got == []
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with office() as known:
            known.put(f"{server.url}/{SECRET}", "hello", tries=1)
            assert server.wait(1) == ["hello"]
