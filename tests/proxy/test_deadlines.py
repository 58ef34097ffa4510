"""One timer, a deadline for each purpose; and a stall of the loop, which blames nobody."""

import asyncio
import time
from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.proxy import deadlines
from guard.proxy.deadlines import ATTEMPT, CATCH_UP, HEAD, NAMES, STALL, DeadlineTimer
from guard.proxy.states import CLIENT, DEADLINES, UPSTREAM
from guard.proxy.values import CallOutcome
from tests.proxy.stand import OK, post, read_request, run, standing, until

pytestmark = pytest.mark.source
LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


class Handle:
    """A timer of the fake loop."""

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when, self.call = when, call

    def cancel(self) -> None:
        self.when = inf


class Loop:
    """Time that passes when a test says so; `stall` lets it pass without a timer."""

    def __init__(self) -> None:
        self.now = 100.0
        self.handles: list[Handle] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> Handle:
        self.handles.append(Handle(self.now + delay, call))
        return self.handles[-1]

    def fire(self) -> None:
        for handle in [handle for handle in self.handles if handle.when <= self.now]:
            self.handles.remove(handle)
            handle.call()

    def pass_until(self, moment: float) -> None:
        while (nearest := min((handle.when for handle in self.handles), default=inf)) <= moment:
            self.now = max(self.now, nearest)
            self.fire()
        self.now = max(self.now, moment)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(deadlines, "monotonic", lambda: made.now)
    return made


@given(st.lists(st.tuples(st.integers(1, len(NAMES) - 1), st.floats(0, 5)), max_size=20))
def test_each_deadline_expires_once_at_its_time_and_by_its_name(moves: list[tuple[int, float]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        made = Loop()
        patch.setattr(deadlines, "monotonic", lambda: made.now)
        expired: list[tuple[int, float]] = []
        timer = DeadlineTimer(made, lambda purpose: expired.append((purpose, made.now)))  # type: ignore[arg-type]
        due: dict[int, float] = {}
        for purpose, delay in moves:
            due[purpose] = made.now + delay
            timer.set(purpose, due[purpose])
        assert set(timer.armed()) == set(due)
        made.pass_until(made.now + 10)
        assert sorted(purpose for purpose, _ in expired) == sorted(due)
        for purpose, at in expired:
            assert due[purpose] - 2 * deadlines.GRAIN <= at <= due[purpose] + 2 * deadlines.GRAIN
        assert timer.armed() == []


def test_after_a_stall_what_has_come_meanwhile_is_seen_before_deadlines_are_judged(loop: Loop) -> None:
    expired: list[tuple[int, bool]] = []
    timer = DeadlineTimer(loop, lambda purpose: expired.append((purpose, timer.late)))  # type: ignore[arg-type]
    timer.set(ATTEMPT, loop.now + 1.0)
    timer.set(HEAD, loop.now + 1.0)
    loop.now += 1.0 + 2 * STALL  # nothing ran
    loop.fire()
    assert expired == []
    timer.due[ATTEMPT] = inf  # the answer lay in the socket
    loop.pass_until(loop.now + 2 * CATCH_UP)
    assert expired == [(HEAD, True)]
    timer.set(HEAD, loop.now + 1.0)
    loop.pass_until(loop.now + 2.0)
    assert expired[1:] == [(HEAD, False)]


@LOOPS
@pytest.mark.parametrize("answers", [True, False])
def test_a_stall_of_the_loop_is_no_failure_of_the_target(loop: str, *, answers: bool) -> None:
    async def main() -> None:
        called = asyncio.Event()

        async def script(reader: Any, writer: Any) -> None:
            await read_request(reader)
            called.set()
            if answers:
                writer.write(OK)
            await reader.read()

        async with standing(script, paths={"/p": {"attempt": 0.3, "connect": 0.2}}) as stand:
            asking = asyncio.create_task(stand.exchange(post()))
            await called.wait()
            time.sleep(0.6)
            assert (await asking)[9:12] == (b"200" if answers else b"503")
            await until(lambda: bool(stand.records))
            counts = stand.models[0].breaker.counts
            assert counts[CallOutcome.FAILURE] == 0
            assert counts[CallOutcome.SUCCESS if answers else CallOutcome.IGNORED] == 1

    run(main, loop)


@pytest.mark.parametrize("table", [CLIENT, UPSTREAM], ids=["client", "upstream"])
def test_every_state_is_reached_and_can_end(table: tuple[dict[int, int], ...]) -> None:
    reached = {0} | {after for row in table for after in row.values()}
    assert reached == set(range(len(table)))
    last = len(table) - 1
    ends = max(event for row in table for event in row)
    for state, row in enumerate(table):
        assert row[ends] == last, f"state {state} cannot end"
    assert set(table[last].values()) == {last}


def test_every_purpose_may_be_armed_in_some_state() -> None:
    assert frozenset().union(*DEADLINES) == set(range(1, len(NAMES)))
    assert len(DEADLINES) == len(CLIENT)
