"""The real life, driver, ladder, limits, breakers, cache and modes, on a seeded schedule with a clock of its own.

Nothing sleeps and nothing is random but by the seed: a failure is replayed by its number. What is simulated are the two
edges: clients that come, wait, and leave; and model servers that answer, hang, lie, reset and refuse, in phases.
"""

import heapq
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from guard.ladder.breaker import Breaker
from guard.ladder.limits import Slots
from guard.ladder.mode import MODES, Order, Orders
from guard.policy.compiled import CompiledPlan
from guard.policy.load import load
from guard.policy.plan import Means, compile_plan
from guard.policy.runtime import Runtime
from guard.policy.scalars import Origin
from guard.proxy import driver
from guard.proxy.budget import Budget
from guard.proxy.driver import Exchange
from guard.proxy.values import LEVEL, Answer, Call, Ceiling, Head, Headers, Record, Reply

KEY = "POST /p"
POLICY = """version: guard/v1
service: s
upstream: http://model:1
routes:
  POST /p:
    timeout: {{connect: 300ms, attempt: {attempt}ms, request: 3s}}
    limits: {{concurrency: {concurrency}, queue: 3, queue_timeout: 200ms}}
    deadline_header: x-wait
    input: {{age: {{type: integer, min: 0}}}}
    output: {{label: {{enum: [a, b]}}}}
    fallback:
      - previous: http://previous:1
      - cached: {{max_age: 20s, entries: 20}}
      - rules: [{{when: age < 15, answer: {{label: a}}}}]
    breaker: {{window: 5s, minimum_calls: 6, consecutive_failures: 4, open_for: 500ms, max_open_for: 2s, close_after: 2}}
"""
JSON: Headers = [(b"content-type", b"application/json")]
HEALTH = ("well", "well", "well", "fails", "refuses", "hangs", "slow", "lies", "resets", "busy", "blames")
GOOD = b'{"label":"b"}'


def _plans() -> list[Any]:
    """The policies that a reload may bring, read once."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for attempt, concurrency in ((400, 4), (500, 4), (400, 2)):
            (path := Path(folder) / "p.yaml").write_text(POLICY.format(attempt=attempt, concurrency=concurrency))
            found.append(load(path, environ={}))
    return found


POLICIES = _plans()


class Alarm:
    """Rings once its due time has passed, unless it was moved."""

    def __init__(self, world: "World", ring: Callable[[], None]) -> None:
        self.world, self.ring, self.due = world, ring, inf

    def set(self, due: float) -> None:
        self.due = due
        if due < inf:
            self.world.at(due, self.fire)

    def fire(self) -> None:
        if self.due <= self.world.now:
            self.due = inf
            self.ring()


class Client:
    """The front's connection of one request."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.alarm = Alarm(world, lambda: self.exchange.expire())
        self.budget = Budget(1 << 30)
        self.paused, self.body_deadline = False, inf
        body = b'{"age":%d}' % world.random.randrange(30) if world.random.random() < 0.97 else b'{"age":"x"}'
        headers = [(b"host", b"g"), *JSON]
        if world.random.random() < 0.05:
            headers.append((b"x-wait", b"%dms" % world.random.randrange(1, 400)))
        head = Head(b"POST", b"/p", headers, alone=world.random.random() < 0.03)
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

    reused, heard, paused, length = False, False, False, 2

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.owner: Any = None

    def send(self, owner: Any, call: Call, length: int, now: float) -> None:
        world = self.pool.world
        assert LEVEL[call.target.source] >= world.ceiling.level, "called though operators do not allow it"
        self.owner, self.called_at = owner, world.now
        self.pool.calls += 1
        held = call.target.slots.held  # type: ignore[attr-defined]
        assert held <= 8, "more calls at once than all limits together"
        health, roll = self.pool.health, world.random.uniform
        match health:
            case "hangs":
                return
            case "resets":
                world.at(world.now + roll(0, 0.1), self.broken)
            case "slow":
                world.at(world.now + roll(0.2, 0.6), lambda: self.answer(200, GOOD))
            case "fails":
                world.at(world.now + roll(0, 0.05), lambda: self.answer(500, b"{}"))
            case "lies":
                world.at(
                    world.now + roll(0, 0.05),
                    lambda: self.answer(200, world.random.choice([b'{"label":"z"}', b"{", b"NaN"])),
                )
            case "busy":
                world.at(world.now + roll(0, 0.05), lambda: self.answer(503, b"{}", [(b"retry-after", b"1")]))
            case "blames":
                world.at(world.now + roll(0, 0.05), lambda: self.answer(422, b"{}"))
            case _:
                world.at(world.now + roll(0, 0.05), lambda: self.answer(200, GOOD))

    def answer(self, status: int, body: bytes, headers: Headers | None = None) -> None:
        if self.owner is not None:
            owner, self.owner = self.owner, None
            world = self.pool.world
            owner.answered(
                self, Answer(status, [*JSON, *(headers or [])], body, True, self.called_at, world.now, world.now)
            )

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
        self.heap: list[tuple[float, int, Callable[[], object]]] = []
        self.order = count()
        self.pools: dict[str, Pool] = {}
        self.runtime, self.orders = Runtime(), Orders()
        self.records: Counter[str] = Counter()
        self.bugs: list[str] = []
        self.sources: Counter[str | None] = Counter()
        self.clients: list[Client] = []
        self.plan: CompiledPlan
        self.ceiling = Ceiling()
        self.every: set[Breaker] = set()
        self.slots: set[Slots] = set()
        self.reload()

    def at(self, when: float, what: Callable[[], object]) -> None:
        heapq.heappush(self.heap, (when, next(self.order), what))

    def reload(self) -> None:
        draft = self.runtime.draft()
        means = Means(pool=self.pool, defer=lambda waiter: self.at(self.now, waiter), sinks=(self,))
        self.plan = compile_plan(self.random.choice(POLICIES), means, draft)
        self.runtime.adopt(draft)
        ceiling = self.runtime.ceilings.get(KEY)
        assert ceiling is not None
        self.ceiling = ceiling
        self.every |= set(self.runtime.breakers.values())
        self.slots |= set(self.runtime.limiters.values())
        self.orders.bound(self.ceiling, KEY)

    def pool(self, origin: Origin, *_: object) -> Pool:
        return self.pools.setdefault(str(origin), Pool(self))

    def record(self, record: Record) -> None:
        self.records[record.request_id] += 1
        if record.code == "internal":  # an assertion of a fake edge ends as one too
            self.bugs.append(record.error)
        self.sources[record.source] += 1

    def answered(self, client: Client, reply: Reply) -> None:
        """The invariants of every answer."""
        headers = dict(reply.headers)
        source = headers.get(b"x-guard-source", b"").decode()
        if source:
            assert LEVEL[source] >= self.ceiling.level, f"{source} answered after operators had ordered {self.orders}"  # type: ignore[index]
        if reply.status == 200:
            assert reply.body in (b'{"label":"a"}', GOOD), reply.body
        if client.exchange.head.alone and source:
            assert source in ("model", "disabled")

    # ── what happens ──────────────────────────────────────────────────────────────────────────────────────────────

    def arrive(self) -> None:
        client = Client(self, len(self.clients))
        self.clients.append(client)
        if self.random.random() < 0.08:
            self.at(self.now + self.random.uniform(0, 0.5), lambda: client.end or client.exchange.gone("client"))
        client.exchange.start(self.plan)

    def fall_ill(self) -> None:
        self.random.choice(list(self.pools.values())).health = self.random.choice(HEALTH)

    def decide(self) -> None:
        """An operator: lowered for a while, then back."""
        mode = self.random.choice(MODES[1:])
        route = self.random.choice([None, KEY])
        self.orders = self.orders.decided(route, Order(mode))
        self.orders.bound(self.ceiling, KEY)

        def back() -> None:
            self.orders = self.orders.decided(route, Order("normal"))
            self.orders.bound(self.ceiling, KEY)

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
        self.orders.bound(self.ceiling, KEY)
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
        assert [slots for slots in self.slots if slots.held or slots.waiting] == []


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
