"""Records on their way to the sinks: in order, together, and no sink is felt by another or by a client."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from guard.proxy.values import Record
from guard.telemetry import record_batcher
from guard.telemetry.record_batcher import RecordBatcher
from tests.telemetry.later import Later
from tests.telemetry.records import record


class Sink:
    """Keeps what it is given; crashes, or takes its time, if it is told to."""

    def __init__(self, *, crash: bool = False, then: Callable[[], object] = lambda: None) -> None:
        self.seen: list[Record] = []
        self.crash, self.then = crash, then

    def take(self, records: Iterator[Record]) -> None:
        for item in records:
            self.then()
            if self.crash:
                raise ValueError("secret")
            self.seen.append(item)


class Choking(Sink):
    """Crashes on some."""

    def __init__(self, *on: Record, early: bool = False) -> None:
        super().__init__()
        self.on, self.early = on, early

    def take(self, records: Iterator[Record]) -> None:
        if self.early:
            raise ValueError("before it drew any")
        for item in records:
            if item in self.on:
                raise ValueError("secret")
            self.seen.append(item)


def test_a_record_waits_a_moment_and_comes_once() -> None:
    later, sink = Later(), Sink()
    box = RecordBatcher([sink], later)
    records = [record() for _ in range(3)]
    for item in records:
        box.record(item)
    assert sink.seen == []
    assert [delay for delay, _ in later.asked] == [record_batcher.WITHIN]
    later.asked[0][1]()
    assert sink.seen == records
    box.flush()
    assert sink.seen == records


def test_many_do_not_wait() -> None:
    later, sink = Later(), Sink()
    box = RecordBatcher([sink], later)
    for _ in range(record_batcher.TOGETHER):
        box.record(record())
    assert [delay for delay, _ in later.asked] == [record_batcher.WITHIN, 0.0]


def at_once(many: int, times: int) -> Iterator[Record]:
    """Of that many clients, each of which asks again when it is answered."""
    for number in range(times):
        yield record(begun_at=100.0 + number - many + 0.5, ended_at=100.0 + number)


@pytest.mark.parametrize(
    ("clients", "passed_on"),
    [(1, record_batcher.FEW), (record_batcher.FEW - 2, record_batcher.FEW), (40, 41), (1000, record_batcher.TOGETHER)],
)
def test_a_batch_is_as_long_as_exchanges_are_under_way_at_once(clients: int, passed_on: int) -> None:
    later, sink = Later(), Sink()
    box = RecordBatcher([sink], later)
    records = at_once(clients, 1000)
    while len(later.asked) < 2:
        box.record(next(records))
    box.record(record(begun_at=5000.0))
    assert [delay for delay, _ in later.asked] == [record_batcher.WITHIN, 0.0]  # it is asked for once
    later.asked[1][1]()
    assert len(sink.seen) == passed_on + 1


def test_after_a_flush_the_next_batch_asks_anew() -> None:
    later, sink = Later(), Sink()
    box = RecordBatcher([sink], later)
    for _ in range(2):
        for item in at_once(1, record_batcher.FEW):
            box.record(item)
        box.flush()
    assert [delay for delay, _ in later.asked] == [record_batcher.WITHIN, 0.0] * 2
    assert len(sink.seen) == 2 * record_batcher.FEW


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a millisecond after the one before."""
    clock = count()
    monkeypatch.setattr(record_batcher, "perf_counter", lambda: next(clock) / 1000)


def test_sinks_that_are_quick_have_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batcher, "perf_counter", lambda: 0.0)
    later, sinks = Later(), [Sink(), Sink(), Sink()]
    box = RecordBatcher(sinks, later)
    box.record(record())
    later.asked.pop()[1]()
    assert ([len(sink.seen) for sink in sinks], later.asked) == ([1, 1, 1], [])


@pytest.mark.usefixtures("busy")
def test_between_two_sinks_that_take_a_while_the_loop_goes_on() -> None:
    later, sinks = Later(), [Sink(), Sink(), Sink()]
    box = RecordBatcher(sinks, later)
    first, second = record(), record()
    box.record(first)
    later.asked.pop()[1]()
    assert [len(sink.seen) for sink in sinks] == [1, 0, 0]
    box.record(second)
    (_, turn), (_, begin) = later.asked
    later.asked.clear()
    turn()
    assert [len(sink.seen) for sink in sinks] == [1, 1, 0]
    begin()
    while later.asked:
        later.asked.pop(0)[1]()
    assert [sink.seen for sink in sinks] == [[first, second]] * 3


@pytest.mark.usefixtures("busy")
def test_who_cannot_wait_has_all_passed_on_and_nothing_twice() -> None:
    later, sinks = Later(), [Sink(), Sink(), Sink()]
    box = RecordBatcher(sinks, later)
    records = [record(), record()]
    box.record(records[0])
    later.asked.pop()[1]()
    box.record(records[1])
    box.flush()
    assert [sink.seen for sink in sinks] == [records] * 3
    while later.asked:
        later.asked.pop(0)[1]()
    assert [sink.seen for sink in sinks] == [records] * 3


def test_one_timer_is_ahead_at_most_and_the_next_batch_has_its_own() -> None:
    later = Later()
    box = RecordBatcher([Sink()], later)
    for _ in range(3):
        for _ in range(record_batcher.TOGETHER):
            box.record(record())
        box.flush()
    waits = [timer for timer, (delay, _) in zip(later.timers, later.asked, strict=True) if delay == record_batcher.WITHIN]
    assert len(waits) == 3
    assert all(timer.cancelled for timer in waits)


def test_a_crash_is_counted_and_the_others_are_told() -> None:
    first, broken, last = Sink(), Sink(crash=True), Sink()
    box = RecordBatcher([first, broken, last], Later())
    box.record(record())
    box.record(record())
    box.flush()
    assert (len(first.seen), len(last.seen)) == (2, 2)
    assert box.crashes == {"Sink": 2}


def test_a_crash_costs_the_sink_one_record() -> None:
    records = [record() for _ in range(5)]
    choking, early = Choking(records[0], records[2], records[4]), Choking(early=True)
    box = RecordBatcher([choking, early], Later())
    for item in records:
        box.record(item)
    box.flush()
    assert choking.seen == [records[1], records[3]]
    assert box.crashes == {"Choking": 3 + 5}


def test_a_slow_sink_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(record_batcher, "perf_counter", lambda: clock[0])

    def tarry() -> None:
        clock[0] += 0.1

    box = RecordBatcher([Sink(), Sink(then=tarry)], Later())
    box.record(record())
    box.flush()
    assert box.slow == {"Sink": 1}


@pytest.mark.source
def test_a_loop_that_never_comes_back_costs_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batcher, "MOST", 100)
    sink = Sink()
    box = RecordBatcher([sink], Later())
    records = [record() for _ in range(130)]
    for item in records:
        box.record(item)
    box.flush()
    assert sink.seen == records[-100:]
    assert box.dropped == 30
