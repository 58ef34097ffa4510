"""Orders: in force at once, then durable and audited, read before the first client."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from guard.control import audit_reader, journal, kill_file, order_store, orders_file
from guard.control.journal import Journal
from guard.control.order_store import OrderStore, Refused, Wanted
from guard.control.state import StateFolder
from guard.events import Event
from guard.policy.errors import Place, PolicyError, PolicyInvalid
from guard.proxy.values import RungLimit
from tests.within import within


class Floor:
    """A data plane of two routes, one store of orders, and everything that is told."""

    def __init__(self, runner: asyncio.Runner, folder: Path | None = None, *, wall: float = 1000.0) -> None:
        self.runner = runner
        self.bounds = {"POST /a": RungLimit(), "POST /b": RungLimit()}
        self.forced: dict[str, str] = {}
        self.events: list[str] = []
        self.plans: list[frozenset[str]] = []
        self.broken = False  # plans do not compile
        self.wall = wall
        self.cuts = 0
        self.journal = Journal(self.publish)
        self.store = OrderStore(self, self.journal, wall=lambda: self.wall, publish=self.publish)
        self.state = StateFolder(folder) if folder is not None else None
        self.run(self.recall())

    async def recall(self) -> None:
        self.store.recall(self.state)

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def publish(self, event: Event) -> None:
        self.events.append(event.name)

    # ── what a store moves ──

    def rung_limits(self) -> Iterable[tuple[str, RungLimit]]:
        return self.bounds.items()

    def has_contract(self, route: str) -> bool:
        return route != "POST /bare"

    def force(self, forced: Mapping[str, str]) -> None:
        self.forced = dict(forced)

    def cut(self) -> int:
        self.cuts += 1
        return 3

    def observe(self, wanted: Wanted, hold: Callable[[], None]) -> "asyncio.Future[None]":
        async def change() -> None:
            routes = wanted()
            if routes is None:
                return
            if self.broken:
                raise PolicyInvalid([PolicyError(Place("p.yaml"), (), "no such CA")])
            self.plans.append(routes)
            hold()

        return asyncio.ensure_future(change())

    # ── what operators do ──

    def restart(self, wall: float | None = None) -> "Floor":
        self.run(self.journal.settled(5.0))
        assert self.state is not None
        self.state.close()
        return Floor(self.runner, self.state.folder, wall=self.wall if wall is None else wall)

    def order(self, mode: Any, route: str | None = None, **changes: Any) -> dict[str, Any]:
        options: dict[str, Any] = {"reason": "r", "ttl": None, "cut": False, "who": "eve", "epoch": None, **changes}
        return self.run(self.store.set_mode(mode=mode, route=route, **options))

    def enforcement(self, route: str, to: Any, ttl: float | None = None) -> dict[str, Any]:
        return self.run(self.store.set_enforcement(route=route, enforcement=to, reason="r", ttl=ttl, actor="eve"))

    def expire(self) -> None:
        async def expire() -> None:
            self.store.expire_modes()

        self.run(expire())

    def refused(self, *arguments: Any, **changes: Any) -> int:
        with pytest.raises(Refused) as refused:
            self.order(*arguments, **changes)
        return refused.value.status

    @property
    def levels(self) -> list[int]:
        return [rung_limit.level for rung_limit in self.bounds.values()]

    def audited(self) -> list[dict[str, Any]]:
        self.run(self.journal.settled(5.0))
        assert self.state is not None
        entries: list[dict[str, Any]] = json.loads(audit_reader.newest(self.state.path, 100))["entries"]
        return entries


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


def test_an_order_survives_a_restart_and_leads_back(runner: asyncio.Runner, tmp_path: Path) -> None:
    floor = Floor(runner, tmp_path)
    answer = floor.order("rules", cut=True)
    assert answer == {"epoch": 1, "mode": "rules", "route": None, "cut": 3, "durable": True, "audited": True}
    assert floor.order("disabled", "POST /b")["epoch"] == 2
    assert floor.levels == [3, 4]
    floor = floor.restart()
    assert floor.levels == [3, 4]
    assert floor.refused("normal") == 428
    assert floor.refused("normal", epoch=0) == 412
    assert floor.refused("normal", epoch=3) == 412, "an epoch that has not been yet"
    floor.order("normal", epoch=2)
    assert floor.levels == [0, 4]
    floor.order("cached", "POST /b", epoch=3)
    assert floor.restart().levels == [0, 2]


def test_only_an_order_of_the_same_scope_makes_a_raise_stale(runner: asyncio.Runner, tmp_path: Path) -> None:
    floor = Floor(runner, tmp_path)
    floor.order("rules")
    floor.order("rules", "POST /a", ttl=60.0)
    floor.run(floor.store.set_breaker(route="POST /a", target="model", state="open", reason="r", actor="ann"))
    floor.enforcement("POST /b", "observe", 60.0)
    floor.store._ends["POST /a"] = 0.0
    floor.expire()
    assert floor.levels == [3, 3]
    floor = floor.restart()
    floor.order("normal", epoch=1)
    floor.order("disabled", "POST /a")
    known = floor.store.orders.epoch
    floor.order("rules")
    floor.order("normal", "POST /a", epoch=known)
    assert floor.refused("normal", epoch=known) == 412
    assert floor.levels == [3, 3]


def test_who_asks_for_it_gives_an_order_only_if_nobody_else_did(runner: asyncio.Runner, tmp_path: Path) -> None:
    floor = Floor(runner, tmp_path)
    mine = floor.order("previous", "POST /a", expected_epoch=0)["epoch"]
    floor.order("rules", "POST /a", who="ann")
    assert floor.refused("disabled", "POST /a", expected_epoch=mine) == 412
    assert floor.store.orders.order("POST /a").who == "ann"
    floor.order("disabled", "POST /a")
    assert floor.levels == [4, 0], "whoever lowers and asks for nothing is not refused"


def test_every_order_is_audited(runner: asyncio.Runner, tmp_path: Path) -> None:
    floor = Floor(runner, tmp_path)
    floor.order("rules", "POST /a", ttl=60.0)
    [entry] = floor.audited()
    assert entry == {
        "at": "1970-01-01T00:16:40.000Z", "who": "eve", "what": "mode", "route": "POST /a", "from": "normal", "to": "rules",
        "why": "r", "until": 1060.0, "epoch": 1, "durable": True,
    }  # fmt: skip
    assert floor.events == ["mode"]


@pytest.mark.parametrize(("mode", "route", "status"), [("canary", None, 422), ("rules", "POST /none", 404)])
def test_an_order_that_means_nothing_is_refused(runner: asyncio.Runner, mode: str, route: str | None, status: int) -> None:
    floor = Floor(runner)
    assert floor.refused(mode, route) == status
    assert (floor.levels, floor.events) == ([0, 0], [])


# ── disks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_does_not_stop_a_kill_which_is_durable_once_there_is_room(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "AGAIN", 0.001)
    floor = Floor(runner, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(floor.state, "save", full)
        assert floor.order("rules")["durable"] is False
        assert floor.levels == [3, 3]
        assert not floor.store.durable

    async def mended() -> None:
        while not floor.store.durable:
            await asyncio.sleep(0.001)

    floor.run(within(mended(), 10.0))
    assert floor.events == ["mode", "orders_not_durable", "orders_durable"]
    assert floor.restart().levels == [3, 3]


def test_without_a_folder_nothing_is_durable(runner: asyncio.Runner) -> None:
    floor = Floor(runner)
    answer = floor.order("rules")
    assert (answer["durable"], answer["audited"], floor.store.durable, floor.levels) == (False, False, False, [3, 3])


def test_an_audit_that_cannot_be_written_stops_nothing_and_is_written_later(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "AGAIN", 0.001)
    floor = Floor(runner, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(floor.journal.audit, "append", full)
        answer = floor.order("rules")
        assert (answer["durable"], answer["audited"], floor.levels) == (True, False, [3, 3])
        assert "audit_unavailable" in floor.events
    floor.order("disabled")
    assert [entry["to"] for entry in floor.audited()] == ["disabled", "rules"]


def test_an_order_is_in_force_and_answered_while_the_disk_hangs(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "ANSWER_WITHIN", 0.001)
    floor = Floor(runner, tmp_path)
    assert floor.state is not None
    goes_on, real = threading.Event(), floor.state.save

    def hangs(name: str, content: bytes) -> None:
        goes_on.wait()
        real(name, content)

    monkeypatch.setattr(floor.state, "save", hangs)
    for mode, level in (("previous", 1), ("cached", 2), ("rules", 3), ("disabled", 4)):
        assert floor.order(mode)["durable"] is False
        assert floor.levels == [level, level]
    assert not floor.store.durable
    goes_on.set()
    floor.run(floor.journal.settled(5.0))
    assert floor.store.durable
    assert floor.events[-1] == "orders_durable"
    assert [entry["to"] for entry in floor.audited()] == ["disabled", "rules", "cached", "previous"]
    assert floor.restart().levels == [4, 4]


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_time_to_live_ends_whatever_the_wall_clock_does(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 50.0
    monkeypatch.setattr(order_store, "monotonic", lambda: now)
    floor = Floor(runner, tmp_path)
    floor.order("rules", ttl=60.0)
    floor.wall += 1e6
    floor.expire()
    assert floor.levels == [3, 3]
    now = 110.0
    floor.expire()
    assert floor.levels == [0, 0]
    assert floor.audited()[0]["why"] == "its ttl has ended"
    floor.order("rules", ttl=60.0)
    wall = floor.wall
    floor = floor.restart(wall + 30.0)
    assert floor.levels == [3, 3]
    floor = floor.restart(wall - 1e6)
    now += 59.0
    floor.expire()
    assert floor.levels == [3, 3]
    now += 1.0
    floor.expire()
    assert floor.levels == [0, 0], "a clock that went back makes it no longer"
    floor.order("rules", ttl=60.0)
    floor = floor.restart(floor.wall + 90.0)
    assert floor.levels == [0, 0]
    assert floor.audited()[0]["why"] == "its ttl has ended"


def test_a_clock_that_is_centuries_ahead_breaks_no_order(runner: asyncio.Runner, tmp_path: Path) -> None:
    floor = Floor(runner, tmp_path, wall=1.2e10)
    floor.order("rules", ttl=60.0)
    assert floor.audited()[0]["at"].startswith("2350-")
    floor = floor.restart()
    assert floor.levels == [3, 3]
    assert floor.restart(wall=1.7e9).levels == [3, 3]


# ── enforcement ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_contract_is_observed_for_a_time(runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr(order_store, "monotonic", lambda: now)
    floor = Floor(runner, tmp_path)
    assert floor.enforcement("POST /a", "observe", 60.0)["in_force"] is True
    assert floor.enforcement("POST /b", "observe", 600.0)["epoch"] == 2
    floor.bounds["POST /bare"] = RungLimit()  # without a contract
    for route, ttl, status in (("POST /a", None, 422), ("POST /none", 60.0, 404), ("POST /bare", 60.0, 422)):
        with pytest.raises(Refused) as refused:
            floor.enforcement(route, "observe", ttl)
        assert refused.value.status == status
    assert floor.enforcement("POST /b", "enforce")["enforcement"] == "enforce"
    assert floor.plans[-1] == {"POST /a"}
    now = 80.0
    floor = floor.restart(floor.wall + 30)
    floor.run(floor.store.expire_observations())
    assert floor.store.observed == {"POST /a"}
    now = 111.0
    floor.run(floor.store.expire_observations())
    assert floor.plans == [frozenset()]
    assert floor.audited()[0]["why"] == "its ttl has ended"
    floor.enforcement("POST /a", "observe", 60.0)
    assert floor.restart(floor.wall + 90.0).store.observed == frozenset(), "it ended while guard was down"


def test_an_order_that_does_not_compile_is_refused_and_leaves_no_trace(runner: asyncio.Runner, tmp_path: Path) -> None:
    floor = Floor(runner, tmp_path)
    floor.broken = True
    with pytest.raises(Refused) as refused:
        floor.enforcement("POST /a", "observe", 60.0)
    assert (refused.value.status, refused.value.code) == (409, "policy")
    assert (floor.store.observed, floor.store.orders.epoch, floor.audited()) == (frozenset(), 0, [])
    floor.broken = False
    assert floor.restart().store.observed == frozenset()


def test_an_observation_whose_end_does_not_compile_stays_due_and_ends_later(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 50.0
    monkeypatch.setattr(order_store, "monotonic", lambda: now)
    floor = Floor(runner, tmp_path)
    floor.enforcement("POST /a", "observe", 60.0)
    floor.order("rules", "POST /b", ttl=60.0)
    floor.broken = True
    for _ in range(3):
        now += 60.0
        floor.run(floor.store.expire_observations())
    assert floor.store.observed == {"POST /a"}
    assert floor.events.count("enforcement_due") == 1
    floor.broken = False
    now += 1.0
    floor.run(floor.store.expire_observations())
    assert floor.store.observed == frozenset()


def test_the_end_of_an_observation_does_not_undo_a_later_order(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 50.0
    monkeypatch.setattr(order_store, "monotonic", lambda: now)
    floor = Floor(runner, tmp_path)
    floor.enforcement("POST /a", "observe", 60.0)
    queued: list[tuple[Wanted, Callable[[], None]]] = []

    def later(wanted: Wanted, hold: Callable[[], None]) -> "asyncio.Future[None]":
        queued.append((wanted, hold))
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    now = 111.0
    with monkeypatch.context() as patch:
        patch.setattr(floor, "observe", later)
        floor.run(floor.store.expire_observations())
    floor.enforcement("POST /a", "observe", 600.0)
    assert queued[0][0]() is None, "by its turn the order that ended is not in force any more"


def test_an_order_that_comes_while_an_end_waits_for_its_plan_is_no_error_of_the_next_end(
    runner: asyncio.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 50.0
    monkeypatch.setattr(order_store, "monotonic", lambda: now)
    floor = Floor(runner, tmp_path)
    floor.enforcement("POST /a", "observe", 60.0)
    floor.enforcement("POST /b", "observe", 60.0)
    real = floor.observe

    def slow(wanted: Wanted, hold: Callable[[], None]) -> "asyncio.Future[None]":
        async def change() -> None:
            monkeypatch.setattr(floor, "observe", real)
            await floor.store.set_enforcement(route="POST /b", enforcement="enforce", reason="r", ttl=None, actor="ann")
            await real(wanted, hold)

        return asyncio.ensure_future(change())

    monkeypatch.setattr(floor, "observe", slow)
    now = 111.0
    floor.run(floor.store.expire_observations())
    assert floor.store.observed == frozenset()
    assert [entry["who"] for entry in floor.audited()[:2]] == ["eve", "ann"]


# ── damage, the kill file ─────────────────────────────────────────────────────────────────────────────────────────────

WHOLE = '{"format":1,"epoch":EPOCH,"everywhere":{"mode":"MODE","since":SINCE},"routes":{},"forced":{},"observed":{}}'


def whole(epoch: str = "1", mode: str = "normal", since: str = "0") -> bytes:
    return WHOLE.replace("EPOCH", epoch).replace("MODE", mode).replace("SINCE", since).encode()


@pytest.mark.parametrize(
    ("content", "level"),
    [(b"", 3), (b"{", 3), (b"[]", 3), (b"null", 3), (b'{"format": 2}', 3), (b"\xff\xfe", 3), (b"[" * 200_000, 3), (b'{"a":' * 99_999, 3),
     (whole(mode="fast"), 3), (whole().replace(b'"since"', b'"extra"'), 3), (whole("1e999"), 3), (whole("-1"), 3), (whole("NaN"), 3),
     (whole("true"), 3), (whole(since="1e999"), 3), (whole(since="1e300"), 3), (whole(since="-1"), 3), (whole(since='"x"'), 3),
     (whole("1e999", "disabled"), 4), (whole("-1", "cached"), 3), (whole(since="1e300", mode="disabled"), 4)],
)  # fmt: skip
def test_orders_that_cannot_be_read_are_taken_for_a_kill_at_the_lowest_rung_they_name(
    runner: asyncio.Runner, tmp_path: Path, content: bytes, level: int
) -> None:
    state = StateFolder(tmp_path)
    state.save(orders_file.NAME, content)
    state.close()
    floor = Floor(runner, tmp_path)
    assert floor.levels == [level, level]
    assert floor.events[0] == "orders_unreadable"
    floor.order("normal", epoch=0)
    assert floor.levels == [0, 0], "and there is a way back"
    assert floor.restart().events == []


def test_a_folder_in_doubt_kills_and_an_order_below_it_stays(runner: asyncio.Runner, tmp_path: Path) -> None:
    floor = Floor(runner, tmp_path)

    async def recall() -> None:
        floor.store.recall(floor.state, doubt="it cannot be written")

    floor.run(recall())
    assert floor.levels == [3, 3]
    assert floor.store.orders.everywhere.reason == "it cannot be written"
    floor.order("disabled")
    floor.run(recall())
    assert floor.levels == [4, 4]


def test_forced_breakers_stay_forced(runner: asyncio.Runner, tmp_path: Path) -> None:
    floor = Floor(runner, tmp_path)
    floor.run(floor.store.set_breaker(route="POST /a", target="model", state="open", reason="r", actor="eve"))
    assert floor.restart().forced == {"POST /a > model": "open"}
    saved = json.loads((tmp_path / "private" / orders_file.NAME).read_text())
    assert saved["forced"] == {"POST /a > model": "open"}


def test_the_kill_file(runner: asyncio.Runner, tmp_path: Path) -> None:
    floor = Floor(runner, tmp_path)
    path = tmp_path / "KILL"

    async def look() -> None:
        floor.store.apply_kill_file(kill_file.read_kill_file(path))

    floor.run(look())
    assert floor.levels == [0, 0]
    for content, levels in ((b"", [3, 3]), (b"disabled\nbecause", [4, 4]), (b"\xff\x00", [3, 3]), (b"cached", [2, 2])):
        path.write_bytes(content)
        floor.run(look())
        assert floor.levels == levels
        assert floor.bounds["POST /a"].why == "kill_file"
    floor.order("disabled", "POST /a")
    assert floor.levels == [4, 2]
    path.unlink()
    floor.run(look())
    assert floor.levels == [4, 0]


def test_a_kill_file_without_text_that_can_be_read_keeps_its_order_or_kills(runner: asyncio.Runner) -> None:
    async def unreadable(floor: Floor, *, there: bool, first: bool) -> list[int]:
        floor.store.apply_unreadable_kill_file(there=there, first=first)
        return floor.levels

    for there, first, levels in ((True, False, [3, 3]), (False, True, [3, 3]), (False, False, [0, 0])):
        assert runner.run(unreadable(Floor(runner), there=there, first=first)) == levels

    floor = Floor(runner)

    async def named() -> None:
        floor.store.apply_kill_file("disabled")

    runner.run(named())
    assert runner.run(unreadable(floor, there=True, first=True)) == [4, 4]
