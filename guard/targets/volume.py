"""Whether as much is asked as expected: `targets.expected_rate`. Silence and surge are incidents and never act. Pure.

Silence: no request for max(10 min, 20 ÷ expected rate); where requests come independently that happens by chance once in
e^20 such times. Surge: in five minutes more than three times as many as expected, and a hundred at least. `expected` may be
a season's rate for this hour of the week.
"""

from typing import Final, Literal, TypeAlias

Volume: TypeAlias = Literal["ok", "silence", "surge"]
SILENCE: Final = 600.0
USUAL: Final = 20.0
SURGE: Final = 3.0
SURGE_OVER: Final = 300.0
LEAST: Final = 100


def silence(expected: float) -> float:
    """Seconds without a request that are no chance any more."""
    return max(SILENCE, USUAL / expected)


def judge(expected: float, quiet: float, recent: int) -> Volume:
    """The volume of a service. `expected` per second, above 0. `recent`: requests of the last five minutes.

    `quiet`: seconds since the last request, or since counting began.
    """
    if quiet >= silence(expected):
        return "silence"
    if recent >= max(LEAST, SURGE * expected * SURGE_OVER):
        return "surge"
    return "ok"
