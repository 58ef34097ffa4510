"""The breaker: each line of the reference by name, and long random lives beside a naive model."""

import random
from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guard.ladder import breaker as module
from guard.ladder.breaker import TRANSITIONS, Breaker, Change, Config, Ticket, Window
from guard.proxy.values import CallOutcome, Closed

SUCCESS, FAILURE, INVALID, BACKOFF, GONE, IGNORED = CallOutcome
EVERY = list(CallOutcome)


def middle() -> float:
    """No jitter."""
    return 0.5


def made(changes: list[Change] | None = None, **keys) -> Breaker:
    return Breaker(Config(**keys), random=middle, changed=None if changes is None else changes.append)


def leave(breaker: Breaker, now: float) -> Ticket:
    ticket = breaker.admit(now)
    assert isinstance(ticket, Ticket), ticket
    return ticket


def refused(breaker: Breaker, now: float) -> tuple[str, float | None]:
    closed = breaker.admit(now)
    assert isinstance(closed, Closed), closed
    return closed.reason, closed.retry_after


def call(breaker: Breaker, outcome: CallOutcome, now: float, times: int = 1, **said) -> None:
    for _ in range(times):
        leave(breaker, now).settle(outcome, now, **said)


def opened(changes: list[Change] | None = None, **keys) -> Breaker:
    breaker = made(changes, consecutive_failures=1, **keys)
    call(breaker, FAILURE, 100.0)
    return breaker


def test_the_table_knows_every_reason_and_names_only_states() -> None:
    whys = {why for row in TRANSITIONS.values() for why in row}
    assert whys == set(module.Why.__args__)
    assert {state for row in TRANSITIONS.values() for state in row.values()} == set(TRANSITIONS)
    assert all({"forced_open", "forced_closed", "released"} <= set(row) for row in TRANSITIONS.values())


def test_cb01_opens_exactly_at_the_minimum_of_calls_with_one_transition() -> None:
    changes: list[Change] = []
    breaker = made(changes, minimum_calls=20, consecutive_failures=1000)
    call(breaker, FAILURE, 1.0, times=19)
    assert (breaker.state, changes) == ("closed", [])
    call(breaker, FAILURE, 2.0)
    assert changes == [Change("closed", "open", "failure_rate", 2.0)]
    assert (breaker.since, breaker.generation) == (2.0, 1)


LETTERS = {"s": SUCCESS, "f": FAILURE, "i": INVALID, "b": BACKOFF, "g": GONE, "x": IGNORED}


@pytest.mark.parametrize(("line", "keys", "outcomes", "state"), [
    ("at the rate", {}, "s" * 10 + "fi" * 4 + "ii", "open"),
    ("below the rate", {}, "s" * 11 + "fi" * 4 + "i", "closed"),
    ("a rate that is not exact in binary", {"failure_rate": 0.3}, "s" * 14 + "i" * 6, "open"),
    ("the call that completes the minimum may be a success", {}, "i" * 10 + "s" * 10, "open"),
    ("consecutive", {"minimum_calls": 99}, "fffff", "open"),
    ("consecutive, one below", {"minimum_calls": 99}, "ffff", "closed"),
    ("consecutive, ended by a success", {"minimum_calls": 99}, "ffffsffff", "closed"),
    ("consecutive, not raised by others", {"minimum_calls": 99}, "ffigGxff", "closed"),
    ("consecutive, not ended by others", {"minimum_calls": 99}, "ffigGxfff", "open"),
    ("a pause is no failure", {"minimum_calls": 1, "consecutive_failures": 1}, "b", "closed"),
    ("gone early counts nowhere", {"minimum_calls": 1}, "g" * 99, "closed"),
    ("gone late is slow", {"minimum_calls": 4}, "GGGG", "open"),
    ("unless nothing is slow", {"minimum_calls": 1, "slow_duration": None}, "G" * 99, "closed"),
    ("our own trouble", {"minimum_calls": 1, "consecutive_failures": 1}, "xX" * 99, "closed"),
    ("slow at the rate, not at the duration", {"minimum_calls": 5}, "sSSSS", "open"),
    ("slow below the rate", {"minimum_calls": 5, "slow_rate": 0.81}, "sSSSS", "closed"),
    ("a slow failure is both", {"minimum_calls": 4, "failure_rate": 1.0}, "SSSF", "open"),
])  # fmt: skip
def test_in_the_window(line: str, keys: dict, outcomes: str, state: str) -> None:
    """Capitals take longer than the slow duration, others exactly as long."""
    breaker = made(**{"slow_duration": 0.5} | keys)
    for index, letter in enumerate(outcomes):
        assert breaker.state == "closed", index
        call(breaker, LETTERS[letter.lower()], 1.0, took=0.75 if letter.isupper() else 0.5)
    assert breaker.state == state


def test_cb03_the_window_follows_a_list_of_every_call_over_many_random_steps() -> None:
    window, calls, now, dice = Window(30.0), deque[tuple[int, int]](), 5e5, random.Random(3)
    for _ in range(100_000):
        now += dice.choice((0.0, 0.25, 0.5, 1.0, 2.75, 0.0, 0.25, 40.0 if dice.random() < 0.01 else 0.25))
        failed = dice.random() < 0.3
        window.roll(now)
        window.calls += 1
        window.failures += failed
        calls.append((int(now / 3.0), failed))
        while calls[0][0] <= int(now / 3.0) - 10:
            calls.popleft()
        assert (window.calls, window.failures) == (len(calls), sum(failed for _, failed in calls))


@pytest.mark.parametrize("places", [1, 3])
def test_cb04_of_a_thousand_at_expiry_only_the_places_pass(places: int) -> None:
    for seed in range(200):
        breaker = Breaker(Config(half_open_calls=places), random=random.Random(seed).random)
        call(breaker, FAILURE, 0.0, times=5)
        reason, wait = refused(breaker, 0.0)
        assert (reason, 8.0 <= wait <= 12.0) == ("breaker_open", True)
        answers = [breaker.admit(wait) for _ in range(1000 if seed < 20 else 10)]
        assert sum(type(answer) is Ticket for answer in answers) == places == breaker.out
        assert {(no.reason, no.retry_after) for no in answers if type(no) is Closed} == {("breaker_open", 1.0)}


@pytest.mark.parametrize("outcome", [IGNORED, GONE])
def test_cb05_07_17_a_probe_that_said_nothing_gives_its_place_back(outcome: CallOutcome) -> None:
    breaker = opened()
    for now in range(110, 160):
        probe = leave(breaker, now)
        assert refused(breaker, now)[0] == "breaker_open"
        probe.settle(outcome, now + 0.5)
        assert (breaker.state, breaker.out) == ("half_open", 0)
    call(breaker, SUCCESS, 170.0, times=3)
    assert breaker.state == "closed"


def test_cb06_a_probe_that_hangs_is_reclaimed_as_a_failure() -> None:
    breaker = opened(lease=30.0)
    hung = leave(breaker, 110.0)
    assert refused(breaker, 139.75) == ("breaker_open", 1.0)
    assert refused(breaker, 140.0) == ("breaker_open", 20.0)
    assert (breaker.state, breaker.since) == ("open", 140.0)
    hung.settle(SUCCESS, 141.0)
    assert (breaker.state, breaker.out, refused(breaker, 141.0)[1]) == ("open", 0, 19.0)


def test_cb08_09_a_call_admitted_when_closed_decides_nothing_later() -> None:
    breaker = made(consecutive_failures=1)
    late = [leave(breaker, 99.0) for _ in range(107)]
    late.pop().settle(FAILURE, 100.0)
    for _ in range(100):
        late.pop().settle(SUCCESS, 105.0)
    assert refused(breaker, 109.75) == ("breaker_open", 0.25)
    leave(breaker, 110.0)
    for outcome in EVERY:
        late.pop().settle(outcome, 111.0, took=1000.0, retry_after=60.0)
    assert (breaker.state, breaker.out, breaker.snapshot(111.0)["passed"]) == ("half_open", 1, 0)


@given(st.lists(st.sampled_from(EVERY), min_size=2, max_size=5))
def test_cb10_only_the_first_settlement_counts(outcomes: list[CallOutcome]) -> None:
    once, often = made(slow_duration=1.0), made(slow_duration=1.0)
    first, again = leave(once, 1.0), leave(often, 1.0)
    first.settle(outcomes[0], 3.0)
    for outcome in outcomes:
        again.settle(outcome, 3.0)
    assert once.snapshot(3.0) == often.snapshot(3.0)
    assert (often.out, again.recheck(9.0)) == (0, "breaker_open")


def test_cb11_only_differences_of_the_given_times_matter() -> None:
    lives = []
    for start in (0.0, 3.0 * 2**30):
        changes: list[Change] = []
        breaker, dice = made(changes, slow_duration=2.0), random.Random(11)
        for step in range(5000):
            ticket = breaker.admit(start + step / 4)
            if isinstance(ticket, Ticket):
                ticket.settle(dice.choice(EVERY), start + step / 4 + dice.randrange(16) / 4)
        lives.append([(change.before, change.after, change.why, change.at - start) for change in changes])
    assert lives[0] == lives[1] != []
    assert not {"time", "asyncio", "logging", "datetime"} & set(vars(module))


@pytest.mark.parametrize(
    ("asked", "wait"), [(None, 0.0), (7.0, 7.0), (9000.0, 120.0), (0.0, 0.0), (-5.0, 0.0), (float("nan"), 0.0)]
)
def test_cb12_a_target_that_asks_for_a_pause_has_it_and_has_not_failed(asked: float | None, wait: float) -> None:
    breaker = made(consecutive_failures=1, minimum_calls=1)
    queued = leave(breaker, 99.0)
    leave(breaker, 99.0).settle(BACKOFF, 100.0, retry_after=asked)
    if wait:
        assert refused(breaker, 100.0) == ("backoff", wait)
    assert queued.recheck(100.25) == ("backoff" if wait else None)
    queued.settle(IGNORED, 100.25)
    assert (breaker.state, breaker.out, breaker.snapshot(100.0)["calls"]) == ("closed", 0, 0)
    leave(breaker, 100.0 + wait)


def test_cb16_slowness_is_what_is_told_else_all_since_the_call_began_without_its_wait_in_the_queue() -> None:
    breaker = made(slow_duration=0.5)
    leave(breaker, 1.0).settle(SUCCESS, 60.0, took=0.25)
    queued = leave(breaker, 70.0)
    assert queued.recheck(80.0) is None
    queued.settle(SUCCESS, 80.5)
    assert breaker.snapshot(80.5)["slow"] == 0
    leave(breaker, 90.0).settle(SUCCESS, 90.75)
    assert breaker.snapshot(91.0)["slow"] == 1


def test_a_queued_call_meets_what_a_new_one_would_and_a_refusal_spends_its_ticket() -> None:
    breaker = made(consecutive_failures=1)
    one, two, three, four = (leave(breaker, 99.0) for _ in range(4))
    call(breaker, FAILURE, 100.0)
    assert one.recheck(100.5) == "breaker_open"
    probe = leave(breaker, 110.0)
    assert two.recheck(110.0) == "breaker_open"
    assert probe.recheck(112.0) is None
    breaker.force("open", 113.0)
    assert (three.recheck(113.0), probe.recheck(113.0)) == ("forced", "forced")
    breaker.force("closed", 114.0)
    assert four.recheck(114.0) is None
    assert breaker.out == 1
    for ticket in (one, two, three, four, probe):
        ticket.settle(FAILURE, 115.0)
    assert (breaker.out, breaker.snapshot(115.0)["failures"]) == (0, 1)


def test_cb18_the_operator_decides_until_it_is_given_back_with_no_memory() -> None:
    changes: list[Change] = []
    breaker = opened(changes)
    breaker.force("closed", 101.0)
    call(breaker, FAILURE, 102.0, times=30)
    call(breaker, BACKOFF, 102.0, times=2)
    breaker.force("closed", 103.0)
    assert (breaker.state, breaker.forced, breaker.snapshot(103.0)["failures"]) == ("closed", "closed", 30)
    breaker.force("open", 104.0)
    assert refused(breaker, 1e6) == ("forced", None)
    breaker.force("auto", 105.0)
    assert [change.why for change in changes[1:]] == ["forced_closed", "forced_open", "released"]
    assert breaker.snapshot(105.0) == made().snapshot(105.0) | {"since": 105.0, "generation": 4}


def test_the_open_time_doubles_up_to_its_bound_and_starts_again_after_a_recovery() -> None:
    breaker, now, waits = made(consecutive_failures=1, max_open_for=50.0), 0.0, []
    for outcome in [FAILURE] * 2000 + [SUCCESS] * 3 + [FAILURE]:
        call(breaker, outcome, now)
        if breaker.state == "open":
            waits.append(refused(breaker, now)[1])
            now += waits[-1]
    assert waits == [10.0, 20.0, 40.0] + [50.0] * 1997 + [10.0]


@pytest.mark.parametrize(("outcome", "took", "why"), [(FAILURE, 0, "probe_failed"), (INVALID, 0, "probe_invalid"), (SUCCESS, 2, "probe_slow"), (GONE, 2, "probe_slow"), (FAILURE, 2, "probe_failed")])  # fmt: skip
def test_one_bad_probe_opens_again(outcome: CallOutcome, took: float, why: str) -> None:
    changes: list[Change] = []
    breaker = opened(changes, slow_duration=1.0)
    call(breaker, SUCCESS, 110.0, times=2)
    call(breaker, outcome, 111.0, took=took)
    assert changes[-1] == Change("half_open", "open", why, 111.0)
    assert refused(breaker, 111.0)[1] == 20.0


def test_cb20_chaos_balances_and_jitter_stays_within_a_fifth() -> None:
    dice, changes, tickets, now = random.Random(20), [], [], 0.0
    breaker = Breaker(Config(max_open_for=10.0), random=dice.random, changed=changes.append)
    for _ in range(100_000):
        now += dice.random()
        if isinstance(ticket := breaker.admit(now), Ticket):
            tickets.append(ticket)
        if tickets and dice.random() < 0.9:
            tickets.pop(dice.randrange(len(tickets))).settle(dice.choice(EVERY), now)
        assert breaker.out == len(tickets)
    waits = [after.at - before.at for before, after in pairwise(changes) if after.why == "wait_over"]
    assert 8.0 <= min(waits) < 9.0 < 11.0 < max(waits) < 14.0


class Naive:
    """The same laws over a list of every outcome since the breaker last closed; tickets are numbers."""

    def __init__(self, config: Config) -> None:
        self.config, self.state, self.forced, self.backoff = config, "closed", "auto", 0.0
        self.calls: list[tuple[int, CallOutcome, bool]] = []
        self.live: dict[int, float] = {}  # tickets of this generation, and when their calls began
        self.open_until, self.openings, self.passed = 0.0, 0, 0

    def become(self, state: str, now: float) -> None:
        self.state, self.live, self.passed = state, {}, 0
        if state == "closed":
            self.calls, self.openings = [], 0
        elif state == "open" and self.forced == "auto":
            self.open_until = now + min(self.config.open_for * 2.0**self.openings, self.config.max_open_for)
            self.openings += 1

    def counts(self, now: float) -> tuple[int, int, int, int]:
        first = int(now / (self.config.window / 10)) - 9
        results = [(outcome, slow) for bucket, outcome, slow in self.calls if bucket >= first]
        return (
            len(results),
            *(sum(o is kind for o, _ in results) for kind in (FAILURE, INVALID)),
            sum(slow for _, slow in results),
        )

    def admit(self, number: int, now: float) -> tuple[str, float | None] | None:
        if self.forced == "open":
            return "forced", None
        if self.state == "half_open" and any(now - start >= self.config.lease for start in self.live.values()):
            self.become("open", now)
        if self.state == "open" and now < self.open_until:
            return "breaker_open", max(self.open_until, self.backoff) - now
        if now < self.backoff and self.forced != "closed":
            return "backoff", self.backoff - now
        if self.state == "open":
            self.become("half_open", now)
        if self.state == "half_open" and len(self.live) == self.config.half_open_calls:
            return "breaker_open", 1.0
        self.live[number] = now
        return None

    def recheck(self, number: int, now: float) -> str | None:
        stale = self.state == "open" or (self.state == "half_open" and number not in self.live)
        reason = (
            "forced" if self.forced == "open" else "breaker_open" if stale else "backoff" if now < self.backoff else None
        )
        if reason is None or self.forced == "closed":
            self.live[number] = now
            return None
        self.live.pop(number, None)
        return reason

    def settle(self, number: int, outcome: CallOutcome, now: float, took: float | None, retry_after: float | None) -> None:
        if number not in self.live:
            return
        start, config = self.live.pop(number), self.config
        slow = config.slow_duration is not None and (now - start if took is None else took) > config.slow_duration
        if outcome is BACKOFF:
            self.backoff = max(self.backoff, now + min(retry_after or 0.0, config.max_open_for))
        if outcome in {BACKOFF, IGNORED} or (outcome is GONE and not slow):
            return
        if self.state == "half_open":
            self.passed += 1
            if outcome in {FAILURE, INVALID} or slow:
                self.become("open", now)
            elif self.passed == config.close_after:
                self.become("closed", now)
            return
        self.calls.append((int(now / (config.window / 10)), outcome, slow))
        calls, failures, invalid, slows = self.counts(now)
        bad = calls >= config.minimum_calls and (failures + invalid) / calls >= config.failure_rate
        bad |= calls >= config.minimum_calls and config.slow_duration is not None and slows / calls >= config.slow_rate
        if self.forced == "auto" and (bad or self.run() >= config.consecutive_failures):
            self.become("open", now)

    def run(self) -> int:
        results = [outcome for _, outcome, _ in self.calls if outcome in {SUCCESS, FAILURE}]
        return next((length for length, outcome in enumerate(reversed(results)) if outcome is SUCCESS), len(results))


CONFIGS = st.builds(
    Config, st.sampled_from([5.0, 20.0]), st.integers(1, 6), st.sampled_from([0.25, 0.5, 1.0]), st.integers(1, 6),
    st.sampled_from([None, 0.5]), st.sampled_from([0.5, 1.0]), st.sampled_from([1.0, 4.0]), st.sampled_from([4.0, 20.0]),
    st.integers(1, 3), st.integers(1, 3), st.sampled_from([2.0, 8.0]),
)  # fmt: skip


class Life(RuleBasedStateMachine):
    """Both are told the same; whatever an operator could see must be the same. Times are exact in binary."""

    @initialize(config=CONFIGS, start=st.sampled_from([0.0, 4096.25]))
    def born(self, config: Config, start: float) -> None:
        self.now, self.changes, self.tickets, self.dead = start, [], {}, []
        self.breaker = Breaker(config, random=middle, changed=self.changes.append)
        self.naive, self.number = Naive(config), 0

    @rule(quarters=st.sampled_from([1, 1, 2, 4, 8, 16, 40, 400]))
    def wait(self, quarters: int) -> None:
        self.now += quarters / 4

    @rule(times=st.integers(1, 4))
    def admit(self, times: int) -> None:
        for _ in range(times):
            self.number += 1
            answer, expected = self.breaker.admit(self.now), self.naive.admit(self.number, self.now)
            assert (None if isinstance(answer, Ticket) else (answer.reason, answer.retry_after)) == expected
            if isinstance(answer, Ticket):
                self.tickets[self.number] = answer

    @precondition(lambda self: self.tickets)
    @rule(
        data=st.data(),
        outcome=st.sampled_from([SUCCESS, SUCCESS, FAILURE, *EVERY]),
        asked=st.sampled_from([None, 0.5, 30.0]),
    )
    def settle(self, data, outcome: CallOutcome, asked: float | None) -> None:
        took = data.draw(st.sampled_from([None, 0.0, 0.5, 0.75]))
        number = data.draw(st.sampled_from(sorted(self.tickets)))
        self.dead.append(self.tickets.pop(number))
        self.dead[-1].settle(outcome, self.now, took=took, retry_after=asked)
        self.naive.settle(number, outcome, self.now, took, asked)

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def recheck(self, data) -> None:
        number = data.draw(st.sampled_from(sorted(self.tickets)))
        reason = self.tickets[number].recheck(self.now)
        assert reason == self.naive.recheck(number, self.now)
        if reason is not None:
            self.dead.append(self.tickets.pop(number))

    @precondition(lambda self: self.dead)
    @rule(outcome=st.sampled_from(EVERY))
    def settle_again(self, outcome: CallOutcome) -> None:
        self.dead.pop().settle(outcome, self.now, took=99.0)

    @rule(forced=st.sampled_from(["auto", "auto", "open", "closed"]))
    def force(self, forced: str) -> None:
        self.breaker.force(forced, self.now)
        if forced != self.naive.forced:
            self.naive.forced, self.naive.backoff = forced, 0.0
            self.naive.become("open" if forced == "open" else "closed", self.now)

    @invariant()
    def same(self) -> None:
        breaker, naive, seen = self.breaker, self.naive, self.breaker.snapshot(self.now)
        assert (breaker.state, breaker.forced, breaker.out) == (naive.state, naive.forced, len(self.tickets))
        assert tuple(seen[name] for name in ("calls", "failures", "invalid", "slow")) == naive.counts(self.now)
        assert (seen["consecutive"], seen["openings"], seen["passed"]) == (naive.run(), naive.openings, naive.passed)
        assert seen["probes"] == (len(naive.live) if naive.state == "half_open" else 0) <= breaker.config.half_open_calls
        assert breaker.generation == len(self.changes)

    def teardown(self) -> None:
        """Liveness: with a healthy target, and hung calls never settled, closed within a bounded time, and still then."""
        config = self.breaker.config
        self.breaker.force("auto", self.now)
        end = self.now + config.lease + 2 * config.max_open_for + config.window + config.close_after + 2
        while self.now < end:
            self.now += 0.5
            answer = self.breaker.admit(self.now)
            if isinstance(answer, Ticket):
                answer.settle(SUCCESS, self.now + 0.25)
        assert (self.breaker.state, self.breaker.out) == ("closed", len(self.tickets))


TestLife = Life.TestCase
TestLife.settings = settings(stateful_step_count=100)
