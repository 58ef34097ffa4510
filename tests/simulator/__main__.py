"""`make simulate SEEDS=1000`: so many worlds; the first that breaks an invariant is named, and ends it."""

import sys
import time
import traceback

from tests.simulator.world import simulate

seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
begun, exchanges = time.perf_counter(), 0
for seed in range(first, first + seeds):
    try:
        exchanges += len(simulate(seed).clients)
    except Exception:  # whatever it is, its seed is what matters
        traceback.print_exc()
        sys.exit(f"seed {seed}: make simulate SEEDS=1 FIRST={seed}")
took = time.perf_counter() - begun
print(f"{seeds} seeds, {exchanges} exchanges, {exchanges / took:,.0f} a second: every invariant holds")
