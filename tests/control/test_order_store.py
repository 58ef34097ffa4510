"""Orders: in force at once, durable before they are acknowledged, read before the first client."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from guard.control import kill_file, order_store
from guard.control.order_store import OrderStore, Refused
from guard.control.state import StateFolder
from guard.proxy.values import Ceiling


class Floor:
    """Two routes, and everything that is told."""

    def __init__(self, folder: Path | None = None) -> None:
        self.ceilings = {"POST /a": Ceiling(), "POST /b": Ceiling()}
        self.forced: dict[str, str] = {}
        self.events: list[str] = []
        self.audited: list[dict[str, Any]] = []
        self.observed: list[frozenset[str]] = []
        self.wall = 1000.0
        self.cuts = 0
        self.operations = OrderStore(
            self.ceilings.items, wall=lambda: self.wall, publish=lambda event: self.events.append(event.name),
            cut=self.cut, force=lambda forced: self.forced.update(forced), audit=self.audited.append, recompile=self.recompile,
        )  # fmt: skip
        self.state = StateFolder(folder) if folder is not None else None
        self.operations.recall(self.state)

    async def recompile(self) -> None:
        self.observed.append(frozenset(self.operations.orders.observed or {}))

    def cut(self) -> int:
        self.cuts += 1
        return 3

    def restart(self) -> "Floor":
        assert self.state is not None
        self.state.close()
        return Floor(self.state.folder)

    def order(self, mode: str, route: str | None = None, **changes: Any) -> dict[str, Any]:
        options: dict[str, Any] = {"reason": "r", "ttl": None, "cut": False, "who": "eve", "epoch": None, **changes}
        return asyncio.run(self.operations.set_mode(mode=mode, route=route, **options))

    @property
    def levels(self) -> list[int]:
        return [ceiling.level for ceiling in self.ceilings.values()]


def test_an_order_survives_a_restart_and_leads_back(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    assert floor.order("rules", cut=True) == {"epoch": 1, "mode": "rules", "route": None, "durable": True, "cut": 3}
    assert floor.order("disabled", "POST /b")["epoch"] == 2
    assert floor.levels == [3, 4]
    floor = floor.restart()
    assert floor.levels == [3, 4]
    with pytest.raises(Refused) as refused:
        floor.order("normal")
    assert refused.value.status == 428
    with pytest.raises(Refused) as refused:
        floor.order("normal", epoch=1)
    assert refused.value.status == 412
    floor.order("normal", epoch=2)
    assert floor.levels == [0, 4]
    floor.order("cached", "POST /b", epoch=3)
    assert floor.restart().levels == [0, 2]


def test_every_order_is_audited() -> None:
    floor = Floor()
    floor.order("rules", "POST /a", ttl=60.0)
    (entry,) = floor.audited
    assert entry == {
        "at": 1000.0, "who": "eve", "what": "mode", "route": "POST /a", "from": "normal", "to": "rules", "why": "r",
        "until": 1060.0, "epoch": 1, "durable": False,
    }  # fmt: skip
    assert floor.events == ["mode"]


@pytest.mark.parametrize(("mode", "route", "status"), [("canary", None, 422), ("rules", "POST /none", 404)])
def test_an_order_that_means_nothing_is_refused(mode: str, route: str | None, status: int) -> None:
    floor = Floor()
    with pytest.raises(Refused) as refused:
        floor.order(mode, route)
    assert (refused.value.status, floor.levels, floor.audited) == (status, [0, 0], [])


def test_a_full_disk_does_not_stop_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    floor = Floor(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(floor.state, "save", full)
    assert floor.order("rules")["durable"] is False
    assert floor.levels == [3, 3]
    assert not floor.operations.durable
    monkeypatch.undo()
    assert floor.order("disabled")["durable"] is True


def test_an_audit_that_cannot_be_written_does_not_stop_a_kill() -> None:
    floor = Floor()

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    floor.operations._audit = full
    floor.order("rules")
    assert (floor.levels, floor.operations.durable) == ([3, 3], False)


def test_a_time_to_live_ends_whatever_the_wall_clock_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr(order_store, "monotonic", lambda: now)
    floor = Floor(tmp_path)
    floor.order("rules", ttl=60.0)
    floor.wall += 1e6
    asyncio.run(floor.operations.expire())
    assert floor.levels == [3, 3]
    now = 110.0
    asyncio.run(floor.operations.expire())
    assert floor.levels == [0, 0]
    assert floor.audited[-1]["why"] == "its time is over"
    floor.order("rules", ttl=60.0)
    assert floor.state is not None
    floor.state.close()
    for passed, levels in ((30.0, [3, 3]), (90.0, [0, 0])):
        again = later(tmp_path, floor.wall + passed)
        assert again.levels == levels
        assert again.state is not None
        again.state.close()


def later(folder: Path, wall: float) -> Floor:
    """A guard that starts at another time."""
    floor = Floor()
    floor.wall = wall
    floor.state = StateFolder(folder)
    floor.operations.recall(floor.state)
    return floor


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"format": 2}', b'{"format":1,"epoch":1,"everywhere":{"mode":"fast"},"routes":{},"forced":{},"observed":{}}',
     b'{"format":1,"epoch":1,"everywhere":{"mode":"normal","extra":1},"routes":{},"forced":{},"observed":{}}', b"\xff\xfe"],
)  # fmt: skip
def test_orders_that_cannot_be_read_are_taken_for_a_kill(tmp_path: Path, content: bytes) -> None:
    state = StateFolder(tmp_path)
    state.save(order_store.STATE, content)
    state.close()
    floor = Floor(tmp_path)
    assert floor.levels == [3, 3]
    assert floor.events == ["orders_unreadable"]


def test_forced_breakers_stay_forced(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    asyncio.run(floor.operations.set_breaker(route="POST /a", target="model", state="open", reason="r", who="eve"))
    assert floor.restart().forced == {"POST /a > model": "open"}
    saved = json.loads((tmp_path / "private" / order_store.STATE).read_text())
    assert saved["forced"] == {"POST /a > model": "open"}


def test_the_kill_file(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    path = tmp_path / "KILL"
    floor.operations.heed_file(kill_file.look(path))
    assert floor.levels == [0, 0]
    for content, levels in ((b"", [3, 3]), (b"disabled\nbecause", [4, 4]), (b"\xff\x00", [3, 3]), (b"cached", [2, 2])):
        path.write_bytes(content)
        floor.operations.heed_file(kill_file.look(path))
        assert floor.levels == levels
        assert floor.ceilings["POST /a"].why == "kill_file"
    floor.order("disabled", "POST /a")
    assert floor.levels == [4, 2]
    path.unlink()
    floor.operations.heed_file(kill_file.look(path))
    assert floor.levels == [4, 0]
    path.mkdir()
    assert kill_file.look(path) == "", "what has the name kills"


def test_a_kill_file_that_cannot_be_looked_at_is_not_gone(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(kill_file.Unreadable):
        kill_file.look(loop)


def test_a_contract_is_observed_for_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr(order_store, "monotonic", lambda: now)
    floor = Floor(tmp_path)

    def order(route: str, enforcement: str, ttl: float | None) -> dict[str, Any]:
        return asyncio.run(
            floor.operations.set_enforcement(route=route, enforcement=enforcement, reason="r", ttl=ttl, who="eve")
        )

    assert order("POST /a", "observe", 60.0)["enforcement"] == "observe"
    assert order("POST /b", "observe", 600.0)["epoch"] == 2
    for route, ttl, status in (("POST /a", None, 422), ("POST /none", 60.0, 404)):
        with pytest.raises(Refused) as refused:
            order(route, "observe", ttl)
        assert refused.value.status == status
    assert order("POST /b", "enforce", None)["enforcement"] == "enforce"
    assert floor.observed[-1] == {"POST /a"}
    floor.wall += 30
    now = 80.0
    assert floor.state is not None
    floor.state.close()
    floor = later(tmp_path, floor.wall)
    asyncio.run(floor.operations.expire())
    assert floor.operations.orders.observed.keys() == {"POST /a"}  # type: ignore[union-attr]
    now = 111.0
    asyncio.run(floor.operations.expire())
    assert floor.observed == [frozenset()]
    assert floor.audited[-1]["why"] == "its time is over"
