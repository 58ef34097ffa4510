"""Answers of both models to the same labelled rows → counts of paired outcomes, and what each metric is made of."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from guard.candidate.evidence import Pairs, interval, log_harm, log_safe
from guard.kit.candidate import metrics
from guard.kit.candidate.asking import RowAnswer
from guard.kit.candidate.metrics import Metric

PairedMetric: TypeAlias = Literal["failed", "invalid", "slow", "wrong"]
Verdict: TypeAlias = Literal["pass", "fail", "inconclusive"]
PAIRED: Final[tuple[PairedMetric, ...]] = ("failed", "invalid", "slow", "wrong")
MOST_CODES: Final = 10
MOST_SEGMENTS: Final = 20


@dataclass(slots=True)
class Arm:
    """One model's answers."""

    answers: int = 0
    right: int = 0
    scores: list[float] = field(default_factory=list)
    truths: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    """Causes of failures and violations, counted."""

    def add(self, answer: RowAnswer, truth: str, positive: str | None) -> None:
        """Count an answer. One that cannot be given to a client is wrong."""
        self.answers += 1
        self.right += is_right(answer, truth)
        self.seconds.append(answer.seconds)
        if answer.code:
            self.codes[answer.code] += 1
        if answer.score is not None and positive is not None:
            self.scores.append(answer.score)
            self.truths.append(truth == positive)

    def measured(self) -> dict[str, Metric]:
        """Each metric that these answers have."""
        found: dict[str, Metric | None] = {}
        if self.answers:
            found["accuracy"] = metrics.wilson(self.right, self.answers)
        found["auc"] = metrics.auc(self.scores, self.truths)
        found["brier"] = metrics.brier(self.scores, self.truths)
        found["ece"] = metrics.calibration_error(self.scores, self.truths)
        return {name: metric for name, metric in found.items() if metric is not None}

    def quantile(self, share: float) -> float:
        """A latency, in seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(slots=True)
class Comparison:
    """All of an evaluation, or a segment of it."""

    slow_over: float | None
    positive: str | None
    pairs: dict[PairedMetric, Pairs] = field(default_factory=dict)
    baseline: Arm = field(default_factory=Arm)
    candidate: Arm = field(default_factory=Arm)

    def add(self, truth: str, baseline: RowAnswer, candidate: RowAnswer) -> None:
        """Count one row."""
        self.baseline.add(baseline, truth, self.positive)
        self.candidate.add(candidate, truth, self.positive)
        self._pair("failed", candidate.failed, baseline.failed)
        self._pair("invalid", candidate.invalid, baseline.invalid)
        self._pair("wrong", not is_right(candidate, truth), not is_right(baseline, truth))
        if self.slow_over is not None:
            self._pair("slow", candidate.seconds > self.slow_over, baseline.seconds > self.slow_over)

    def _pair(self, metric: PairedMetric, candidate: bool, baseline: bool) -> None:  # noqa: FBT001
        one = Pairs(int(candidate > baseline), int(candidate == baseline), int(candidate < baseline))
        self.pairs[metric] = self.pairs.get(metric, Pairs()).plus(one)


def is_right(answer: RowAnswer, truth: str) -> bool:
    """Whether a client would have got the true label."""
    return answer.usable and answer.label == truth


@dataclass(frozen=True, slots=True)
class PairedResult:
    """The verdict on one metric. `tolerated` None: harm is judged against 0, and nothing has to be proven safe."""

    metric: str
    segment: str
    pairs: Pairs
    tolerated: float | None
    verdict: Verdict
    low: float
    high: float

    def document(self) -> dict[str, Any]:
        """The result for JSON."""
        worse, same, better = self.pairs
        return {
            "metric": self.metric, "segment": self.segment, "worse": worse, "same": same, "better": better,
            "tolerated": self.tolerated, "verdict": self.verdict, "low": round(self.low, 6), "high": round(self.high, 6),
        }  # fmt: skip


def judged(
    comparisons: Mapping[str, Comparison], tolerances: Mapping[str, float], wall_harm: float, wall_safe: float
) -> Iterator[PairedResult]:
    """The verdict on each metric of all rows (segment "") and of each segment.

    A segment may only fail: to prove each of them safe would take as many rows for each as for all.
    """
    for segment, comparison in comparisons.items():
        for metric, pairs in comparison.pairs.items():
            tolerated = tolerances.get(metric)
            delta = tolerated or 0.0
            verdict: Verdict = "pass"
            if log_harm(pairs, delta) >= wall_harm:
                verdict = "fail"
            elif not segment and tolerated is not None and log_safe(pairs, delta) < wall_safe:
                verdict = "inconclusive"
            yield PairedResult(metric, segment, pairs, tolerated, verdict, *interval(pairs))
