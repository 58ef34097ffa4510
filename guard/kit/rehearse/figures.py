"""Figures of a phase of the load, and the verdicts that follow. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Final, Literal, TypeAlias

from guard.kit.rehearse.load_client import Timed
from guard.kit.rehearse.values import Check
from guard.policy.models import Targets
from guard.proxy.values import MODEL

Kind: TypeAlias = Literal["steady", "rate", "burst", "soak"]

GRACE: Final = 0.5
"""Seconds after the end in which what was due before it may still be answered."""
COLLAPSE: Final = 0.5
"""Share of the best rate so far: a server whose rate falls below it with more clients slows down under load."""
LEAST: Final = 20
"""Answers, without which a 95th percentile says nothing."""
MODEL_SHARE: Final = 0.95
"""Default share of answers that must be the model's, without a target."""
BUSY: Final = 0.85
"""Share of a core from which on the load generator may have measured itself."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase. Times in seconds; shares from 0 to 1; `answers` by source, or by what came in place of an answer."""

    kind: Kind
    clients: int
    seconds: float
    requests: int
    rate: float
    p50: float | None
    p95: float | None
    p99: float | None
    error_rate: float
    availability: float
    model_share: float
    answers: dict[str, int]
    reasons: dict[str, int]
    busy: float

    def document(self) -> dict[str, Any]:
        """The phase as JSON."""
        return asdict(self)


def phase(kind: Kind, clients: int, seconds: float, timed: Sequence[Timed], busy: float) -> Phase:
    """Count. An error is whatever is no 2xx; unavailable is a 5xx, or no answer."""
    count = len(timed)
    times = sorted(request.seconds for request in timed if request.status)
    good = [request for request in timed if 200 <= request.status < 300]
    rate = count / seconds if seconds else 0.0
    if kind == "rate" and timed:
        end = min(request.at for request in timed) + seconds + GRACE
        rate = sum(request.status > 0 and request.at + request.seconds <= end for request in timed) / seconds
    down = sum(request.status == 0 or request.status >= 500 for request in timed)
    return Phase(
        kind=kind,
        clients=clients,
        seconds=seconds,
        requests=count,
        rate=rate,
        p50=quantile(times, 0.5),
        p95=quantile(times, 0.95),
        p99=quantile(times, 0.99),
        error_rate=1 - len(good) / count if count else 0.0,
        availability=1 - down / count if count else 0.0,
        model_share=sum(item.source == MODEL for item in good) / count if count else 0.0,
        answers=dict(
            Counter(request.source if request.status == 0 or request.source else str(request.status) for request in timed)
        ),
        reasons=dict(Counter(request.reason for request in timed if request.reason)),
        busy=busy,
    )


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest rank; None of nothing."""
    return ordered[max(0, ceil(len(ordered) * share) - 1)] if ordered else None


def collapsed(steps: Sequence[Phase]) -> tuple[Phase, Phase] | None:
    """(the best so far, the one that fell) of steps with more and more clients; None where none did."""
    best: Phase | None = None
    for step in steps:
        if best is not None and best.requests >= LEAST and step.rate < best.rate * COLLAPSE:
            return best, step
        if best is None or step.rate > best.rate:
            best = step
    return None


def held(targets: Targets, at: Phase) -> list[Check]:
    """The targets that a load can hold, one check each."""
    checks = [
        _share("targets.availability", targets.availability, at.availability, at, "answers below 500",
               "add a rung that always answers (rules): it keeps the service available while the model fails", least=True),
        _share("targets.error_rate", targets.error_rate, at.error_rate, at, "answers other than 2xx",
               "see the reasons in the table of phases"),
        _share("targets.model_share", targets.model_share, at.model_share, at, "answers of the model itself",
               "give the model more time (timeout), more room (upstream.limits) or more replicas", least=True),
    ]  # fmt: skip
    if targets.latency_p95 is not None:
        checks.append(_latency(targets.latency_p95, at))
    if targets.expected_rate is not None:
        checks.append(_rate(float(targets.expected_rate), at))
    return [item for item in checks if item is not None]


def _latency(target: float, at: Phase) -> Check:
    check = Check("targets.latency_p95", "pass", expected=f"p95 at most {ms(target)}", sent=load(at), tried=at.requests)
    if at.p95 is None or at.requests < LEAST:
        check.result, check.got = "fail", f"{at.requests} answers are too few to decide"
        check.todo = "raise --seconds"
        return check
    check.got = f"p95 {ms(at.p95)}"
    if at.p95 > target:
        check.result = "fail"
        check.todo = "make the model faster, run more replicas, or lower the target"
    return check


def _rate(target: float, at: Phase) -> Check:
    check = Check(
        "targets.expected_rate", "pass", expected=f"{target:g} answers a second", sent=load(at), tried=at.requests,
        got=f"{at.rate:.1f} a second",
    )  # fmt: skip
    if at.rate < target * 0.95:
        check.result = "fail"
        check.todo = "add replicas, and rehearse with the rate that one replica gets"
    return check


def _share(
    name: str, target: float | None, measured: float, at: Phase, label: str, todo: str, *, least: bool = False
) -> Check | None:
    """A share of answers against its target: the most that is allowed, or the least."""
    if target is None:
        return None
    expected = f"at {'least' if least else 'most'} {share(target)}"
    check = Check(name, "pass", expected=expected, got=f"{share(measured)} {label}", sent=load(at), tried=at.requests)
    if measured < target if least else measured > target:
        check.result, check.todo = "fail", todo
    return check


def load(at: Phase) -> str:
    """The load in words."""
    match at.kind:
        case "rate":
            return f"{at.requests} requests at the expected rate, {at.seconds:.1f} s"
        case "burst":
            return f"bursts of {at.clients} requests"
        case "soak":
            return f"{at.clients} clients for {at.seconds:.1f} s"
    return f"{at.clients} {'clients' if at.clients != 1 else 'client'}, {at.seconds:.1f} s"


def ms(seconds: float) -> str:
    """Milliseconds, with as many digits as mean something."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def share(value: float) -> str:
    """Per cent."""
    return f"{value * 100:.4g} %"
