"""Stages: what a signal's reference allows to be claimed, as bands. Only a reference arms a cell.

    counting    nothing is armed: no reference yet
    gross       u = max(½, z/√m_eff): from the first 2,000 requests; a file whose season, or whose D, is still to be learned
    fixed       u = h₀ + z/√m_eff: no season, or a field with its own h₀
    envelope    the range over the hours of the week, after 7 days and 20,000 rows
    slot        each hour of the week, after 3 weeks
    shown       constant or absent in the reference: its figures are shown, nothing is armed
    refused     D above 50

m_eff = m/D with m credited rows, z = 3. p̂ = (c + ½)/(m + 1). A repeat cell is armed only where the reference repeats in at
most a fifth of trials: where values repeat anyway, the share given the previous value is far from the mean, and the value
cells see a constant sooner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal, TypeAlias

from guard.monitoring.detector import DISPERSION_LIMIT, Band, theta

Stage: TypeAlias = Literal["counting", "gross", "fixed", "envelope", "slot", "shown", "refused"]
SeasonMode: TypeAlias = Literal["unset", "none", "week"]
"""The policy's `season`; `unset` is a guard without `monitor`: gross, and nothing is learned beyond."""

Z: Final = 3.0
GROSS: Final = 0.5
TOLERATE: Final = 0.03
GROSS_REQUESTS: Final = 2_000
ENVELOPE_DAYS: Final = 7.0
ENVELOPE_ROWS: Final = 20_000.0
SLOT_DAYS: Final = 21.0
ORDINARY_REPEATS: Final = 0.2
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Learned:
    """The knowledge about one signal. `seasoned` is seconds since its season began, None if no season is learned.

    `rows` are its own trials, `requests` those that its side's reference was learned of.
    """

    rows: float
    requests: int
    from_file: bool
    constant: bool
    dispersion: float
    dispersion_known: bool
    seasoned: float | None = None
    season_rows: float = 0.0


def stage_of(season: SeasonMode, tolerate: float | None, learned: Learned | None) -> Stage:
    """The stage of a signal. `tolerate` is the field's own; `learned` is None before there is a reference."""
    if learned is None or learned.rows <= 0.0:
        return "counting"
    if learned.constant:
        return "shown"
    if learned.dispersion > DISPERSION_LIMIT:
        return "refused"
    if tolerate is not None or season == "none":
        ready = learned.dispersion_known and (learned.from_file or learned.requests >= GROSS_REQUESTS)
        return "fixed" if ready else "gross"
    if season == "week" and learned.seasoned is not None and learned.season_rows >= ENVELOPE_ROWS:
        if learned.seasoned >= SLOT_DAYS * DAY:
            return "slot"
        if learned.seasoned >= ENVELOPE_DAYS * DAY:
            return "envelope"
    return "gross"


def bands(stage: Stage, hits: Sequence[float], rows: float, tolerate: float, dispersion: float) -> list[Band | None]:
    """The bands of stages `gross` and `fixed`, for a reference with these hits in `rows` credited rows; else none."""
    if stage not in ("gross", "fixed") or rows <= 0.0:
        return [None] * len(hits)
    doubt = Z * sqrt(dispersion / rows)
    u = max(GROSS, doubt) if stage == "gross" else tolerate + doubt
    return [Band(angle - u, angle + u) for angle in (theta((count + 0.5) / (rows + 1.0)) for count in hits)]


def is_constant(hits: Sequence[float], rows: float) -> bool:
    """Whether each cell is always or never hit. Not asked of states, which ought to be never hit."""
    return all(count <= 0.0 or count >= rows for count in hits)


def repeats_anyway(hits: float, trials: float) -> bool:
    """Whether a field's values repeat so often that a further repetition is no evidence."""
    return hits > ORDINARY_REPEATS * trials
