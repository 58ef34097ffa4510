"""One bus: who is called, in which thread, and what becomes of a subscriber that fails."""

import asyncio
import threading
from typing import Any

from guard.control.event_bus import EventBus
from guard.events import Event, Hint, Ready
from tests.within import within


def test_a_subscriber_gets_the_types_that_it_asked_for_in_order() -> None:
    bus, every, ready = EventBus(), [], []
    bus.subscribe("every", every.append)
    bus.subscribe("ready", ready.append, Ready)
    events: list[Event] = [Hint(message="a"), Ready(), Hint(message="b")]
    for event in events:
        bus.publish(event)
    assert every == events
    assert ready == [Ready()]


def test_a_subscriber_that_raises_is_counted_with_its_place_and_nobody_else_notices() -> None:
    def fails(_: Event) -> None:
        raise ValueError("CANARY")

    bus, after = EventBus(), []
    bus.subscribe("bad", fails)
    bus.subscribe("good", after.append)
    bus.publish(Ready())
    bus.publish(Ready())
    assert len(after) == 2
    assert bus.crashes == {"bad": 2}
    assert bus.places["bad"].endswith("fails") or ":" in bus.places["bad"]
    assert "CANARY" not in str(bus.places)


def test_a_subscriber_of_a_loop_is_called_in_its_thread_whoever_publishes() -> None:
    async def main() -> None:
        bus, called = EventBus(), []
        arrived = asyncio.Event()

        def take(_: Any) -> None:
            called.append(threading.current_thread())
            arrived.set()

        bus.subscribe("loop", take, Ready, loop=asyncio.get_running_loop())
        bus.publish(Ready())
        assert called == [threading.current_thread()], "in the loop itself at once"
        arrived.clear()
        await asyncio.to_thread(bus.publish, Ready())
        await within(arrived.wait(), 10)
        assert called == [threading.current_thread()] * 2

    asyncio.run(main())


def test_a_subscriber_whose_loop_is_closed_is_counted_and_the_publisher_goes_on() -> None:
    bus, loop = EventBus(), asyncio.new_event_loop()
    bus.subscribe("gone", lambda _: None, loop=loop)
    loop.close()
    bus.publish(Ready())
    assert bus.crashes == {"gone": 1}


def test_threads_publish_at_once_and_nothing_is_lost() -> None:
    bus, taken, crashes = EventBus(), [], 50

    def sometimes(event: Hint) -> None:
        if event.message == "bad":
            raise OSError
        taken.append(event)

    bus.subscribe("one", sometimes, Hint)

    def publish() -> None:
        for _ in range(crashes):
            bus.publish(Hint(message="bad"))
            bus.publish(Hint(message="good"))

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), bus.crashes["one"]) == (8 * crashes, 8 * crashes)
