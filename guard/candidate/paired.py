"""Pairs of a candidate's answers and the model's to the same requests: what is counted, and what the counts decide. Pure.

For each route and metric three integers are kept (`evidence`). Only metrics with a tolerance decide; the shift of
classes is shown. Counts of replicas, and of the time before a restart, are added.
"""

from collections.abc import Mapping
from math import log
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from guard.candidate.evidence import Pairs, interval, log_harm, log_safe

State: TypeAlias = Literal["pass", "fail", "open"]
UNSIGNED: Final = frozenset(("label", "score"))
"""Metrics of disagreement: no pair is a better one."""
LEAST: Final = 1e-6
"""Smallest tolerance of a metric that has no better pairs: against none at all nothing can be bet."""
COMPARED: Final = 0.9
"""Share of the chosen requests that has to be compared, or nothing is proven: what was passed over may be what differs."""
MOST_COUNTED: Final = 1000
"""Most counts that are kept: routes × (metrics + classes)."""

Key: TypeAlias = tuple[str, str]
"""A route and a metric."""


class Gate(NamedTuple):
    """A metric that decides, and its tolerance."""

    route: str
    metric: str
    delta: float

    @property
    def signed(self) -> bool:
        """Whether a pair may be a better one."""
        return self.metric not in UNSIGNED

    @property
    def tolerated(self) -> float:
        """The tolerance that is bet against."""
        return self.delta if self.signed else max(self.delta, LEAST)


class Judged(NamedTuple):
    """Evidence of the pairs of a gate."""

    gate: Gate
    pairs: Pairs
    state: State
    harm: float
    harm_wall: float
    safe: float
    safe_wall: float
    floor: float | None
    """The least tolerance that the noise of the model itself allows; None: unknown, without an A/A run."""

    def told(self) -> str:
        """The counts for a person."""
        low, high = interval(self.pairs, signed=self.gate.signed)
        words = "worse, same, better" if self.gate.signed else "differ, agree"
        worse, same, better = self.pairs
        counts = f"{worse}, {same}, {better}" if self.gate.signed else f"{worse}, {same}"
        floor = "unknown" if self.floor is None else f"{self.floor:.2%}"
        noise = "" if self.gate.signed else f"; floor {floor}"
        within = f"excess {low:+.2%} to {high:+.2%}, tolerated {self.gate.delta:.2%}"
        return f"{words}: {counts}; {within}{noise}"


class PairCounts:
    """The counts about one candidate against one model."""

    def __init__(self) -> None:
        self.counts: dict[Key, list[int]] = {}
        self.noise: dict[Key, list[int]] = {}
        """Counts of an A/A run: the model against itself."""
        self.chosen = self.compared = 0
        """Requests that were to be compared, and those that were."""

    def note(self, route: str, metric: str, candidate: bool, model: bool, *, noise: bool = False) -> None:  # noqa: FBT001
        """Count a pair by whether each answer is a bad one."""
        counts = self.noise if noise else self.counts
        triple = counts.get((route, metric))
        if triple is None:
            if len(counts) >= MOST_COUNTED:
                return
            triple = counts[route, metric] = [0, 0, 0]
        triple[1 if candidate == model else 0 if candidate else 2] += 1

    def pairs(self, route: str, metric: str) -> Pairs:
        """The pairs of a metric."""
        return Pairs(*self.counts.get((route, metric), ()))

    def floor(self, gate: Gate) -> float | None:
        """The upper end of how often the model differs from itself; None where that is unknown."""
        noise = self.noise.get((gate.route, gate.metric))
        return None if noise is None or gate.signed else interval(Pairs(*noise), signed=False)[1]

    @property
    def thin(self) -> bool:
        """Whether too many of the chosen requests were passed over."""
        return self.compared < COMPARED * self.chosen

    def document(self) -> dict[str, Any]:
        """The counts as JSON."""
        return {
            "counts": [[*key, *triple] for key, triple in self.counts.items()],
            "noise": [[*key, *triple] for key, triple in self.noise.items()],
            "chosen": self.chosen,
            "compared": self.compared,
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "PairCounts":
        """Read counts from JSON. Raises ValueError, KeyError and TypeError."""
        found = cls()
        for counts, rows in ((found.counts, document["counts"]), (found.noise, document["noise"])):
            for route, metric, *triple in rows[:MOST_COUNTED]:
                if len(triple) != 3 or any(type(count) is not int or count < 0 for count in triple):
                    raise ValueError("not counts")
                counts[str(route), str(metric)] = triple
        found.chosen, found.compared = document["chosen"], document["compared"]
        if any(type(count) is not int or count < 0 for count in (found.chosen, found.compared)):
            raise ValueError("not counts")
        return found


def judge(counts: PairCounts, gate: Gate, tests: int, false_alarm: float, false_pass: float) -> Judged:
    """Judge the pairs of a gate, among so many tests that may abort."""
    pairs, delta = counts.pairs(gate.route, gate.metric), gate.tolerated
    harm, safe = log_harm(pairs, delta, signed=gate.signed), log_safe(pairs, min(delta, 1 - LEAST))
    harm_wall, safe_wall = log(tests / max(false_alarm, LEAST)), log(1 / max(false_pass, LEAST))
    floor = counts.floor(gate)
    passed = safe >= safe_wall and (floor is None or floor <= gate.delta)
    state: State = "fail" if harm >= harm_wall else "pass" if passed else "open"
    return Judged(gate, pairs, state, harm, harm_wall, safe, safe_wall, floor)
