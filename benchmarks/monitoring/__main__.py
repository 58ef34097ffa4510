"""Run lengths in every null and delays of shifts, in full: about twenty minutes of one core.

python -m benchmarks.monitoring [--streams 200] [--days 28] [--waves 20]
"""

import argparse
import statistics
import sys
import time

from benchmarks.monitoring import streams

A = 2_000.0
MONTH = 2_592_000.0
SHIFTS = ((0.5, 0.6, 1_400), (0.3, 0.4, 1_300), (0.1, 0.2, 680), (0.05, 0.15, 440))
RARE = (("missing 1 to 5 %", 0.01, 0.05, 900), ("unseen class 0 to 1 %", 0.0, 0.01, 900))


def main() -> int:
    """Print every figure beside its bound. Exit 1 where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--ticks", type=int, default=10_000)
    parser.add_argument("--waves", type=int, default=20)
    parser.add_argument("--days", type=int, default=28)
    options = parser.parse_args()
    missed = run_lengths(options.streams, options.ticks) + delays(options.streams)
    missed += waves(options.waves, options.days)
    print("all bounds hold" if not missed else f"{missed} bounds missed")
    return 1 if missed else 0


def run_lengths(count: int, ticks: int) -> int:
    """Ticks in all ÷ alarms: at least A where the promise holds. A stream without alarm counts its ticks."""
    nulls = {
        "independent, reference of 10⁶ rows": lambda seed: streams.independent(seed, ticks, A, 10**6),
        "on the band's edge": lambda seed: streams.edge(seed, ticks, A),
        "reference of 500 rows": lambda seed: streams.independent(seed, ticks, A, 500),
        "Markov, ρ = 0.6": lambda seed: streams.markov(seed, ticks, A),
        "batches of equal rows": lambda seed: streams.batches(seed, ticks // 2, A),
    }
    missed = 0
    for name, null in nulls.items():
        begun = time.perf_counter()
        limit = ticks // 2 if name.startswith("batches") else ticks
        lengths = [null(seed) for seed in range(count)]
        alarms = sum(length <= limit for length in lengths)
        mean = sum(min(length, limit) for length in lengths) / max(1, alarms)
        missed += mean < A
        sign = ">" if not alarms else "="
        print(f"run length  {name:36} {sign} {mean:12,.0f} ticks, {alarms} alarms of {count} streams"
              f"  (bound {A:,.0f}; {time.perf_counter() - begun:.0f} s)", flush=True)  # fmt: skip
    return missed


def delays(count: int) -> int:
    """Rows to the alarm at one false alarm a month: one of 50 cells; and one of 23 signals with 20,000 reference rows."""
    missed = 0
    for before, after, bound in SHIFTS:
        for label, reference, weight, limit in (
            ("10⁶ rows, 1 of 50 cells", 10**6, 1 / 50, bound),
            ("20,000 rows, 1 of 23 signals", 20_000, 1 / 23, 1.6 * bound),
        ):
            rows = [streams.delay(seed, before, after, reference, weight, MONTH) for seed in range(count)]
            mean = statistics.mean(rows)
            missed += mean > limit
            print(f"delay       {before:.0%} to {after:.0%}, {label:30} mean {mean:7,.0f}, median "
                  f"{statistics.median(rows):7,.0f} rows  (bound {limit:,.0f})", flush=True)  # fmt: skip
    for label, before, after, limit in RARE:
        rows = [streams.delay(seed, before, after, 10**6, 1 / 50, MONTH) for seed in range(count)]
        mean = statistics.mean(rows)
        missed += mean > limit
        print(f"delay       {label:37} mean {mean:7,.0f} rows  (bound {limit:,.0f})", flush=True)
    return missed


def waves(count: int, days: int) -> int:
    """A daily wave of ±6 points: alarms ÷ ticks over all streams at most 1/A."""
    alarms = ticks = 0
    stages = set()
    for seed in range(count):
        found, seen, stage = streams.daily_wave(seed, days, A)
        alarms, ticks = alarms + found, ticks + seen
        stages.add(stage)
    print(f"daily wave  {count} streams of {days} days: {alarms} alarms in {ticks:,} ticks, at the end {sorted(stages)}"
          f"  (bound {ticks / A:,.0f} alarms)", flush=True)  # fmt: skip
    return int(alarms > ticks / A)


if __name__ == "__main__":
    sys.exit(main())
