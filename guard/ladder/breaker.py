"""The circuit breaker of one (route, target): when a model server is left alone for a while, and how it is tried again.

Every time is an argument, in seconds of one monotonic clock. Local to one process; no lock: one loop makes all calls.

What an outcome does, where the ticket is of the current generation:

    outcome   closed                                   half_open
    SUCCESS   a call; consecutive failures are over    one step towards closed; where slow, opens
    FAILURE   a call, a failure, one more consecutive  opens
    INVALID   a call, invalid; consecutive untouched   opens
    GONE      where slow a call, and slow; else none   where slow, opens; else its place is free again
    BACKOFF   no call; left alone as long as it asked  its place is free again; left alone as long as it asked
    IGNORED   no trace                                 its place is free again

Every counted call that took strictly longer than `slow_duration` is also slow; a slow success is no failure. INVALID
neither adds to the run of consecutive failures nor ends it: an answer of the wrong form is no sign of health nor of a fall.
"""

import random as _random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor, inf
from operator import sub
from typing import Any, Final, Literal, TypeAlias

from guard.proxy.values import CallOutcome, Closed, Reason

State: TypeAlias = Literal["closed", "open", "half_open"]
Forced: TypeAlias = Literal["auto", "open", "closed"]

Why: TypeAlias = Literal[
    "failure_rate", "consecutive_failures", "slow_rate", "wait_over", "probe_failed", "probe_invalid", "probe_slow",
    "probe_lapsed", "recovered", "forced_open", "forced_closed", "released",
]  # fmt: skip
"""Why the state changed. Closed."""

FORCED: Final[Mapping[Why, State]] = {"forced_open": "open", "forced_closed": "closed", "released": "closed"}
TRANSITIONS: Final[Mapping[State, Mapping[Why, State]]] = {
    "closed": {"failure_rate": "open", "consecutive_failures": "open", "slow_rate": "open", **FORCED},
    "open": {"wait_over": "half_open", **FORCED},
    "half_open": {
        "probe_failed": "open", "probe_invalid": "open", "probe_slow": "open", "probe_lapsed": "open",
        "recovered": "closed", **FORCED,
    },
}  # fmt: skip
"""State × event → state; the event is the reason. What does not stand here cannot happen. Each begins a generation."""
FORCING: Final[Mapping[Forced, Why]] = {"open": "forced_open", "closed": "forced_closed", "auto": "released"}
SPOILING: Final[Mapping[CallOutcome, Why]] = {CallOutcome.FAILURE: "probe_failed", CallOutcome.INVALID: "probe_invalid"}
BUCKETS: Final = 10
JITTER: Final = 0.2  # share of the open time by which it may be shorter or longer
PROBING: Final = 1.0  # seconds to wait, for those who come while a probe is out


@dataclass(frozen=True)
class Config:
    """When to open, for how long, and what it takes to close. Times in seconds, rates as shares of 1."""

    window: float = 30.0
    minimum_calls: int = 20
    failure_rate: float = 0.5
    consecutive_failures: int = 5
    slow_duration: float | None = None  # None: no call is slow
    slow_rate: float = 0.8
    open_for: float = 10.0
    max_open_for: float = 120.0  # before jitter, so that breakers which reached it do not probe in step
    half_open_calls: int = 1
    close_after: int = 3
    lease: float = 30.0


@dataclass(frozen=True)
class Change:
    """A transition, and its reason. `before` equals `after` where only the forcing changed."""

    before: State
    after: State
    why: Why
    at: float


Listener: TypeAlias = Callable[[Change], None]


class Window:
    """Counts of the current bucket of time and the nine before it: between 90 % and 100 % of `length` seconds."""

    __slots__ = ("_bucket", "_edge", "_starts", "_width", "calls", "failures", "invalid", "slow")

    def __init__(self, length: float) -> None:
        self._width = length / BUCKETS
        self._bucket = 0
        self._edge = -inf  # when the current bucket ends
        self.clear()

    def clear(self) -> None:
        """Forget every call."""
        self.calls = self.failures = self.invalid = self.slow = 0
        self._starts: list[tuple[int, ...]] = [(0, 0, 0, 0)] * BUCKETS  # the counts at the start of each bucket

    def roll(self, now: float) -> None:
        """Let go of what is too old. Time that runs backwards counts in the current bucket."""
        if now < self._edge:
            return
        bucket = floor(now / self._width)
        counts = (self.calls, self.failures, self.invalid, self.slow)
        begun = max(0, min(bucket - self._bucket, BUCKETS))
        starts = self._starts[begun:] + [counts] * begun
        aged = starts[0]
        self._starts = [tuple(map(sub, start, aged)) for start in starts]
        self.calls, self.failures, self.invalid, self.slow = map(sub, counts, aged)
        self._bucket = max(bucket, self._bucket)
        self._edge = (self._bucket + 1) * self._width


class Ticket:
    """Leave to make one call. One-shot: the first settlement counts, and only in the generation that gave the leave."""

    __slots__ = ("_breaker", "generation", "start")

    def __init__(self, breaker: "Breaker", generation: int, start: float) -> None:
        self._breaker: Breaker | None = breaker
        self.generation = generation
        self.start = start

    def recheck(self, now: float) -> Reason | None:
        """Why a queued call may no longer be made; asked when it is released.

        None: the call begins now, in the current generation, so its wait in the queue is not held against the target.
        With a reason the ticket is spent, as IGNORED: a call that was not made says nothing of the target. A spent ticket
        gives no leave.
        """
        breaker = self._breaker
        if breaker is None:
            return "breaker_open"
        reason = breaker.closure(self.generation, now)
        if reason is None:
            self.generation = breaker.generation
            self.start = now
        else:
            self.settle(CallOutcome.IGNORED, now)
        return reason

    def settle(
        self, outcome: CallOutcome, now: float, *, took: float | None = None, retry_after: float | None = None
    ) -> None:
        """Say how the call went.

        `took`: seconds to hold against slow, for streams the time to their head; else all since the call began.
        `retry_after`: seconds that the target asked for, with BACKOFF.
        """
        breaker, self._breaker = self._breaker, None
        if breaker is None:
            return
        breaker.out -= 1
        if self.generation == breaker.generation:
            breaker.settled(self, outcome, now, now - self.start if took is None else took, retry_after)


class Breaker:
    """Closed, open, half open; see the top of this file.

    `changed` hears of each transition after it is complete; it must not call back. `random` is in [0, 1).
    """

    __slots__ = (
        "_backoff_until", "_changed", "_consecutive", "_open_until", "_openings", "_passed", "_probes", "_random",
        "_slow_duration", "_wait", "_window", "config", "forced", "generation", "out", "since", "state",
    )  # fmt: skip

    def __init__(
        self, config: Config, *, random: Callable[[], float] = _random.random, changed: Listener | None = None
    ) -> None:
        self.config = config
        self.state: State = "closed"
        self.forced: Forced = "auto"
        self.since = 0.0  # time of the last change
        self.generation = 0
        self.out = 0  # tickets not settled yet, of any generation
        self._random = random
        self._changed = changed
        self._slow_duration = inf if config.slow_duration is None else config.slow_duration
        self._window = Window(config.window)
        self._wait = 0.0  # of the next opening, before jitter
        self._backoff_until = self._open_until = -inf
        self._passed = 0
        self._probes: list[Ticket] = []
        self._reset()

    def __repr__(self) -> str:
        window, forced = self._window, "" if self.forced == "auto" else f" forced={self.forced}"
        return (
            f"<Breaker {self.state}{forced} since={self.since:.3f} out={self.out} calls={window.calls} "
            f"failures={window.failures} invalid={window.invalid} slow={window.slow} consecutive={self._consecutive}>"
        )

    def admit(self, now: float) -> Ticket | Closed:
        """Leave to make one call; or why not, and in how many seconds to ask again."""
        if self.state == "closed" and (now >= self._backoff_until or self.forced == "closed"):
            self.out += 1
            return Ticket(self, self.generation, now)
        if self.forced == "open":
            return Closed("forced")
        if self.state == "half_open" and any(now - probe.start >= self.config.lease for probe in self._probes):
            self._change("probe_lapsed", now)
        if self.state == "open" and now < self._open_until:
            return Closed("breaker_open", max(self._open_until, self._backoff_until) - now)
        if now < self._backoff_until:
            return Closed("backoff", self._backoff_until - now)
        if self.state == "open":
            self._change("wait_over", now)
        if len(self._probes) >= self.config.half_open_calls:
            return Closed("breaker_open", PROBING)
        probe = Ticket(self, self.generation, now)
        self._probes.append(probe)
        self.out += 1
        return probe

    def force(self, forced: Forced, now: float) -> None:
        """Take the decision out of the breaker's hands, or with "auto" give it back: closed, and with no memory.

        Forced again as it is, nothing changes: a reload that repeats the operator's word keeps the window.
        """
        if forced != self.forced:
            self.forced = forced
            self._backoff_until = -inf
            self._change(FORCING[forced], now)

    def closure(self, generation: int, now: float) -> Reason | None:
        """Why a ticket of this generation may not be used now. A call that waited is held to what a new one would meet."""
        if self.forced == "closed":
            return None
        if self.forced == "open":
            return "forced"
        if self.state == "open" or (self.state == "half_open" and generation != self.generation):
            return "breaker_open"
        return "backoff" if now < self._backoff_until else None

    def settled(self, ticket: Ticket, outcome: CallOutcome, now: float, took: float, retry_after: float | None) -> None:
        """How the call of a ticket of the current generation went."""
        slow = took > self._slow_duration
        if self.state == "half_open":
            self._probes.remove(ticket)
        if outcome is CallOutcome.BACKOFF:
            if retry_after is not None and retry_after > 0:  # one that names no pause is bounded by our limits alone
                self._backoff_until = max(self._backoff_until, now + min(retry_after, self.config.max_open_for))
        elif outcome is CallOutcome.IGNORED or (outcome is CallOutcome.GONE and not slow):
            return
        elif self.state == "half_open":
            self._probed(outcome, now, slow=slow)
        else:
            self._counted(outcome, now, slow=slow)

    def snapshot(self, now: float) -> dict[str, Any]:
        """What status shows. Until the breaker closes again, the counts are those that opened it, as far as not aged."""
        window = self._window
        window.roll(now)
        calls = window.calls
        waits = self.state == "open" and self.forced == "auto"
        return {
            **{name: getattr(self, name) for name in ("state", "forced", "since", "generation", "out")},
            **{name: getattr(window, name) for name in ("calls", "failures", "invalid", "slow")},
            "rate": (window.failures + window.invalid) / calls if calls else 0.0,
            "slow_rate": window.slow / calls if calls else 0.0,
            "consecutive": self._consecutive,
            "openings": self._openings,
            "open_until": self._open_until if waits else None,
            "backoff_until": self._backoff_until if now < self._backoff_until else None,
            "probes": len(self._probes),
            "passed": self._passed,
        }

    def _counted(self, outcome: CallOutcome, now: float, *, slow: bool) -> None:
        """One call more in the window."""
        window = self._window
        window.roll(now)
        window.calls += 1
        window.slow += slow
        if outcome is CallOutcome.SUCCESS:
            self._consecutive = 0
        elif outcome is CallOutcome.FAILURE:
            window.failures += 1
            self._consecutive += 1
        elif outcome is CallOutcome.INVALID:
            window.invalid += 1
        if (window.failures or window.invalid or window.slow) and self.forced == "auto" and (why := self._trip()):
            self._change(why, now)

    def _trip(self) -> Why | None:
        """What speaks for opening. With nothing bad in the window it is not asked, so a rate of 0 means: at the first."""
        config, window = self.config, self._window
        if self._consecutive >= config.consecutive_failures:
            return "consecutive_failures"
        if window.calls < config.minimum_calls:
            return None
        bad = window.failures + window.invalid
        if bad and bad / window.calls >= config.failure_rate:
            return "failure_rate"
        return "slow_rate" if window.slow and window.slow / window.calls >= config.slow_rate else None

    def _probed(self, outcome: CallOutcome, now: float, *, slow: bool) -> None:
        """A probe said something of the target."""
        why = SPOILING.get(outcome, "probe_slow" if slow else None)
        self._passed += 1
        if why is None and self._passed >= self.config.close_after:
            why = "recovered"
        if why is not None:
            self._change(why, now)

    def _change(self, why: Why, now: float) -> None:
        """Make the transition: what each state begins with stands here, and nowhere else."""
        before, after = self.state, TRANSITIONS[self.state][why]
        self.state = after
        self.since = now
        self.generation += 1
        self._probes.clear()
        self._passed = 0
        if after == "closed":
            self._reset()
        elif after == "open" and self.forced == "auto":
            self._open_until = now + self._wait * (1 - JITTER + 2 * JITTER * self._random())
            self._wait = min(2 * self._wait, self.config.max_open_for)
            self._openings += 1
        if self._changed is not None:
            self._changed(Change(before, after, why, now))

    def _reset(self) -> None:
        """No memory: an empty window, and the first open time."""
        self._window.clear()
        self._consecutive = 0
        self._openings = 0  # without a closing between them
        self._wait = min(self.config.open_for, self.config.max_open_for)
