"""Simulated streams for the detector: nulls at the edge of what is promised, and shifts.

Each function gives the number of ticks to the alarm of one seeded stream. Time is simulated; nothing waits.
"""

from math import pi, sin, sqrt

import numpy as np

from guard.monitoring.cells import UNIT, FieldSpec
from guard.monitoring.detector import Band, Detector, SignalEvidence, theta
from guard.monitoring.dispersion import Dispersion
from guard.monitoring.monitor import MonitorConfig, RouteMonitor
from guard.monitoring.stages import TOLERATE, Z

ROWS = 50
"""Rows a tick."""


def watched(share: float, rows: int, weight: float, threshold: float, dispersion: float = 1.0) -> Detector:
    """One cell in stage `fixed`, of a reference with this share of so many rows."""
    signal = SignalEvidence("cell", weight, ["cell"])
    u = TOLERATE + Z * sqrt(dispersion / rows)
    signal.arm([Band(theta(share) - u, theta(share) + u)], dispersion)
    return Detector([signal], threshold)


def run_length(counts, detector: Detector, trials: float, dispersion: Dispersion | None = None) -> int:
    """Ticks to the alarm; one more than there are counts where none came. D is measured as it goes where given."""
    for at, x in enumerate(counts):
        hits = [float(x)]
        if detector.tick([hits], [trials], at):
            return at + 1
        if dispersion is not None:
            dispersion.add(hits, trials, at)
            detector.signals[0].dispersion = dispersion.value
    return len(counts) + 1


def independent(seed: int, ticks: int, threshold: float, reference: int) -> int:
    """Rows are independent and as in the reference, which is a sample of so many rows."""
    rng = np.random.default_rng(seed)
    share = (rng.binomial(reference, 0.3) + 0.5) / (reference + 1)
    return run_length(rng.binomial(ROWS, 0.3, ticks), watched(share, reference, 1.0, threshold), ROWS)


def edge(seed: int, ticks: int, threshold: float) -> int:
    """The share stands exactly on the band's upper edge: the hardest case of the null."""
    rng = np.random.default_rng(seed)
    detector = watched(0.3, 10**6, 1.0, threshold)
    bound = sin((theta(0.3) + TOLERATE + Z / 1000.0) / 2.0) ** 2
    return run_length(rng.binomial(ROWS, bound, ticks), detector, ROWS)


def markov(seed: int, ticks: int, threshold: float, rho: float = 0.6, *, tempered: bool = True) -> int:
    """Each row repeats the one before with probability rho. D is measured for 200 ticks first, as learning does."""
    rng = np.random.default_rng(seed)
    measured = 200
    rows = (ticks + measured) * ROWS
    fresh = rng.random(rows) >= rho
    fresh[0] = True
    drawn = rng.random(rows) < 0.3
    latest = np.maximum.accumulate(np.where(fresh, np.arange(rows), 0))
    counts = drawn[latest].reshape(-1, ROWS).sum(axis=1)
    dispersion = Dispersion(1)
    for at in range(measured):
        dispersion.add([float(counts[at])], ROWS, at)
    reference = measured * ROWS
    share = counts[:measured].sum() / reference
    detector = watched(share, reference, 1.0, threshold, dispersion.value if tempered else 1.0)
    return run_length(counts[measured:], detector, ROWS, dispersion if tempered else None)


def batches(seed: int, ticks: int, threshold: float) -> int:
    """Every second tick is one request of 50 equal rows, else 50 requests of one row: one request is one bet."""
    rng = np.random.default_rng(seed)
    monitor = RouteMonitor(MonitorConfig((FieldSpec("y", "output", "class", ("a", "b")),), threshold, "none"), 0.0)
    for learning in monitor.learning.values():
        learning.requests = 0
    wall, alarm = 0.0, None
    for at in range(ticks + 400):
        tally = monitor.tally
        values = np.where(rng.random(ROWS) < 0.3, "a", "b").tolist()
        if at % 2:
            tally.begin(at, ROWS)
            tally.fields[0].add([values[0]] * ROWS)
        else:
            for value in values:
                tally.begin(at, 1)
                tally.fields[0].add([value])
        wall += 1.0
        alarm = monitor.tick(wall)
        if alarm is not None:
            return max(1, at - 399)
    return ticks + 1


def daily_wave(seed: int, days: int, threshold: float, shift=None, rows: int = 500) -> tuple[int, int, str]:
    """A share of 0.3 ± 0.06 over the day, in ticks of 10 seconds. Gives alarms, each reset, ticks and the last stage."""
    rng = np.random.default_rng(seed)
    field = FieldSpec("y", "output", "class", ("a", "b"))
    monitor = RouteMonitor(MonitorConfig((field,), threshold, "week"), 0.0)
    alarms = ticks = 0
    for at in range(0, days * 86_400, 10):
        share = 0.3 + 0.06 * sin(2.0 * pi * at / 86_400)
        if shift is not None:
            share = shift(at, share)
        hits = int(rng.binomial(rows, share))
        tally = monitor.tally
        tally.requests += rows
        base = tally.fields[0].base
        tally.counts[base] += hits * UNIT
        tally.counts[base + 1] += (rows - hits) * UNIT
        ticks += 1
        if monitor.tick(float(at)) is not None:
            alarms += 1
            monitor.end("reset")
    return alarms, ticks, monitor.stages[0]


def delay(
    seed: int, before: float, after: float, reference: int, weight: float, threshold: float, limit: int = 4_000
) -> int:
    """Rows to the alarm after a shift, which comes after 200 ticks as in the reference."""
    rng = np.random.default_rng(seed)
    share = (rng.binomial(reference, before) + 0.5) / (reference + 1)
    detector = watched(share, reference, weight, threshold)
    run_length(rng.binomial(ROWS, before, 200), detector, ROWS)
    return run_length(rng.binomial(ROWS, after, limit), detector, ROWS) * ROWS
