"""Modes: the lowest word wins, epochs only rise, a raise is known as one."""

from hypothesis import given
from hypothesis import strategies as st

from guard.ladder.mode import KILLED, MODES, Order, Orders, kill_order
from guard.proxy.values import LEVEL, SOURCES, RungLimit

ROUTES = ("POST /a", "POST /b")
orders = st.tuples(st.sampled_from([None, *ROUTES]), st.sampled_from(MODES))
files = st.sampled_from([None, "", "rules", "disabled\n", "cached", "normal", "\x00\xff", "previous\nrules"])


def level(mode: str) -> int:
    return 0 if mode == "normal" else LEVEL[mode]  # type: ignore[index]


@given(st.lists(st.one_of(orders, files), max_size=30))
def test_the_lowest_of_global_route_and_file_wins(steps: list[object]) -> None:
    state, everywhere, own, file = Orders(), "normal", dict.fromkeys(ROUTES, "normal"), None
    for step in steps:
        if isinstance(step, tuple):
            route, mode = step
            before = everywhere if route is None else own[route]
            assert state.raises(route, mode) == (MODES.index(mode) < MODES.index(before))
            epoch = state.epoch
            state = state.decided(route, Order(mode))
            assert state.epoch == epoch + 1
            if route is None:
                everywhere = mode
            else:
                own[route] = mode
        else:
            order = kill_order(step, state.file, 0.0)  # type: ignore[arg-type]
            state = Orders(state.epoch, state.everywhere, state.routes, order)
            word = (step or "").strip().split("\n")[0] if step is not None else None  # type: ignore[union-attr]
            file = None if word is None else word if word in MODES[1:] else KILLED
        for route in ROUTES:
            rung_limit = RungLimit()
            state.bound(rung_limit, route)
            lowest = max(level(everywhere), level(own[route]), level(file or "normal"))
            assert rung_limit.level == lowest
            if lowest and file is not None and level(file) == lowest:
                assert rung_limit.why == "kill_file"
            assert (rung_limit.why == "kill_file") <= (file is not None)


def test_modes_and_levels_are_one_ladder() -> None:
    assert ("model", *MODES[1:]) == SOURCES
    assert [Order(mode).level for mode in MODES] == list(range(5))


def test_a_kill_file_that_stays_keeps_its_beginning() -> None:
    first = kill_order("rules", None, 5.0)
    assert kill_order("rules\nmore", first, 9.0) is first
    assert kill_order("disabled", first, 9.0) != first
    assert kill_order(None, first, 9.0) is None
