"""Clients × upstreams × drains × reloads × kills: what must hold after each step, whatever happens when."""

import os

import pytest

from guard.proxy.answers import Answers
from guard.proxy.deadlines import LINGER
from guard.proxy.pool import Pool
from guard.proxy.states import LINGERING
from tests.proxy.connections import walk

pytestmark = pytest.mark.source
STEPS = 1_000_000 if os.environ.get("GUARD_WHOLE") else 10_000
SEEDS = 10


def test_whatever_happens_nothing_is_cut_leaked_or_forgotten() -> None:
    ends = {end for seed in range(SEEDS) for end in walk(seed, STEPS // SEEDS)}
    assert ends >= {"FIN", "RST"}  # or the walk does not come far


def test_the_walk_finds_a_linger_that_begins_before_the_client_has_taken_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def close(self: Answers) -> None:
        before(self)
        self._state = LINGERING
        self.timer.cancel()
        self.timer.set(LINGER, self.timer._loop.clock.now + 1.0)  # type: ignore[attr-defined]

    before = Answers._close
    monkeypatch.setattr(Answers, "_close", close)
    with pytest.raises(AssertionError, match="cut that its client was reading"):
        for seed in range(SEEDS):
            walk(seed, 1000)


def test_the_walk_finds_a_reload_that_drops_connects_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    def close(self: Pool) -> None:
        before(self)
        for dial in self._dials:
            if dial.task is not None:
                dial.task.told = lambda _: None  # type: ignore[attr-defined]
                dial.task.cancel()

    before = Pool.close
    monkeypatch.setattr(Pool, "close", close)
    with pytest.raises(AssertionError, match="a dial that has ended"):
        for seed in range(SEEDS):
            walk(seed, 1000)
