"""The public figures of a monitor: for each signal its stage, evidence, effect, distance and sample. No values.

Evidence is linear, in units of a route's mixture, and capped at 10¹²: the mean over replicas of E is again an
e-detector, so `avg by (route)(guard_drift_evidence) >= A` is a valid rule for a fleet.
"""

from dataclasses import dataclass
from typing import Final

from guard.monitoring.detector import theta
from guard.monitoring.monitor import RouteMonitor
from guard.monitoring.signals import Signal
from guard.monitoring.stages import Stage
from guard.monitoring.window import stability_index, total_variation

EVIDENCE_CAP: Final = 1e12


@dataclass(frozen=True, slots=True)
class SignalFigures:
    """One signal, lately. `effect` is the largest |h| of its cells in the window, with its sign; shares are the window's.

    `psi` and `tv` are distances between the reference and the window, over the signal's own cells. `shares` are empty for
    fields above `internal`.
    """

    signal: str
    stage: Stage
    evidence: float
    dispersion: float
    reference_rows: float
    window_rows: float
    effect: float
    psi: float
    tv: float
    shares: tuple[tuple[str, float, float], ...]
    """Cell, share in the reference, share in the window."""


def figures(monitor: RouteMonitor) -> list[SignalFigures]:
    """The figures of every signal of a route."""
    counts = monitor.window.counts()
    return [_figures(monitor, place, signal, counts) for place, signal in enumerate(monitor.signals)]


def evidence(monitor: RouteMonitor) -> float:
    """E of the route, capped for export."""
    return min(monitor.detector.evidence, EVIDENCE_CAP)


def _figures(monitor: RouteMonitor, place: int, signal: Signal, counts: list[float]) -> SignalFigures:
    before, m = signal.read(monitor.reference)
    after, n = signal.read(counts)
    pairs = [((b + 0.5) / (m + 1.0), (a / n) if n else 0.0) for b, a in zip(before, after, strict=True)]
    known = m > 0.0 and n > 0.0
    effects = [theta(q) - theta(p) for p, q in pairs] if known else [0.0]
    old, new = _partition(signal, before, m), _partition(signal, after, n)
    bets = monitor.detector.signals[place]
    return SignalFigures(
        signal.name, monitor.stages[place], min(bets.weight * bets.mixture, EVIDENCE_CAP), bets.dispersion, m, n,
        max(effects, key=abs), stability_index(old, new) if known else 0.0, total_variation(old, new),
        () if signal.field.private or not known else tuple(
            (cell, p, q) for cell, (p, q) in zip(signal.cells, pairs, strict=True)
        ),
    )  # fmt: skip


def _partition(signal: Signal, hits: list[float], trials: float) -> list[float]:
    """Counts of cells of which each row is in exactly one: intervals of cumulative cells, and what no cell holds."""
    if signal.kind == "values" and signal.field.kind != "class":
        return [after - before for before, after in zip([0.0, *hits], [*hits, trials], strict=True)]
    return [*hits, max(0.0, trials - sum(hits))]
