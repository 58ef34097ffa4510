"""What is in force is always the last of each order, whatever overlaps."""

import asyncio
from pathlib import Path

from tests.orders.interleaved import interleaved
from tests.within import within


def test_what_is_in_force_is_the_last_of_each(tmp_path: Path) -> None:
    done = asyncio.run(within(interleaved(tmp_path, 240, seed=7), 240))
    assert done["checks"] >= 40
