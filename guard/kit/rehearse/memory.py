"""Resident memory of processes, and whether it grows with every request.

A leak is told from warming up: a process that warms up grows less and less, one that leaks grows as much for the last
thousand requests as for the first. So the samples of a steady load are cut into windows, the least of each window counts
(garbage comes and goes above it), and the growth must go on to the end.
"""

import os
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
WINDOWS: Final = 8
LEAST_WINDOWS: Final = 5
WARM_UP: Final = 0.25
"""Share of the samples that are not looked at."""
LEAST_GROWTH: Final = 3 << 20
"""Bytes: an arena of CPython's allocator is one MiB, of glibc's malloc up to that."""
LEAST_SHARE: Final = 0.01
GOING_ON: Final = 0.5
"""The growth of each half is at least that share of the average."""


class Sample(NamedTuple):
    """A sample at a moment of the load."""

    requests: int
    resident: int


class Growth(NamedTuple):
    """The growth of a process's memory.

    `per_request`: bytes, by the median of all slopes (Theil and Sen); `seen`: the least growth for each request that would
    have been noticed.
    """

    first: int
    last: int
    per_request: float
    seen: float
    leaks: bool


def growth(samples: Sequence[Sample]) -> Growth | None:
    """None: too few samples to tell."""
    warm = samples[int(len(samples) * WARM_UP) :]
    count = min(WINDOWS, len(warm) // 3)
    if count < LEAST_WINDOWS or warm[-1].requests <= warm[0].requests:
        return None
    size = len(warm) / count
    windows = [warm[int(index * size) : int((index + 1) * size)] for index in range(count)]
    points = [
        Sample(int(median(sample.requests for sample in window)), min(sample.resident for sample in window))
        for window in windows
    ]
    slope = _slope(points)
    middle = len(points) // 2
    halves = [_slope(points[: middle + 1]), _slope(points[middle:])]
    grown = points[-1].resident - points[0].resident
    least = max(LEAST_GROWTH, int(points[0].resident * LEAST_SHARE))
    rising = sum(after.resident > before.resident for before, after in pairwise(points))
    requests = max(1, points[-1].requests - points[0].requests)
    leaks = (
        grown >= least
        and slope > 0
        and all(half >= slope * GOING_ON for half in halves)
        and rising >= (len(points) - 1) * 0.7
    )
    return Growth(points[0].resident, points[-1].resident, slope, least / requests, leaks)


def _slope(points: Sequence[Sample]) -> float:
    """Bytes for each request: the median over all pairs, which a few odd windows cannot move."""
    slopes = [
        (two.resident - combination.resident) / (two.requests - combination.requests)
        for combination, two in combinations(points, 2)
        if two.requests > combination.requests
    ]
    return median(slopes) if slopes else 0.0


def resident_of(pid: int) -> int | None:
    """Bytes of a process and of all below it, workers of a server; None where it is gone, or the system has no /proc."""
    try:
        total = _resident(pid)
    except OSError:
        return None
    for child in _children(pid):
        total += resident_of(child) or 0
    return total


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    except OSError:
        pass
    return children
