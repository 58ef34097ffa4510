"""Measured metrics held against `targets.quality` and the calibration that the contract claims."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from guard.kit.candidate.metrics import Metric
from guard.kit.checklist.targets import LESS_IS_BETTER


@dataclass(frozen=True, slots=True)
class TargetResult:
    """One target. `metric` None: it was not measured, which proves nothing."""

    name: str
    target: float
    metric: Metric | None
    verdict: Literal["pass", "fail", "inconclusive"]

    def document(self) -> dict[str, Any]:
        """The result for JSON."""
        value, low, high = self.metric if self.metric is not None else (None, None, None)
        return {
            "name": self.name, "target": self.target, "value": value, "low": low, "high": high, "verdict": self.verdict,
        }  # fmt: skip


def held(quality: Mapping[str, float], claimed: float | None, measured: Mapping[str, Metric]) -> Iterator[TargetResult]:
    """Each target with its verdict. The measured value decides; its interval is shown.

    A claimed calibration error fails only where the whole interval is above it: binned errors are biased upwards.
    """
    for name, target in quality.items():
        metric = measured.get(name.lower())
        if metric is None:
            yield TargetResult(name, target, None, "inconclusive")
            continue
        missed = metric.value > target if name.lower() in LESS_IS_BETTER else metric.value < target
        yield TargetResult(name, target, metric, "fail" if missed else "pass")
    if claimed is not None:
        metric = measured.get("ece")
        verdict: Literal["pass", "fail", "inconclusive"] = "inconclusive"
        if metric is not None:
            verdict = "fail" if metric.low > claimed else "pass"
        yield TargetResult("calibration", claimed, metric, verdict)
