"""An alarm: one latched value that says what moved, since when, and how far; and when it is over.

- **Latched**: while it stands, evidence is frozen and nothing else alarms on the route; windows go on.
- **Severity** by Cohen's h of the headline: under 0.5 minor, under 0.8 major, else critical; a repeat cell is critical.
- **Over** by itself when every cell of the named signals has been inside its band, ± z/√n_eff, for a whole window. Then
  R ← 0.
- **Topic**: an input that repeats, or an age, is `data_freshness`; the rest is `model_quality`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, Final, Literal, TypeAlias

from guard.monitoring.detector import Band, Suspect, theta
from guard.monitoring.signals import Signal
from guard.monitoring.stages import Stage
from guard.monitoring.window import wilson

Severity: TypeAlias = Literal["minor", "major", "critical"]
Topic: TypeAlias = Literal["model_quality", "data_freshness"]
Verdict: TypeAlias = Literal["accept", "reset", "over"]
"""The end of an alarm: the new state was accepted, the alarm was false, or the traffic is as before."""

MAJOR: Final = 0.5
CRITICAL: Final = 0.8


@dataclass(frozen=True, slots=True)
class Moved:
    """A cell that moved. Shares are 0 to 1; the interval is Wilson's, of the rows since the onset."""

    signal: str
    cell: str
    before: float
    after: float
    low: float
    high: float
    rows: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. Times are in seconds of the wall clock. `private` signals name no cells and no shares.

    `signals` are all that e-d-BH names, strongest first: the first is the headline. `effect` is Cohen's h, with its sign.
    """

    at: float
    onset: float
    signals: tuple[str, ...]
    topic: Topic
    severity: Severity
    effect: float
    rows: float
    stage: Stage
    evidence: float
    threshold: float
    moved: tuple[Moved, ...]

    @property
    def headline(self) -> str:
        """The strongest signal."""
        return self.signals[0]

    def to_dict(self) -> dict[str, Any]:
        """The alarm as JSON; `alarm_from` reads it."""
        return asdict(self)


def alarm_from(tree: dict[str, Any]) -> Alarm:
    """The alarm that `to_dict` wrote."""
    moved = tuple(Moved(**cell) for cell in tree["moved"])
    return Alarm(**{**tree, "moved": moved, "signals": tuple(tree["signals"])})


def severity_of(effect: float, signal: Signal) -> Severity:
    """The severity of an effect; see the module."""
    if signal.kind == "repeat" or abs(effect) >= CRITICAL:
        return "critical"
    return "major" if abs(effect) >= MAJOR else "minor"


def topic_of(signal: Signal) -> Topic:
    """The owner's topic that the alarm concerns."""
    stale = signal.field.kind == "age" or (signal.kind == "repeat" and signal.side == "input")
    return "data_freshness" if stale else "model_quality"


def raise_alarm(
    suspects: Sequence[tuple[Suspect, Signal, float]],
    stage: Stage,
    evidence: float,
    threshold: float,
    now: float,
    onset: float,
) -> Alarm:
    """The alarm of suspects, each with its signal and its winning cell's reference share. The first is the headline."""
    first, signal, share = suspects[0]
    effect = theta(first.hits / first.trials) - theta(share) if first.trials > 0.0 else 0.0
    moved = tuple(
        Moved(suspect.signal, suspect.cell, before, suspect.hits / suspect.trials,
              *wilson(suspect.hits, suspect.trials), suspect.trials)
        for suspect, named, before in suspects
        if suspect.trials > 0.0 and not named.field.private
    )  # fmt: skip
    names = tuple(suspect.signal for suspect, _, _ in suspects)
    return Alarm(
        now, onset, names, topic_of(signal), severity_of(effect, signal), effect, first.trials, stage,
        evidence, threshold, moved,
    )  # fmt: skip


def inside(
    hits: Sequence[float], trials: float, bands: Sequence[Band | None], z: float, dispersion: float, *, upwards_only: bool
) -> bool:
    """Whether every armed cell's share of a window is within its band, give or take z/√n_eff."""
    if trials <= 0.0:
        return True
    doubt = z * sqrt(dispersion / trials)
    for count, band in zip(hits, bands, strict=True):
        if band is None:
            continue
        angle = theta(count / trials)
        if angle > band.high + doubt or (not upwards_only and angle < band.low - doubt):
            return False
    return True
