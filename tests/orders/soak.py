"""The promises about orders at their full length: `make soak`.

python -m tests.orders.soak [--kills 1000] [--restarts 100] [--rounds 10000] [--seed N]
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.orders.interleaved import interleaved
from tests.orders.promises import figures, kills_among_viewers, kills_in_force, kills_survive


async def soak(kills: int, restarts: int, rounds: int, seed: int) -> None:
    """Raises AssertionError where a promise is broken."""
    with tempfile.TemporaryDirectory(prefix="guard-orders-") as name:
        for part in ("kills", "viewers", "restarts", "rounds"):
            (Path(name) / part).mkdir()
        took = await kills_in_force(Path(name) / "kills", kills)
        print("kill under compilation, slow disk and traffic, in ms:", json.dumps(figures(took)), flush=True)
        await kills_among_viewers(Path(name) / "viewers", kills // 5)
        print(f"kill among 30 viewers: {kills // 5} times, none late", flush=True)
        await kills_survive(Path(name) / "restarts", restarts)
        print(f"kill -9 after durable: {restarts} times, none lost", flush=True)
        done = await interleaved(Path(name) / "rounds", rounds, seed)
        print("interleaved, none lost:", json.dumps(dict(sorted(done.items()))), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.monotonic()))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    sys.exit(asyncio.run(soak(asked.kills, asked.restarts, asked.rounds, asked.seed)))
