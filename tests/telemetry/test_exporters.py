"""Telemetry on its way out: bounded, counted, and never waited for."""

import threading
from collections import Counter
from collections.abc import Sequence

from guard.telemetry.environment import Queue
from guard.telemetry.exporters import BatchExporter, PeriodicExporter, together

WITHIN = 10.0
SOON = Queue(0.001, 4, 8)
LATER = Queue(1000.0, 4, 8)


class Road:
    """Delivers, fails or blocks, as it is told."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.arrives: bool | Exception = True
        self.open = threading.Event()
        self.open.set()
        self.more = threading.Condition()
        self.lost: Counter[tuple[str, str]] = Counter()

    def send(self, batch: Sequence[int]) -> bool:
        with self.more:
            self.batches.append(list(batch))
            self.more.notify_all()
        self.open.wait(WITHIN)
        if isinstance(self.arrives, Exception):
            raise self.arrives
        return self.arrives

    def wait_for(self, count: int) -> None:
        with self.more:
            assert self.more.wait_for(lambda: sum(map(len, self.batches)) >= count, WITHIN)


def test_items_arrive_in_order_and_in_batches() -> None:
    road = Road()
    exporter = BatchExporter("traces", road.send, LATER, road.lost)
    for number in range(4):
        exporter.put(number)
    road.wait_for(4)  # a full batch does not wait for the clock
    exporter.put(4)
    exporter.close(lambda: None)
    assert road.batches == [[0, 1, 2, 3], [4]]
    assert road.lost == {}


def test_the_oldest_goes_and_is_counted() -> None:
    road = Road()
    road.open.clear()
    exporter = BatchExporter("traces", road.send, LATER, road.lost)
    for number in range(4):
        exporter.put(number)
    road.wait_for(4)
    for number in range(4, 20):
        exporter.put(number)
    assert road.lost == {("traces", "queue_full"): 8}
    road.open.set()
    exporter.close(lambda: None)
    assert [number for batch in road.batches for number in batch] == [0, 1, 2, 3, *range(12, 20)]


def test_what_does_not_arrive_is_counted() -> None:
    for arrives in (False, ValueError("x")):
        road = Road()
        road.arrives = arrives
        exporter = BatchExporter("logs", road.send, SOON, road.lost)
        for number in range(3):
            exporter.put(number)
        exporter.close(lambda: None)
        assert road.lost == {("logs", "export_failed"): 3}


def test_what_cannot_be_formed_is_counted_and_the_rest_arrives() -> None:
    road = Road()
    crashed: list[Exception] = []
    exporter = BatchExporter("traces", road.send, LATER, road.lost, lambda number: 12 // number, crashed.append)
    for number in (3, 0, 4, 6):
        exporter.put(number)
    road.wait_for(3)
    exporter.close(lambda: None)
    assert (road.batches, road.lost) == ([[4, 3, 2]], {})
    assert [type(error) for error in crashed] == [ZeroDivisionError]


def test_a_delivery_that_never_ends_does_not_keep_the_process() -> None:
    road = Road()
    road.open.clear()
    exporter = BatchExporter("traces", road.send, LATER, road.lost)
    for number in range(9):
        exporter.put(number)
    road.wait_for(4)
    interrupted = threading.Event()
    exporter.close(interrupted.set)
    assert interrupted.is_set()
    assert road.lost[("traces", "shutdown")] == 4  # one went for the ninth
    road.open.set()


def test_a_pulse_beats_once_more_at_the_end() -> None:
    beats: list[int] = []
    lost: Counter[tuple[str, str]] = Counter()

    def send() -> bool:
        beats.append(1)
        return len(beats) > 1

    periodic = PeriodicExporter("metrics", send, 1000.0, lost)
    periodic.close(lambda: None)
    assert (beats, lost) == ([1], {("metrics", "export_failed"): 1})


def test_a_pulse_beats_in_time() -> None:
    beaten = threading.Semaphore(0)

    def send() -> bool:
        beaten.release()
        return True

    periodic = PeriodicExporter("metrics", send, 0.001, Counter())
    assert all(beaten.acquire(timeout=WITHIN) for _ in range(3))
    periodic.close(lambda: None)


def test_all_end_at_once() -> None:
    roads = [Road(), Road()]
    workers = [(BatchExporter("x", road.send, LATER, road.lost), lambda: None) for road in roads]
    for exporter, _ in workers:
        exporter.put(1)
    together(workers)
    assert [road.batches for road in roads] == [[[1]], [[1]]]


def test_a_thread_outlives_whatever_its_deliveries_raise() -> None:
    road, crashed = Road(), list[Exception]()
    road.arrives = ValueError("x")
    exporter = BatchExporter("logs", road.send, SOON, road.lost, crashed=crashed.append)
    for number in range(1, 4):
        exporter.put(number)
        road.wait_for(number)
    road.arrives = True
    exporter.put(4)
    exporter.close(lambda: None)
    assert road.batches[-1] == [4]
    assert {type(error) for error in crashed} == {ValueError}
    assert road.lost == {("logs", "export_failed"): 3}


def test_a_pulse_outlives_whatever_its_deliveries_raise() -> None:
    beaten, crashed = threading.Semaphore(0), list[Exception]()

    def send() -> bool:
        beaten.release()
        raise ValueError("x")

    periodic = PeriodicExporter("metrics", send, 0.001, Counter(), crashed.append)
    assert all(beaten.acquire(timeout=WITHIN) for _ in range(3))
    periodic.close(lambda: None)
    assert {type(error) for error in crashed} == {ValueError}
