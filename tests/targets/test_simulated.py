"""A simulated service at the edge of its budget: concurrency, cancels, failures, crashes, restarts, midnights.

GUARD_WHOLE=1 (`make soak`) simulates 10^6 exchanges, else 20,000.
"""

import os
from random import Random

import pytest

from guard.proxy.values import Closed, Usage
from guard.targets.budgets import Price, Reservation
from tests.targets.stand import Disk, attempt, budget, permit, purse

pytestmark = pytest.mark.source  # stand-ins for permits and messages

EXCHANGES = 1_000_000 if os.environ.get("GUARD_WHOLE") else 20_000
MOST = 400
"""Output tokens that a request may ask for."""


class World:
    """One service, the truth about what its model was paid, and the process that may die at any moment."""

    def __init__(self, seed: int, *, strict: bool) -> None:
        self.draw, self.strict = Random(seed), strict
        self.disk = Disk()
        self.price = Price(1_000, 3, 7)
        self.limit = self.draw.randrange(100_000, 1_000_000)
        self.day, self.now = 20_000, 0.0
        self.paid: dict[int, int] = {}  # by day: what the model server was really paid for
        self.log: list[tuple[int, int]] = []  # (day, amount): every settlement
        self.beyond: dict[int, int] = {}  # by day: the sum of what calls cost more than they had reserved
        self.flying: list[tuple[Reservation, int, int]] = []
        self.refused = self.admitted = self.crashes = 0
        self.begin()

    def begin(self) -> None:
        """Start the process."""
        self.ledger = self.disk.ledger()
        self.purse = purse(self.price, budget(self.ledger, self.limit, strict=self.strict), day=0, most_output=MOST)

    def crash(self) -> None:
        """kill -9: what the process knew is gone, and calls under way were paid for in full."""
        for _hold, day, cost in self.flying:
            self.paid[day] = self.paid.get(day, 0) + cost
        self.flying.clear()
        self.crashes += 1
        self.begin()

    def step(self) -> None:
        """One event."""
        draw = self.draw
        chance = draw.random()
        if chance < 0.55:
            self.ask()
        elif chance < 0.9985 and self.flying:
            self.answer(self.flying.pop(draw.randrange(len(self.flying))))
        elif chance < 0.9990:
            self.crash()
        elif chance < 0.9995 and draw.random() < 0.5:
            self.now += draw.random() * 86400.0
        self.held()

    def ask(self) -> None:
        """A request comes."""
        draw = self.draw
        size, wanted = draw.randrange(1, 2_000), draw.choice((0, 0, 10, 100, MOST))
        hold = self.purse.reserve(permit(b"x" * size, {"max_tokens": wanted} if wanted else {}), self.now)
        if isinstance(hold, Closed):
            self.refused += 1
            return
        self.admitted += 1
        hold.sent = draw.random() < 0.95
        cost = 0
        if hold.sent:
            tokens = draw.randrange(1, (wanted or MOST) + 1)
            cost = self.price.request + draw.randrange(1, size + 1) * self.price.input + tokens * self.price.output
        self.flying.append((hold, self.ledger.window.day, cost))

    def answer(self, flight: tuple[Reservation, int, int]) -> None:
        """A call ends: well, with an error, or because its client left."""
        hold, day, cost = flight
        held, chance = hold.held, self.draw.random()
        if not hold.sent:
            made = attempt(status=0, failed="overloaded")
        elif chance < 0.8:
            outputs = self.draw.randrange(1, max(2, (cost - self.price.request) // self.price.output))
            outputs = min(outputs, hold.outputs if self.strict else outputs)
            inputs = min((cost - self.price.request) // self.price.input, hold.inputs if self.strict else 1 << 30)
            inputs = max(1, min(inputs, (cost - self.price.request - outputs * self.price.output) // self.price.input))
            made = attempt(usage=Usage("chat", inputs, outputs))
            cost = self.price.request + inputs * self.price.input + outputs * self.price.output
        else:  # no usage ever comes: a timeout, a reset, a client that left
            made = attempt(status=0, failed=self.draw.choice(("timeout", "reset", None)))
        hold.settle(made, 0)
        self.paid[day] = self.paid.get(day, 0) + min(cost, made.cost) if self.strict else self.paid.get(day, 0) + made.cost
        self.log.append((day, made.cost))
        self.beyond[day] = self.beyond.get(day, 0) + max(0, made.cost - held)

    def held(self) -> None:
        """The law of every moment."""
        window = self.ledger.window
        most = self.limit + (0 if self.strict else self.beyond.get(window.day, 0))
        assert window.spent + window.held <= most
        assert window.spent + window.held <= self.disk.kept.get("", (0, 0))[1] or not window.spent + window.held
        assert window.held >= 0


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_the_budget_holds(seed: int, strict: bool) -> None:
    world = World(seed, strict=strict)
    for _ in range(EXCHANGES // 4):
        world.step()
    assert world.crashes
    assert world.refused
    assert world.admitted
    for flight in world.flying:
        world.answer(flight)
    world.flying.clear()
    assert world.ledger.window.held == 0
    for day, paid in world.paid.items():
        assert paid <= world.limit + (0 if strict else world.beyond.get(day, 0))


def test_a_replay_of_the_log_gives_the_same_sums() -> None:
    """Without crashes the ledger is exactly the sum of its log: nothing is lost and nothing doubled."""
    world = World(9, strict=True)
    world.limit = 1 << 60
    world.begin()
    seen: dict[int, int] = {}
    for _ in range(5_000):
        world.ask()
        if world.draw.random() < 0.7 and world.flying:
            world.answer(world.flying.pop(0))
        seen[world.ledger.window.day] = world.ledger.window.spent
    for flight in world.flying:
        world.answer(flight)
    seen[world.ledger.window.day] = world.ledger.window.spent
    sums: dict[int, int] = {}
    for day, amount in world.log:
        sums[day] = sums.get(day, 0) + amount
    assert sums == seen
