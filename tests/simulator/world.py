"""The real life, driver, ladder, limits, breakers, cache and modes, on a seeded schedule with a clock of its own.

Nothing sleeps and nothing is random but by the seed: a failure is replayed by its number. What is simulated are the two
edges: clients that come, wait, and leave; and model servers that answer, hang, lie, reset and refuse, in phases.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from math import inf
from random import Random
from typing import Any

from guard.ladder.breaker import Breaker
from guard.ladder.limits import ConcurrencyLimiter
from guard.ladder.mode import MODES, Order, Orders
from guard.policy.compiled import CompiledPlan
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.runtime import Runtime
from guard.policy.scalars import Origin
from guard.proxy import driver
from guard.proxy.budget import Budget
from guard.proxy.deadlines import NAMES
from guard.proxy.driver import Exchange
from guard.proxy.values import LEVEL, Answer, Call, Head, Headers, Record, Reply, RungLimit
from tests.simulator.speeches import JSON, SPEECHES, Chat, hold_record

HEALTH = ("well", "well", "well", "fails", "refuses", "hangs", "slow", "lies", "resets", "busy", "blames")


class Timer:
    """Calls `expired` once a deadline has passed, unless it was moved."""

    def __init__(self, world: "World", expired: Callable[[int], None]) -> None:
        self.world, self.expired, self.due = world, expired, [inf] * len(NAMES)
        self.late = False

    def set(self, purpose: int, due: float) -> None:
        self.due[purpose] = due
        if due < inf:
            self.world.at(due, lambda: self.fire(purpose))

    def fire(self, purpose: int) -> None:
        if self.due[purpose] <= self.world.now:
            self.due[purpose] = inf
            self.expired(purpose)


class Client:
    """The front's connection of one request."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.timer = Timer(world, lambda purpose: self.exchange.expire(purpose))
        self.budget = Budget(1 << 30)
        self.paused, self.body_deadline = False, inf
        body = world.speech.request(world.random)
        headers = [(b"host", b"g"), *JSON]
        if world.random.random() < 0.05:
            headers.append((b"x-wait", b"%dms" % world.random.randrange(1, 400)))
        head = Head(b"POST", world.speech.path, headers, alone=world.random.random() < 0.03)
        self.exchange = Exchange(self, head, f"id-{number}", len(body), None)  # type: ignore[arg-type]
        self.exchange.chunks, self.exchange.size, self.exchange.body_done = [body], len(body), True
        self.end = ""

    def reply(self, exchange: Exchange, reply: Reply) -> None:
        assert not self.end
        self.end = "reply"
        self.world.answered(self, reply)

    def abort(self) -> None:
        assert not self.end
        self.end = "abort"


class Link:
    """One call on one connection; what becomes of it depends on the health of the server at that moment."""

    reused, answer_begun, paused, partial, length = False, False, False, False, 2

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.owner: Any = None

    def send(self, owner: Any, call: Call, length: int, now: float) -> None:
        world = self.pool.world
        assert LEVEL[call.target.source] >= world.rung_limit.level, "called though operators do not allow it"
        self.owner, self.called_at = owner, world.now
        self.pool.calls += 1
        held = call.target.limiter.held  # type: ignore[attr-defined]
        assert held <= 8, "more calls at once than all limits together"
        health, roll, speech = self.pool.health, world.random.uniform, world.speech
        self.server = server = call.target.source
        body = call.body
        assert isinstance(body, bytes)
        match health:
            case "hangs":
                return
            case "resets":
                world.at(world.now + roll(0, 0.1), self.broken)
            case "slow":
                world.at(world.now + roll(0.2, 0.6), lambda: self.answer(200, *speech.good(server, body)))
            case "fails":
                world.at(world.now + roll(0, 0.05), lambda: self.answer(500, JSON, b"{}"))
            case "lies":
                world.at(
                    world.now + roll(0, 0.05),
                    lambda: self.answer(200, *speech.bad(server, body, world.random)),
                )
            case "busy":
                world.at(world.now + roll(0, 0.05), lambda: self.answer(503, [*JSON, (b"retry-after", b"1")], b"{}"))
            case "blames":
                world.at(world.now + roll(0, 0.05), lambda: self.answer(422, JSON, b"{}"))
            case _:
                world.at(world.now + roll(0, 0.05), lambda: self.answer(200, *speech.good(server, body)))

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        if self.owner is not None:
            owner, self.owner = self.owner, None
            now, named = self.pool.world.now, b"%b-1" % self.server.encode()
            owner.answered(self, Answer(status, headers.copy(), body, True, self.called_at, now, now, named=named))

    def broken(self) -> None:
        if self.owner is not None:
            owner, self.owner = self.owner, None
            owner.failed(self, "reset")

    def cancel(self) -> None:
        self.owner = None


class Pool:
    """Connections to one model server, and how it is."""

    def __init__(self, world: "World") -> None:
        self.world, self.health, self.calls = world, "well", 0

    def take(self, now: float) -> Link | None:
        return Link(self) if self.health != "refuses" and self.world.random.random() < 0.5 else None

    def dial(self, owner: Any, timeout: float) -> object:
        dial = object()
        refused = self.health == "refuses"
        self.world.at(
            self.world.now + self.world.random.uniform(0, 0.02),
            lambda: owner.dialled(dial, None if refused else Link(self), "connect" if refused else None),
        )
        return dial


class World:
    """A service for some virtual minutes."""

    def __init__(self, seed: int) -> None:
        self.random, self.now = Random(seed), 1000.0
        self.speech = SPEECHES[seed % len(SPEECHES)]
        self.heap: list[tuple[float, int, Callable[[], object]]] = []
        self.order = count()
        self.pools: dict[str, Pool] = {}
        self.runtime, self.orders = Runtime(), Orders()
        self.records: Counter[str] = Counter()
        self.bugs: list[str] = []
        self.sources: Counter[str | None] = Counter()
        self.clients: list[Client] = []
        self.plan: CompiledPlan
        self.rung_limit = RungLimit()
        self.every: set[Breaker] = set()
        self.limiter: set[ConcurrencyLimiter] = set()
        self.reload()

    def at(self, when: float, what: Callable[[], object]) -> None:
        heapq.heappush(self.heap, (when, next(self.order), what))

    def reload(self) -> None:
        draft = self.runtime.draft()
        means = CompileContext(pool=self.pool, defer=lambda waiter: self.at(self.now, waiter), sinks=(self,))
        self.plan = compile_plan(self.random.choice(self.speech.policies), means, draft)
        self.runtime.adopt(draft)
        rung_limit = self.runtime.rung_limits.get(self.speech.key)
        assert rung_limit is not None
        self.rung_limit = rung_limit
        self.every |= set(self.runtime.breakers.values())
        self.limiter |= set(self.runtime.limiters.values())
        self.orders.bound(self.rung_limit, self.speech.key)

    def pool(self, origin: Origin, *_: object) -> Pool:
        return self.pools.setdefault(str(origin), Pool(self))

    def record(self, record: Record) -> None:
        self.records[record.request_id] += 1
        if record.code == "internal":  # an assertion of a fake edge ends as one too
            self.bugs.append(record.error)
        self.sources[record.source] += 1
        try:
            hold_record(record, streams=isinstance(self.speech, Chat))
        except AssertionError as broken:  # a sink's crash is counted and never affects an answer, so it is kept here
            self.bugs.append(f"{record.request_id}: {broken!r}")

    def answered(self, client: Client, reply: Reply) -> None:
        """The invariants of every answer."""
        headers = dict(reply.headers)
        source = headers.get(b"x-guard-source", b"").decode()
        if source:
            assert LEVEL[source] >= self.rung_limit.level, f"{source} answered after operators had ordered {self.orders}"  # type: ignore[index]
        if reply.status == 200:
            self.speech.hold(reply, source)
        if client.exchange.head.alone and source:
            assert source in ("model", "disabled")

    # ── what happens ──────────────────────────────────────────────────────────────────────────────────────────────

    def arrive(self) -> None:
        client = Client(self, len(self.clients))
        self.clients.append(client)
        if self.random.random() < 0.08:
            self.at(self.now + self.random.uniform(0, 0.5), lambda: client.end or client.exchange.client_left("client"))
        client.exchange.start(self.plan)

    def fall_ill(self) -> None:
        self.random.choice(list(self.pools.values())).health = self.random.choice(HEALTH)

    def decide(self) -> None:
        """An operator: lowered for a while, then back."""
        mode = self.random.choice(MODES[1:])
        route = self.random.choice([None, self.speech.key])
        self.orders = self.orders.decided(route, Order(mode))
        self.orders.bound(self.rung_limit, self.speech.key)

        def back() -> None:
            self.orders = self.orders.decided(route, Order("normal"))
            self.orders.bound(self.rung_limit, self.speech.key)

        self.at(self.now + self.random.uniform(0.1, 2.0), back)

    def run(self, exchanges: int) -> None:
        rate = self.random.choice([20.0, 60.0, 200.0])
        when = self.now
        for number in range(exchanges):
            when += self.random.expovariate(rate)
            self.at(when, self.arrive)
            if number % 25 == 0:
                self.at(when, self.fall_ill)
            if number % 60 == 30:
                self.at(when, self.decide)
            if number % 150 == 75:
                self.at(when, self.reload)
        self.drain()
        self.settle_down()
        self.check()

    def drain(self) -> None:
        while self.heap:
            when, _, what = heapq.heappop(self.heap)
            self.now = max(self.now, when)
            what()

    def settle_down(self) -> None:
        """Liveness: whatever happened, a healthy model answers again within bounded time."""
        for pool in self.pools.values():
            pool.health = "well"
        self.orders = Orders()
        self.orders.bound(self.rung_limit, self.speech.key)
        for _ in range(200):
            self.now += 0.5
            self.arrive()
            self.drain()
        before = self.sources["model"]
        for _ in range(20):
            self.now += 0.1
            self.arrive()
            self.drain()
        assert self.sources["model"] - before > 10, "a healthy model is not asked any more"

    def check(self) -> None:
        assert all(client.end for client in self.clients)
        assert not self.bugs, self.bugs
        assert set(self.records.values()) == {1}
        assert len(self.records) == len(self.clients)
        assert [breaker.out for breaker in self.every if breaker.out] == []
        assert [limiter for limiter in self.limiter if limiter.held or limiter.waiting] == []


@contextmanager
def clock(world: World) -> Iterator[None]:
    """The driver reads this world's clock."""
    before = driver.monotonic
    driver.monotonic = lambda: world.now  # type: ignore[assignment]
    try:
        yield
    finally:
        driver.monotonic = before


def simulate(seed: int, exchanges: int = 300) -> World:
    """One world, from its seed to its end. Raises AssertionError where an invariant does not hold."""
    random.seed(seed)  # the breakers' jitter
    world = World(seed)
    with clock(world):
        world.run(exchanges)
    return world
