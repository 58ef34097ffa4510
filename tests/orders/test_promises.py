"""Orders are in force within 100 ms whatever happens meanwhile, and are never forgotten once they are durable."""

import asyncio
from pathlib import Path

from tests.orders.promises import kills_among_viewers, kills_in_force, kills_survive


def test_a_kill_waits_for_no_compilation_no_disk_and_no_traffic(tmp_path: Path) -> None:
    assert len(asyncio.run(kills_in_force(tmp_path, 50))) == 50


def test_a_kill_that_was_said_to_be_durable_survives_kill_9(tmp_path: Path) -> None:
    asyncio.run(kills_survive(tmp_path, 4))


def test_a_kill_waits_for_no_viewers(tmp_path: Path) -> None:
    asyncio.run(kills_among_viewers(tmp_path, 10))
