"""A drill takes nothing from anybody: orders of operators stand, and what it lowered is given back, whatever happens."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guard.cli.operate import AdminAnswer, Endpoint, Where
from guard.kit import lowering
from guard.kit.lowering import Lowering, Untouched, interruptible
from guard.ladder.mode import NORMAL, Order, Orders

ROUTE = "POST /p"
WHERE = Where(None, None, None, {})
ENDPOINT = Endpoint("http://127.0.0.1:1", "t")


class Served:
    """What guard does with orders, without sockets. `before` is called with each request before it is served."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.given: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _method: None
        self.after: Callable[[str], None] = lambda _method: None
        self.lost = 0
        """So many requests get no answer, and are served all the same."""
        self.gone = False

    def ask(
        self, _endpoint: Endpoint, method: str, _path: str, body: Any = None, *, ca: Any = None, epoch: str = ""
    ) -> AdminAnswer:
        del ca
        if self.gone:
            return AdminAnswer(0, {"code": "unreachable"}, "")
        self.before(method)
        said = self.status() if method == "GET" else self.put(body, int(epoch))
        self.after(method)
        if self.lost:
            self.lost -= 1
            return AdminAnswer(0, {"code": "unreachable"}, "")
        return said

    def status(self) -> AdminAnswer:
        def told(order: Order) -> dict[str, Any]:
            return {"mode": order.mode, "who": order.who, "reason": order.reason}

        routes = [{"route": ROUTE, **told(self.orders.in_force(ROUTE)[0])}]
        body = {"epoch": self.orders.epoch, **told(self.orders.everywhere), "routes": routes}
        return AdminAnswer(200, body, str(self.orders.epoch))

    def put(self, body: dict[str, Any], epoch: int) -> AdminAnswer:
        raises = self.orders.raises(ROUTE, body["mode"])
        if self.orders.stale(ROUTE, body["expected_epoch"]) or (raises and self.orders.stale(ROUTE, epoch)):
            return AdminAnswer(412, {"code": "epoch"}, "")
        self.decide(body["mode"], "drill", body["reason"])
        assert (body["ttl"] is None) == (body["mode"] == "normal")
        return AdminAnswer(200, {"epoch": self.orders.epoch}, "")

    def decide(self, mode: Any, who: str, reason: str = "harm", route: str | None = ROUTE) -> None:
        self.given.append((who, mode))
        self.orders = self.orders.decided(route, Order(mode, reason, who))

    @property
    def mode(self) -> str:
        return self.orders.order(ROUTE).mode


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    made = Served()
    monkeypatch.setattr(lowering, "ask", made.ask)
    monkeypatch.setattr(lowering, "PAUSE", 0.0)
    return made


def drill(served: Served, *rungs: str) -> None:
    with interruptible(), Lowering(ENDPOINT, WHERE, ROUTE) as lowered:
        for rung in rungs:
            lowered.order(rung)
            assert served.mode == rung


ALL = ("normal", "previous", "cached", "rules", "disabled")


def test_a_route_is_lowered_rung_by_rung_and_given_back(served: Served) -> None:
    drill(served, *ALL)
    assert served.given == [("drill", mode) for mode in (*ALL[1:], "normal")]


@pytest.mark.parametrize("route", [ROUTE, None])
def test_a_route_that_is_lowered_is_not_touched(served: Served, route: str | None) -> None:
    served.decide("rules", "ann", route=route)
    with pytest.raises(Untouched, match="lowered to rules by ann: harm; the drill leaves it as it is"):
        drill(served, *ALL)
    assert served.given == [("ann", "rules")]


@pytest.mark.parametrize("mode", ALL)
@pytest.mark.parametrize("request_", range(10))
@pytest.mark.parametrize("route", [ROUTE, None])
def test_what_somebody_else_orders_meanwhile_stands(served: Served, mode: str, request_: int, route: str | None) -> None:
    """Before any request of the drill, and whatever it is."""
    count = 0

    def meanwhile(_method: str) -> None:
        nonlocal count
        if count == request_:
            served.decide(mode, "ann", route=route)
        count += 1

    served.before = meanwhile
    try:
        drill(served, *ALL)
    except Untouched:
        pass
    if ("ann", mode) not in served.given:
        return
    if route == ROUTE:
        after = served.given[served.given.index(("ann", mode)) + 1 :]
        assert served.orders.order(ROUTE) == (Order(mode, "harm", "ann") if mode != "normal" else NORMAL)  # type: ignore[arg-type]
        assert not after or mode == "normal", "the drill orders nothing any more"
    else:
        assert served.orders.everywhere.mode == mode
        assert served.mode == "normal", "and gives its own route back"


def test_every_signal_that_ends_a_process_by_default_is_among_those_that_give_back() -> None:
    """But SIGPROF, SIGVTALRM and the like, which profilers use; SIGPIPE, which Python ignores; and faults of the process."""
    ending = {"SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGXCPU"}
    assert {number.name for number in lowering.ENDING} == ending


def test_a_signal_that_is_ignored_stays_ignored(served: Served) -> None:
    """A drill under nohup outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    served.after = lambda _method: os.kill(os.getpid(), signal.SIGHUP)
    try:
        drill(served, *ALL)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("request_", range(14))
def test_a_signal_at_any_moment_leaves_the_route_as_it_was(
    served: Served, number: signal.Signals, when: str, request_: int
) -> None:
    """Also between the moment that an order is served and the one that its answer is read."""
    count = 0

    def interrupt(_method: str) -> None:
        nonlocal count
        count += 1
        if count == request_:
            os.kill(os.getpid(), number)

    setattr(served, when, interrupt)
    before = [signal.getsignal(item) for item in (signal.SIGINT, *lowering.ENDING)]
    codes: list[object] = []
    try:
        drill(served, *ALL)
    except KeyboardInterrupt:
        codes.append(128 + signal.SIGINT)
    except SystemExit as ended:
        codes.append(ended.code)
    assert codes in ([], [128 + number])
    assert served.mode == "normal"
    assert [signal.getsignal(item) for item in (signal.SIGINT, *lowering.ENDING)] == before


@pytest.mark.parametrize("request_", range(1, 14))
def test_an_answer_that_is_lost_loses_no_route(served: Served, request_: int) -> None:
    count = 0

    def lose(_method: str) -> None:
        nonlocal count
        count += 1
        served.lost = int(count == request_)

    served.before = lose
    try:
        drill(served, *ALL)
    except Untouched:
        pass
    assert served.mode == "normal"


def test_a_guard_that_is_gone_is_told_about(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Untouched, match="unreachable"), Lowering(ENDPOINT, WHERE, ROUTE) as lowered:
        lowered.order("rules")
        served.gone = True
        lowered.order("disabled")
    assert capsys.readouterr().err == f"guard: this drill still lowers {ROUTE}, for 60 s at most\n"


def test_nothing_else_of_the_kit_orders_a_mode() -> None:
    """The law is kept in one place."""
    kit = Path(lowering.__file__).parent
    results = [path for path in kit.rglob("*.py") if '"/mode"' in path.read_text()]
    assert [path.name for path in results] == ["lowering.py"]
