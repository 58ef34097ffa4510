"""The circuit breaker of one (route, target): it stops the calls to a failing model server, and tries it again later.

Every time is an argument, in seconds of one monotonic clock. State is local to one process and has no lock: one event loop
makes all calls.

The effect of an outcome, if its ticket is of the current generation:

    outcome   closed                                   half_open
    SUCCESS   a call; ends consecutive failures        one step towards closed; opens if slow
    FAILURE   a call, a failure, one more consecutive  opens
    INVALID   a call, invalid; consecutive untouched   opens
    GONE      a slow call if slow; else no effect      opens if slow; else frees the probe's place
    BACKOFF   no call; no calls for `retry_after`      frees the probe's place; no calls for `retry_after`
    IGNORED   no effect                                frees the probe's place

Every counted call that took longer than `slow_duration` is also slow; a slow success is not a failure. INVALID neither adds
to the run of consecutive failures nor ends it: an answer of the wrong form proves neither health nor an outage.
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
"""Reasons for a change of state; a closed list."""

FORCED: Final[Mapping[Why, State]] = {"forced_open": "open", "forced_closed": "closed", "released": "closed"}
TRANSITIONS: Final[Mapping[State, Mapping[Why, State]]] = {
    "closed": {"failure_rate": "open", "consecutive_failures": "open", "slow_rate": "open", **FORCED},
    "open": {"wait_over": "half_open", **FORCED},
    "half_open": {
        "probe_failed": "open", "probe_invalid": "open", "probe_slow": "open", "probe_lapsed": "open",
        "recovered": "closed", **FORCED,
    },
}  # fmt: skip
"""State × event → state; the event is the reason. No other transition exists. Each transition begins a generation."""
FORCING: Final[Mapping[Forced, Why]] = {"open": "forced_open", "closed": "forced_closed", "auto": "released"}
SPOILING: Final[Mapping[CallOutcome, Why]] = {CallOutcome.FAILURE: "probe_failed", CallOutcome.INVALID: "probe_invalid"}
BUCKETS: Final = 10
JITTER: Final = 0.2  # share of the open time by which it may be shorter or longer
PROBING: Final = 1.0  # seconds of retry-after for requests that arrive while a probe runs


@dataclass(frozen=True)
class Config:
    """Thresholds for opening, the open time, and the conditions for closing. Times in seconds, rates from 0 to 1."""

    window: float = 30.0
    minimum_calls: int = 20
    failure_rate: float = 0.5
    consecutive_failures: int = 5
    slow_duration: float | None = None  # None: no call is slow
    slow_rate: float = 0.8
    open_for: float = 10.0
    max_open_for: float = 120.0  # before jitter, so that breakers at this maximum do not probe in step
    half_open_calls: int = 1
    close_after: int = 3
    lease: float = 30.0


@dataclass(frozen=True)
class Change:
    """A transition and its reason. `before` equals `after` if only the forcing changed. `at`: monotonic seconds."""

    before: State
    after: State
    why: Why
    at: float


Listener: TypeAlias = Callable[[Change], None]


class Window:
    """Counts of the current time bucket and the nine before it: they cover 90 % to 100 % of `length` seconds."""

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
        """Remove the buckets that are too old. If time runs backwards, calls count in the current bucket."""
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
    """Permission to make one call. Only the first settlement counts, and only in the generation that issued the ticket."""

    __slots__ = ("_breaker", "generation", "start")

    def __init__(self, breaker: "Breaker", generation: int, start: float) -> None:
        self._breaker: Breaker | None = breaker
        self.generation = generation
        self.start = start

    def recheck(self, now: float) -> Reason | None:
        """Return the reason that a queued call may not be made any more; called when the queue releases the call.

        None: the call begins now, in the current generation, so its wait in the queue does not count as the target's time.
        With a reason the ticket is settled as IGNORED: a call that was not made proves nothing about the target. A settled
        ticket permits no call.
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
        """Report how the call ended.

        `took`: seconds to compare with `slow_duration`, for streams the time to their head; None: all since the call began.
        `retry_after`: seconds that the target asked for, with BACKOFF.
        """
        breaker, self._breaker = self._breaker, None
        if breaker is None:
            return
        breaker.out -= 1
        if self.generation == breaker.generation:
            breaker.settled(self, outcome, now, now - self.start if took is None else took, retry_after)


class Breaker:
    """The breaker's states and transitions, as the top of this file describes them.

    `changed` is called with each transition once it is complete; it must not call the breaker. `random` is in [0, 1).
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
        self.out = 0  # unsettled tickets of any generation
        self._random = random
        self._changed = changed
        self._slow_duration = inf if config.slow_duration is None else config.slow_duration
        self._window = Window(config.window)
        self._wait = 0.0  # seconds of the next open time, before jitter
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
        """Return a ticket for one call, or the reason for none and the seconds after which to ask again."""
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
        """Force the breaker open or closed. "auto" ends the forcing: the breaker is closed and its counts are empty.

        Repeating the current forcing changes nothing, so a reload that repeats the operator's order keeps the window.
        """
        if forced != self.forced:
            self.forced = forced
            self._backoff_until = -inf
            self._change(FORCING[forced], now)

    def closure(self, generation: int, now: float) -> Reason | None:
        """Return the reason that a ticket of this generation may not be used now. A queued call is treated as a new one."""
        if self.forced == "closed":
            return None
        if self.forced == "open":
            return "forced"
        if self.state == "open" or (self.state == "half_open" and generation != self.generation):
            return "breaker_open"
        return "backoff" if now < self._backoff_until else None

    def settled(self, ticket: Ticket, outcome: CallOutcome, now: float, took: float, retry_after: float | None) -> None:
        """Count the outcome of a call whose ticket is of the current generation. `took` and `retry_after` in seconds."""
        slow = took > self._slow_duration
        if self.state == "half_open":
            self._probes.remove(ticket)
        if outcome is CallOutcome.BACKOFF:
            if retry_after is not None and retry_after > 0:  # without a pause, only guard's own limits apply
                self._backoff_until = max(self._backoff_until, now + min(retry_after, self.config.max_open_for))
        elif outcome is CallOutcome.IGNORED or (outcome is CallOutcome.GONE and not slow):
            return
        elif self.state == "half_open":
            self._probed(outcome, now, slow=slow)
        else:
            self._counted(outcome, now, slow=slow)

    def snapshot(self, now: float) -> dict[str, Any]:
        """The state that status shows. Until the breaker closes, the counts are those that opened it, less old calls."""
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
        """Add one call to the window, and open the breaker if a threshold is reached."""
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
        """Return the reason to open, if any. Called only if the window has a bad call: a rate of 0 opens at the first."""
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
        """Count the outcome of a probe: it opens the breaker, closes it, or brings it one step closer to closed."""
        why = SPOILING.get(outcome, "probe_slow" if slow else None)
        self._passed += 1
        if why is None and self._passed >= self.config.close_after:
            why = "recovered"
        if why is not None:
            self._change(why, now)

    def _change(self, why: Why, now: float) -> None:
        """Make the transition. Only this function sets the values with which a state begins."""
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
        """Empty the window and set the open time back to `open_for`."""
        self._window.clear()
        self._consecutive = 0
        self._openings = 0  # since the breaker was last closed
        self._wait = min(self.config.open_for, self.config.max_open_for)
