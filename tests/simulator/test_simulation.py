"""Two hundred worlds; `make simulate` runs more."""

from collections import Counter

import pytest

from tests.simulator.world import simulate

pytestmark = pytest.mark.source


@pytest.mark.parametrize("batch", range(10))
def test_every_invariant_holds_in_every_world(batch: int) -> None:
    seen: Counter[str | None] = Counter()
    for seed in range(batch * 20, batch * 20 + 20):
        try:
            seen += simulate(seed).sources
        except AssertionError as broken:
            broken.add_note(f"make simulate SEEDS=1 FIRST={seed}")
            raise
    assert set(seen) == {"model", "previous", "cached", "rules", "disabled", None}, (
        "a world in which less happens proves less"
    )


def test_a_world_is_the_same_each_time() -> None:
    first, second = simulate(7), simulate(7)
    assert (first.sources, first.now) == (second.sources, second.now)
