"""The driver under random interleavings: whatever comes whenever, each exchange ends once, has one record, and gives
everything back."""

import random
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.ladder.limits import ConcurrencyLimiter
from guard.ladder.model import Model
from guard.proxy import driver
from guard.proxy.budget import Budget
from guard.proxy.deadlines import NAMES
from guard.proxy.driver import Exchange
from guard.proxy.interfaces import UNKNOWN
from guard.proxy.tracing import Untraced
from guard.proxy.values import STREAM, Answer, Call, Head, Headers, Record, Reply, Route
from tests.proxy.scene import Local, Off, Tickets, Tongue, rules, target

pytestmark = pytest.mark.source


class Clockwork:
    """A timer that only a test lets expire."""

    def __init__(self) -> None:
        self.due = [inf] * len(NAMES)
        self.late = False

    def set(self, purpose: int, due: float) -> None:
        self.due[purpose] = due


class FakeClient:
    """A front's connection. Leaves in the middle of a write where the schedule says so."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.timer = Clockwork()
        self.budget = Budget(1 << 20)
        self.paused = False
        self.body_deadline = 1e9
        self.ends: list[str] = []
        self.open = False
        self.sent = 0

    def send_continue(self) -> None:
        assert not self.ends

    def reply(self, exchange: Exchange, reply: Reply) -> None:
        assert not self.open
        self.ends.append(f"reply {reply.status}")

    def open_stream(self, exchange: Exchange, status: int, headers: Headers, length: int) -> None:
        assert not self.ends
        assert not self.open
        self.open = True
        self.world.maybe_trouble()

    def send_chunk(self, chunk: bytes) -> None:
        assert self.open
        assert not self.ends
        self.sent += len(chunk)
        self.world.maybe_trouble()

    def close_stream(self, exchange: Exchange) -> None:
        assert self.open
        self.ends.append("end")

    def abort(self) -> None:
        self.ends.append("abort")

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class FakeLink:
    """A back's connection."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.owner: Exchange | None = None
        self.reused = world.random.random() < 0.5
        self.answer_begun = False
        self.unread = world.random.random() < 0.3
        self.partial = not self.unread and world.random.random() < 0.3
        self.length = UNKNOWN
        self.paused = world.random.random() < 0.2
        self.flowing = False
        self.cancelled = False

    def send(self, owner: Exchange, call: Call, length: int, now: float) -> None:
        assert self.owner is None
        self.owner = owner
        self.world.maybe_trouble()

    def send_body(self, chunk: bytes) -> None:
        assert not self.cancelled

    def end_body(self) -> None:
        assert not self.cancelled

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def flow(self) -> None:
        self.flowing = True

    def cancel(self) -> None:
        self.cancelled = True
        self.owner = None


class FakePool:
    """Gives a link at once, or a dial that the schedule answers."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.dials: list[object] = []

    def take(self, now: float) -> FakeLink | None:
        return self.world.link() if self.world.random.random() < 0.5 else None

    def dial(self, owner: Exchange, timeout: float) -> object:
        dial = object()
        self.dials.append(dial)
        return dial


class World:
    """One exchange and everything that may happen to it, in an order that a seed decides."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.deferred: list[Any] = []
        self.limiter = ConcurrencyLimiter(1, self.random.choice([0, 1]), self.deferred.append)
        self.busy = self.random.random() < 0.4
        if self.busy:
            assert self.limiter.acquire()
        self.pool = FakePool(self)
        self.links: list[FakeLink] = []
        self.records: list[Record] = []
        self.client = FakeClient(self)
        buffered = self.random.random() < 0.6
        collect = self.random.choice([0, 1000])
        self.models = [
            Model(
                target(pool=self.pool, limiter=self.limiter),
                Tickets(),
                collect=collect,
                repeatable=self.random.random() < 0.5,
            )
            for _ in range(2)
        ]
        middle = [rules("no_rule")] if self.random.random() < 0.5 else []
        broken = [Local(None)] if self.random.random() < 0.1 else []  # type: ignore[arg-type]
        self.route = Route(
            template="/p", method="POST", buffered=buffered, max_body=100, collect=collect, request=10.0, enforce=True,
            dialect=Tongue(), judges=(), output=None, ladder=(*self.models, *middle, *broken, Off()),
        )  # fmt: skip
        self.expose_reason, self.sinks = True, (self,)
        length = self.random.choice([0, 10, UNKNOWN])
        self.exchange = Exchange(self.client, Head(b"POST", b"/p", []), "id", length, None)  # type: ignore[arg-type]
        self.exchange.expects = self.random.random() < 0.2
        self.left = False

    tracer = Untraced()

    def match(self, head: Head) -> Route:
        return self.route

    def wall(self, now: float) -> float:
        return now

    def record(self, record: Record) -> None:
        self.records.append(record)

    def sink_crashed(self, sink: object) -> None:
        raise AssertionError

    def link(self) -> FakeLink:
        made = FakeLink(self)
        self.links.append(made)
        return made

    def maybe_trouble(self) -> None:
        """What may happen inside a write."""
        roll = self.random.random()
        if roll < 0.1:
            self.leave()
        elif roll < 0.2:
            self.client.paused = True
        elif roll < 0.25 and self.links:
            self.break_link(self.random.choice(self.links))

    def leave(self) -> None:
        self.left = True
        self.exchange.client_left("client")

    def break_link(self, link: FakeLink) -> None:
        link.owner = None
        self.exchange.failed(link, self.random.choice(["reset", "malformed"]))  # type: ignore[arg-type]

    def events(self) -> list[Any]:
        exchange, choose = self.exchange, self.random.choice
        happenings: list[Any] = [exchange.client_resumed]
        if self.random.random() < 0.1:
            happenings += [self.leave, lambda: exchange.refuse("bad_request")]
        if self.random.random() < 0.2:
            happenings.append(lambda: exchange.expire(exchange._armed))
        if not exchange.body_done:
            happenings += [self.body, self.body, self.body]
        if self.pool.dials:
            happenings += [self.dialled] * 3
        if self.links:
            link = choose(self.links)  # stale ones too
            happenings += [lambda: self.answer(link)] * 4
            happenings += [lambda: self.break_link(link), lambda: exchange.resumed(link)]
        if self.deferred:
            happenings.append(lambda: self.deferred.pop(0)())
        if self.busy:
            happenings.append(self.free)
        return happenings

    def free(self) -> None:
        self.busy = False
        self.limiter.release()

    def body(self) -> None:
        self.exchange.chunks.append(b"12345")
        self.exchange.size += 5
        self.exchange.body_done = self.random.random() < 0.5
        self.exchange.body_progress()

    def dialled(self) -> None:
        dial = self.pool.dials.pop(self.random.randrange(len(self.pool.dials)))
        link = self.link() if self.random.random() < 0.7 else None
        self.exchange.dialled(dial, link, None if link else "connect")  # type: ignore[arg-type]

    def answer(self, link: FakeLink) -> None:
        link.answer_begun = True
        status = self.random.choice([200, 200, 400, 429, 500])
        if link.flowing:
            if self.random.random() < 0.5:
                self.exchange.data(link, b"more")
            elif link.owner is self.exchange:
                link.owner = None
                self.exchange.done(link)
        elif self.random.random() < 0.5:
            link.owner = None
            self.exchange.answered(link, Answer(status, [], b"whole"))
        else:
            self.exchange.answered(link, Answer(status, [], b"part", complete=False))

    def run(self) -> None:
        self.exchange.start(self)  # type: ignore[arg-type]
        for _ in range(60):
            self.random.choice(self.events())()
            if self.client.paused and self.random.random() < 0.5:
                self.client.paused = False
        self.leave()
        while self.deferred:
            self.deferred.pop(0)()
        if self.busy:
            self.free()
        for link in self.links:  # everything stale
            self.exchange.answered(link, Answer(200, [], b""))
            self.exchange.failed(link, "reset")
            self.exchange.done(link)
        self.exchange.expire(self.exchange._armed)
        self.check()

    def check(self) -> None:
        assert len(self.client.ends) == 1, self.client.ends
        assert len(self.records) == 1
        assert self.exchange.ended
        assert set(self.client.timer.due) == {inf}
        assert (self.limiter.held, self.limiter.waiting) == (0, 0)
        assert [model.breaker.out for model in self.models] == [0, 0]
        assert not [link for link in self.links if link.owner is not None]


@given(st.integers(0, 2**32))
def test_any_schedule_ends_once_and_gives_everything_back(seed: int) -> None:
    World(seed).run()


@pytest.mark.parametrize("block", range(10))
def test_many_schedules(block: int) -> None:
    """The same in bulk; a failure names its seed."""
    endings = set()
    for seed in range(block * 300, block * 300 + 300):
        world = World(seed)
        try:
            world.run()
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error
        endings.update(end.split()[0] for end in world.client.ends)
    assert endings == {"reply", "end", "abort"}  # the schedules reach every way to end


def test_a_return_cancels_a_call_whose_answer_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(1)
    call = Call(
        target(pool=world.pool, limiter=ConcurrencyLimiter(1, 0, print)), Head(b"POST", b"/p", []), [], b"", 0, 1e9, None
    )  # type: ignore[arg-type]

    def pipeline(*_: object) -> Any:
        yield call
        yield Reply(500, [], b"")

    monkeypatch.setattr(driver, "handle_request", pipeline)
    world.pool.take = lambda now: world.link()  # type: ignore[method-assign]
    world.maybe_trouble = lambda: None  # type: ignore[method-assign]
    world.exchange.start(world)  # type: ignore[arg-type]
    (link,) = world.links
    world.exchange.answered(link, Answer(200, [], b"", complete=False))  # type: ignore[arg-type]
    assert link.cancelled
    assert call.target.limiter.held == 0  # type: ignore[attr-defined]
    assert world.client.ends == ["reply 500"]


def test_a_reply_after_a_relay_began_is_no_clean_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(1)
    world.maybe_trouble = lambda: None  # type: ignore[method-assign]
    world.pool.take = lambda now: world.link()  # type: ignore[method-assign]
    from guard.proxy.values import Relay

    call = Call(
        target(pool=world.pool, limiter=ConcurrencyLimiter(1, 0, print)), Head(b"POST", b"/p", []), [], STREAM, 0, 1e9, None
    )  # type: ignore[arg-type]

    def pipeline(*_: object) -> Any:
        yield call
        yield Relay(200, [])
        yield Reply(500, [], b"")

    monkeypatch.setattr(driver, "handle_request", pipeline)
    world.exchange.start(world)  # type: ignore[arg-type]
    (link,) = world.links
    world.exchange.answered(link, Answer(200, [], b"x", complete=False))  # type: ignore[arg-type]
    world.exchange.done(link)  # type: ignore[arg-type]
    assert world.client.ends == ["abort"]


def test_a_bug_while_performing_is_a_500_with_a_record() -> None:
    world = World(1)
    world.route.buffered = True
    world.exchange.body_done, world.exchange.length = True, 0

    def broken(now: float) -> Any:
        raise RuntimeError("bug")

    world.pool.take = broken  # type: ignore[method-assign]
    world.busy = False
    world.limiter = world.models[0].target.limiter = ConcurrencyLimiter(1, 0, print)
    world.exchange.start(world)  # type: ignore[arg-type]
    assert world.client.ends == ["reply 500"]
    assert world.limiter.held == 0
    (record,) = world.records
    assert record.error == "RuntimeError"


def test_a_bug_in_the_rescue_itself_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(1)

    def pipeline(*_: object) -> Any:
        raise RuntimeError("bug")
        yield

    monkeypatch.setattr(driver, "handle_request", pipeline)
    with pytest.raises(RuntimeError):
        world.exchange.start(world)  # type: ignore[arg-type]
    assert world.client.ends == ["abort"]
    assert world.exchange.ended
