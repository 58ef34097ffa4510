"""Hands each event to whoever subscribed to its type.

`publish` may be called from any thread, and never raises: a subscriber that raises is counted under its name, and neither
the publisher nor another subscriber notices. Subscribers are called in the publisher's thread, in the order in which they
subscribed; one that belongs to a loop is called by that loop.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import Any, Final, NamedTuple

from guard.control.place import place_of_error
from guard.events import Event


class Subscriber(NamedTuple):
    """A subscriber. `types`: empty for every event. `loop`: the loop whose thread makes the call; None for any thread."""

    name: str
    handler: Callable[[Any], object]
    types: frozenset[type[Event]]
    loop: asyncio.AbstractEventLoop | None


class EventBus:
    """The bus of one process. `crashes` counts by subscriber; `places` says where each crashed last."""

    def __init__(self) -> None:
        self.crashes: Counter[str] = Counter()
        self.places: dict[str, str] = {}
        self._subscribers: tuple[Subscriber, ...] = ()
        self._lock: Final = Lock()

    def subscribe(
        self,
        name: str,
        handler: Callable[[Any], object],
        *types: type[Event],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Call `handler` with every event of these types, or with every event where none is named."""
        with self._lock:
            self._subscribers = (*self._subscribers, Subscriber(name, handler, frozenset(types), loop))

    def names(self) -> tuple[str, ...]:
        """The names of the subscribers."""
        return tuple(subscriber.name for subscriber in self._subscribers)

    def publish(self, event: Event) -> None:
        """Hand it to its subscribers."""
        kind = type(event)
        for subscriber in self._subscribers:
            if not subscriber.types or kind in subscriber.types:
                self._hand(subscriber, event)

    def _hand(self, subscriber: Subscriber, event: Event) -> None:
        loop = subscriber.loop
        if loop is None or loop is _running():
            self._call(subscriber, event)
            return
        try:
            loop.call_soon_threadsafe(self._call, subscriber, event)
        except RuntimeError as error:  # the loop is closed: the process ends
            self._crashed(subscriber, error)

    def _call(self, subscriber: Subscriber, event: Event) -> None:
        try:
            subscriber.handler(event)
        except Exception as error:  # noqa: BLE001 — whatever it is, it is the subscriber's alone
            self._crashed(subscriber, error)

    def _crashed(self, subscriber: Subscriber, error: Exception) -> None:
        with self._lock:
            self.crashes[subscriber.name] += 1
            self.places[subscriber.name] = place_of_error(error)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
