"""Budgets of calls: reserve before a call, settle after it.

A `Purse` belongs to one target of one route. It has the target's price and every budget that its calls count in: the
route's own and the service's. It reserves in all of them or in none. The `Reservation` that it hands out goes with the
call, and the pipeline settles it exactly once, however the call ended.

reserved   price of a request + estimated input × price + min(the request's limit, 99 % of answers) × price;
           `strict`: the most that the call can cost
settled    nothing if no byte was sent; else by the tokens that the model server counted; else by those that were streamed;
           else what was reserved
"""

from collections.abc import Mapping
from math import ceil
from typing import Final, NamedTuple, Protocol

from guard.events import BudgetReached, Publish
from guard.proxy.values import Attempt, Closed, Permit, StreamParser
from guard.targets.estimates import BYTES_PER_TOKEN, TEMPLATE, Estimates
from guard.targets.ledger import DAY, PICO, Ledger, Window
from guard.targets.metered import Metered

EXTENSION: Final = 256
"""Tokens that a stream reserves at once beyond what is reserved for it."""
LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens")
"""Members of a request that limit its output tokens."""
CHOICES: Final = ("n", "best_of")
LONGEST: Final = 16
"""Characters of a number that is written as text."""
UNAVAILABLE: Final = 503
"""The status of a model server that did not begin to answer."""
MOST: Final = 1 << 40
"""Tokens that no request can ask for."""


class Clock(Protocol):
    """The offset of wall-clock time from the monotonic clock, in seconds."""

    offset: float


class Price(NamedTuple):
    """Prices of the calls to one target, in `PICO`."""

    request: int
    input: int = 0
    output: int = 0

    @property
    def by_token(self) -> bool:
        """Whether tokens are paid for."""
        return self.input > 0 or self.output > 0


class Budget:
    """A limit of a day, and what happens at its shares. Made anew with every plan; its ledger outlives it."""

    def __init__(
        self, ledger: Ledger, limit: int, shares: tuple[float, ...], on_spent: str, *, strict: bool, publish: Publish
    ) -> None:
        """`shares`: in ascending order, the last is 1. `on_spent`: alert, next or deny."""
        self.ledger = ledger
        self.limit = limit
        self.shares = shares
        self.on_spent = on_spent
        self.acts = on_spent != "alert"
        self.strict = strict
        self._publish = publish

    def __repr__(self) -> str:
        return f"<Budget {self.ledger!r} of {self.limit / PICO:g}, {self.on_spent}>"

    def share(self, day: int) -> float:
        """The spent share of the day's budget, 0 or more; what is held does not count."""
        return self.ledger.at(day).spent / self.limit if self.limit else 0.0

    def announce(self, window: Window) -> None:
        """Publish each share that is reached, once a day."""
        limit = self.limit
        if not limit or window.told >= len(self.shares) or window is not self.ledger.window:
            return
        while window.told < len(self.shares) and window.spent >= self.shares[window.told] * limit:
            alert_at = self.shares[window.told]
            window.told += 1
            self._announce(window, alert_at)
            self._keep(window)

    def refused(self, window: Window) -> None:
        """Announce that the budget is spent, if what is left is less than any call of the day has reserved."""
        if window.held or window.told >= len(self.shares) or window is not self.ledger.window:
            return
        if self.limit - window.spent < window.least:
            window.told = len(self.shares)
            self._announce(window, 1.0)
            self._keep(window)

    def _keep(self, window: Window) -> None:
        """Keep over a restart what was announced."""
        store = self.ledger.store
        if store is not None:
            store.lease(self.ledger, window, max(window.granted, window.asked) if self.acts else window.spent)

    def _announce(self, window: Window, alert_at: float) -> None:
        self._publish(
            BudgetReached(
                route=self.ledger.name or None,
                share=round(window.spent / self.limit, 4) if self.limit else 1.0,
                alert_at=alert_at,
                daily=self.limit / PICO,
                currency=self.ledger.currency,
                on_spent=self.on_spent,
            )
        )


class Purse:
    """The price and the budgets of the calls to one target of a route."""

    def __init__(
        self, price: Price, budgets: tuple[Budget, ...], estimates: Estimates, clock: Clock, *, most_output: int = 0
    ) -> None:
        """`most_output`: output tokens of an answer whose request has no limit; 0: unknown."""
        self.price = price
        self.budgets = budgets
        self.estimates = estimates
        self.strict = any(budget.strict for budget in budgets)
        self.clock = clock
        self._most_output = most_output

    def day(self, now: float) -> int:
        """The day at monotonic `now`, counted from the epoch, UTC."""
        return int((now + self.clock.offset) // DAY)

    def reserve(self, permit: Permit, now: float) -> "Reservation | Closed":
        """Reserve what a call may cost in every budget, or the reason that one has not enough left."""
        size = len(permit.body) if isinstance(permit.body, bytes) else 0
        outputs = self._outputs(permit) if self.price.output else 0
        reservation = Reservation(self, size, outputs, self.day(now), permit.streamed)
        refused = reservation.add(self.worth(reservation.inputs, outputs))
        if refused is None:
            return reservation
        left = DAY - (now + self.clock.offset) % DAY
        window = refused.ledger.window
        refused.refused(window)
        return Closed("budget", float(ceil(left)) if not window.held else 1.0, refused.on_spent == "deny")

    def worth(self, inputs: int, outputs: int) -> int:
        """The price of one request with that many tokens."""
        price = self.price
        return price.request + inputs * price.input + outputs * price.output

    def _outputs(self, permit: Permit) -> int:
        """Output tokens to reserve."""
        limit, choices, prompts = 0, 1, 1
        message = permit.message
        if message is not None:
            for members in (message.document, message.beside):
                if isinstance(members, Mapping):
                    for name in LIMITS:
                        limit = max(limit, _count(members.get(name)))
                    for name in CHOICES:
                        choices = max(choices, _count(members.get(name)))
                    prompts = max(prompts, _prompts(members.get("prompt")))
        most = self._most_output
        if most and (limit == 0 or limit > most):
            limit = most
        tokens = limit if self.strict and limit else self.estimates.output_tokens(limit)
        return tokens * choices * prompts


def _count(value: object) -> int:
    """A number that a request names, also as text, which some servers read; 0 for anything else."""
    if isinstance(value, str) and len(value) < LONGEST:
        try:
            value = float(value)
        except ValueError:
            return 0
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 < value < MOST else 0


def _prompts(value: object) -> int:
    """The number of prompts of a request: a list of numbers is one."""
    if not isinstance(value, list | tuple) or not value:
        return 1
    return 1 if type(value[0]) is int else len(value)


class Reservation:
    """A Hold: what one call holds in its budgets."""

    def __init__(self, purse: Purse, size: int, outputs: int, day: int, streams: bool) -> None:  # noqa: FBT001
        self._streams = streams  # the client asked for a stream
        self.sent = False
        self.over = False
        self.by_output = purse.price.output > 0  # output tokens are paid for
        self.outputs = outputs  # tokens that are reserved
        self.held = 0  # in every budget
        self._purse, self._size = purse, size
        self.inputs = 0
        if purse.price.input:
            self.inputs = size + TEMPLATE if purse.strict else purse.estimates.input_tokens(size)
        self._calls = 1
        self._streamed: Metered | None = None
        self._settled = False
        self._windows = [budget.ledger.at(day) for budget in purse.budgets]

    def __repr__(self) -> str:
        return f"<Reservation of {self.held / PICO:g}>"

    def add(self, amount: int) -> Budget | None:
        """Hold that much more in every budget; the budget that refuses, and then nothing more is held in any."""
        budgets = self._purse.budgets
        for index, budget in enumerate(budgets):
            window = self._windows[index]
            if not budget.acts:
                window.held += amount
            elif not budget.ledger.reserve(window, amount, budget.limit):
                for before in range(index):
                    self._windows[before].held -= amount
                return budget
        self.held += amount
        return None

    def again(self) -> bool:
        """See Hold."""
        if self.add(self._purse.worth(self.inputs, self.outputs)) is not None:
            return False
        self._calls += 1
        return True

    def watch(self, parser: StreamParser) -> StreamParser:
        """See Hold."""
        self._streamed = metered = Metered(parser, self)
        return metered

    def extend(self, tokens: int) -> bool:
        """Reserve for a stream of that many tokens. False: it is over."""
        while tokens > self.outputs:
            more = max(EXTENSION, tokens - self.outputs)
            if self.add(more * self._purse.price.output) is not None:
                self.over = True
                return False
            self.outputs += more
        return True

    def settle(self, attempt: Attempt, size: int) -> None:
        """See Hold."""
        if self._settled:
            return
        self._settled = True
        amount = self._cost(attempt, size)
        attempt.cost = amount
        for index, budget in enumerate(self._purse.budgets):
            window, ledger = self._windows[index], budget.ledger
            ledger.settle(window, self.held, amount)
            if budget.acts and amount > self.held:
                ledger.cover(window, window.spent + window.held, 0, budget.limit)
            budget.announce(window)

    def _cost(self, attempt: Attempt, size: int) -> int:
        """The cost of the call."""
        purse, usage = self._purse, attempt.usage
        price = purse.price
        if not (self.sent or attempt.status):
            return 0
        requests = self._calls * price.request
        if not price.by_token or 400 <= attempt.status < 500 or attempt.status == UNAVAILABLE:
            return requests
        streamed = self._streamed.tokens if self._streamed is not None else 0
        if usage is not None and self._streams:
            streamed = max(streamed, usage.pieces)
        if usage is not None and (usage.input_tokens or usage.output_tokens):
            purse.estimates.learn(self._size, usage.input_tokens, usage.output_tokens)
            outputs = max(usage.output_tokens, streamed if self._calls == 1 else 0)
            repeated = (self._calls - 1) * (self.inputs * price.input + self.outputs * price.output)
            return requests + usage.input_tokens * price.input + outputs * price.output + repeated
        if streamed and not purse.strict:
            return requests + self.inputs * price.input + streamed * price.output
        measured = requests + self.inputs * price.input + int(size / BYTES_PER_TOKEN) * price.output
        return self.held if purse.strict else max(measured, self.held)
