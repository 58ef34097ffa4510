"""Heartbeats: a client of a stream of events hears that it lives, between events, after the first one, and nobody else does."""

from collections.abc import Iterator
from math import inf
from typing import Any

import pytest

from guard.dialects.sse import MOST, Events
from guard.ladder.limits import ConcurrencyLimiter
from guard.policy.errors import PolicyInvalid
from guard.proxy import driver
from guard.proxy.deadlines import HEARTBEAT, IDLE
from guard.proxy.relaying import BEAT
from guard.proxy.values import Answer, Call, Head, Relay, Relayed
from tests.contract.making import route
from tests.proxy.scene import target
from tests.proxy.test_driver import World

pytestmark = pytest.mark.source

EVENT = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'


class Stream:
    """An exchange whose stream a test speaks and whose timer it lets expire."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, heartbeat: float = 15.0) -> None:
        self.chunks: list[bytes] = []
        self.world = world = World(1)
        world.maybe_trouble = lambda: None  # type: ignore[method-assign]
        world.pool.take = lambda now: world.link()  # type: ignore[method-assign]
        world.client.send_chunk = self.chunks.append  # type: ignore[method-assign]
        self.events = Events(lambda _event, _heard: False, lambda code: {"error": code}, "chat", ends=False)
        self.end: Any = None
        call = Call(
            target(pool=world.pool, limiter=ConcurrencyLimiter(1, 0, print)), Head(b"POST", b"/p", []), [], b"", 0, 1e9, None  # type: ignore[arg-type]
        )  # fmt: skip

        def pipeline(*_: object) -> Iterator[Any]:
            yield call
            self.end = yield Relay(200, [], self.events, inf, heartbeat)
            yield driver.DONE

        monkeypatch.setattr(driver, "handle_request", pipeline)
        world.exchange.start(world)  # type: ignore[arg-type]
        (self.link,) = world.links
        world.exchange.answered(self.link, Answer(200, [], b"", complete=False))  # type: ignore[arg-type]

    @property
    def due(self) -> list[float]:
        return self.world.client.timer.due

    def say(self, chunk: bytes) -> None:
        self.world.exchange.data(self.link, chunk)  # type: ignore[arg-type]

    def silence(self) -> list[bytes]:
        """What a client gets when the heartbeat's time has come."""
        before = len(self.chunks)
        self.due[HEARTBEAT] = inf  # as a timer does
        self.world.exchange.expire(HEARTBEAT)
        return self.chunks[before:]


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    return Stream(monkeypatch)


def test_none_before_the_first_event_so_that_silence_can_still_descend(stream: Stream) -> None:
    assert stream.due[HEARTBEAT] == inf
    stream.say(b": ping\n")
    assert stream.due[HEARTBEAT] == inf
    assert stream.silence() == []
    assert not stream.world.client.open


def test_after_the_first_event_they_come_one_after_the_other(stream: Stream) -> None:
    stream.say(EVENT)
    for _ in range(3):
        assert stream.due[HEARTBEAT] < inf
        assert stream.silence() == [BEAT]


def test_each_event_moves_the_next_one_away(stream: Stream) -> None:
    stream.say(EVENT)
    stream.due[HEARTBEAT] = 1.0
    stream.say(EVENT)
    assert stream.due[HEARTBEAT] > 1.0


def test_they_move_no_deadline_of_the_model(stream: Stream) -> None:
    stream.say(EVENT)
    idle = stream.due[IDLE]
    stream.silence()
    assert stream.due[IDLE] == idle
    stream.world.exchange.expire(IDLE)
    assert isinstance(stream.end, Relayed)
    assert stream.end.failed == "timeout"


def test_they_count_as_nothing_of_the_answer(stream: Stream) -> None:
    stream.say(EVENT)
    said = stream.events.parsed
    stream.silence()
    assert stream.events.parsed == said


@pytest.mark.parametrize("half", [b"data: {", b"da", EVENT[:-1], EVENT + b"data: {"])
def test_a_half_event_waits_in_guard_and_a_heartbeat_passes_it(stream: Stream, half: bytes) -> None:
    stream.say(EVENT)
    stream.say(half)
    sent = b"".join(stream.chunks)
    assert sent.endswith(b"\n\n")
    assert stream.silence() == [BEAT]


def test_none_within_an_event_too_long_to_be_held(stream: Stream) -> None:
    stream.say(EVENT)
    stream.say(b"data: " + b"a" * (MOST + 1))
    assert stream.silence() == []
    assert stream.due[HEARTBEAT] < inf
    stream.say(b"\n\n" + EVENT)
    assert stream.silence() == [BEAT]


def test_none_between_cr_and_lf(stream: Stream) -> None:
    stream.say(EVENT[:-2] + b"\r\n\r")
    assert stream.silence() == []
    stream.say(b"\n")
    assert stream.silence() == [BEAT]


def test_none_while_the_client_does_not_read(stream: Stream) -> None:
    stream.say(EVENT)
    stream.world.client.paused = True
    assert stream.silence() == []
    stream.world.client.paused = False
    assert stream.silence() == [BEAT]


def test_none_after_the_end(stream: Stream) -> None:
    stream.say(EVENT)
    stream.world.exchange.done(stream.link)  # type: ignore[arg-type]
    assert stream.world.client.ends == ["end"]
    assert stream.due[HEARTBEAT] == inf
    assert stream.silence() == []


def test_off_unless_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(monkeypatch, heartbeat=0.0)
    stream.say(EVENT)
    assert stream.due[HEARTBEAT] == inf


@pytest.mark.parametrize("dialect", ["openai", "oip", "tei"])
def test_a_policy_declares_them_where_guard_reads_streams_of_events(dialect: str) -> None:
    assert route(f"dialect: {dialect}\nheartbeat: 15s").heartbeat == 15.0
    assert route(f"dialect: {dialect}").heartbeat is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("dialect: json\nheartbeat: 15s", "guard reads no streams of events in json"),
        ("dialect: openai\nheartbeat: 30s", "never comes: a stream is cut off after timeout.idle 30s of silence"),
        ("dialect: openai\nheartbeat: 5s\ntimeout: {idle: 5s}", "never comes"),
        ("dialect: openai\nheartbeat: 10ms", "a comment every 10ms is traffic, not a sign of life"),
    ],
)
def test_one_that_could_not_be_sent_is_refused(text: str, why: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        route(text)
    assert why in str(caught.value)
