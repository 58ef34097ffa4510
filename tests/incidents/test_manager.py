"""The incidents of one process, from events to a webhook: nothing that happens once ends them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from guard.control.event_bus import EventBus
from guard.control.incidents import manager as module
from guard.control.incidents.manager import IncidentManager
from guard.events import Event, IncidentFailed, Ready
from guard.policy.loading import load
from tests.incidents.receiver import Receiver, receiving
from tests.incidents.test_ledger import breaker, lowered

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:1
webhooks: [{url: URL}]
routes:
  POST /p:
    input: {age: {type: integer}}
    output: {label: {enum: [a]}}
    fallback: {label: a}
"""


class Stand:
    """A manager with a webhook, breakers that the test sets, and a clock that stands still."""

    def __init__(self, url: str, tmp_path: Any) -> None:
        (tmp_path / "policy.yaml").write_text(POLICY.replace("URL", url))
        loaded = load(tmp_path / "policy.yaml", environ={})
        self.bus, self.breakers, self.events = EventBus(), {}, []
        self.bus.subscribe("test", self.events.append, IncidentFailed)
        self.lost: Counter[tuple[str, str]] = Counter()
        runtime: Any = SimpleNamespace(breakers=self.breakers)
        plan: Any = SimpleNamespace(routes=[])
        self.manager = IncidentManager(
            self.bus, runtime, lambda: (loaded, plan), wall=lambda: 1.7e9, environ={}, delivered=Counter(), lost=self.lost
        )

    def open(self, *keys: tuple[str, str]) -> None:
        """These breakers are open, and every other is not there."""
        self.breakers.clear()
        self.breakers.update({key: SimpleNamespace(state="open") for key in keys})


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def played(stand: Stand, dialogue: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager watches while the test's part is played; every turn looks at everything."""
    monkeypatch.setattr(module, "EVERY", 0.001)
    monkeypatch.setattr(module, "RATES_EVERY", 0.0)

    async def main() -> None:
        watching = asyncio.get_running_loop().create_task(stand.manager.watch())
        try:
            await asyncio.to_thread(dialogue)
            assert not watching.done(), watching
        finally:
            watching.cancel()

    try:
        asyncio.run(main())
    finally:
        asyncio.run(stand.manager.end())


def kinds(hook: Receiver, count: int) -> list[str]:
    return [body["kind"] for body in hook.wait(count)]


def test_a_reload_that_replaces_an_open_breaker_does_not_silence_what_comes_after(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    stand = Stand(hook.url, tmp_path)

    def dialogue() -> None:
        stand.open(("POST /p", "model"))
        stand.bus.publish(breaker("open"))
        assert kinds(hook, 1) == ["breaker"]
        stand.open()
        while next(iter(stand.manager._ledger._open.values())).quiet_since is None:
            assert stand.manager._ledger._open
        stand.bus.publish(lowered())
        assert kinds(hook, 2) == ["breaker", "mode"]

    played(stand, dialogue, monkeypatch)
    assert (stand.events, stand.lost) == ([], {})


def test_an_event_that_fails_is_counted_and_published_with_its_place_and_the_rest_go_on(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    stand = Stand(hook.url, tmp_path)
    real = module.changes

    def fails(event: Any, wall: float) -> Iterator[Any]:
        if event.why == "CANARY":
            raise KeyError(event.why)
        return real(event, wall)

    monkeypatch.setattr(module, "changes", fails)

    def dialogue() -> None:
        stand.bus.publish(lowered(why="CANARY"))
        stand.bus.publish(lowered(why="after"))
        assert [body["cause"]["why"] for body in hook.wait(1)] == ["after"]

    played(stand, dialogue, monkeypatch)
    (event,) = stand.events
    assert (event.event, event.error) == ("mode", "KeyError")
    assert event.place.startswith("guard/control/incidents/manager.py:")
    assert "CANARY" not in str(event)
    assert stand.lost == {("alerts", "crashed"): 1}


def test_a_notice_that_fails_for_one_webhook_is_counted_and_the_next_notice_is_sent(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    stand = Stand(hook.url, tmp_path)
    real = module.alert

    def fails(notice: Any, around: Any) -> Any:
        if notice.opens.subject.route == "POST /bad":
            raise TypeError
        return real(notice, around)

    monkeypatch.setattr(module, "alert", fails)

    def dialogue() -> None:
        stand.bus.publish(lowered(route="POST /bad"))
        stand.bus.publish(lowered(route="POST /good"))
        assert [body["route"] for body in hook.wait(1)] == ["POST /good"]

    played(stand, dialogue, monkeypatch)
    (event,) = stand.events
    assert (event.event, event.error) == ("mode", "TypeError")


def test_too_many_events_at_once_drop_the_oldest_and_count_them(hook: Receiver, tmp_path: Any) -> None:
    stand = Stand(hook.url, tmp_path)
    for number in range(module.MOST + 3):
        stand.bus.publish(lowered(why=str(number)))
    assert stand.lost == {("alerts", "events_full"): 3}
    event: Event = stand.manager._queue[-1]
    assert event == lowered(why=str(module.MOST + 2))


def test_only_events_that_an_incident_comes_from_are_queued(hook: Receiver, tmp_path: Any) -> None:
    stand = Stand(hook.url, tmp_path)
    stand.bus.publish(Ready())
    assert not stand.manager._queue
