"""`guard release plan`: the pairs and hours that each gate takes, before anything starts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from guard.candidate.expected import pairs_to_abort, pairs_to_pass
from guard.kit.candidate import declared
from guard.policy.loading import Loaded

UNSIGNED: Final = frozenset(("label", "score"))
"""Metrics that count disagreement, which has no direction."""
DEFAULTS: Final = {"invalid": 0.005, "failed": 0.005}
SHARE: Final = 0.05
HARM: Final = 0.05
"""The share of bad answers of the broken candidate that the plan shows."""
HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """Options of the command line. `noise`: the share of pairs that differ each way although both models are as good."""

    tolerances: Mapping[str, float]
    rate: float | None
    share: float
    noise: float
    tests: int
    steps: tuple[tuple[float, int, float], ...] = ()
    """Steps of a canary: share, pairs, and seconds at least."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One metric. Pairs are None where it never comes to a verdict."""

    metric: str
    tolerated: float
    to_pass: int | None
    to_abort: int | None

    def document(self, rate: float | None) -> dict[str, Any]:
        """The gate for JSON, with hours at so many pairs a second."""
        return {
            "metric": self.metric, "tolerated": self.tolerated,
            "pairs_to_pass": self.to_pass, "hours_to_pass": hours(self.to_pass, rate),
            "pairs_to_abort": self.to_abort, "hours_to_abort": hours(self.to_abort, rate),
        }  # fmt: skip


def of_policy(
    loaded: Loaded, tolerances: Mapping[str, float], rate: float | None, share: float | None, noise: float
) -> PlanOptions:
    """The options, with what the policy declares where nothing was given."""
    candidate = loaded.policy.candidate
    gates, shadow = dict(tolerances), None
    steps: tuple[tuple[float, int, float], ...] = ()
    if candidate is not None:
        several = len(candidate.compare) > 1
        for route, compare in candidate.compare.items() if not gates else ():
            gates |= {f"{metric} {route}" if several else metric: by for metric, by in declared.tolerances(compare).items()}
        if candidate.canary is not None:
            step = candidate.canary.step
            steps = tuple((part, step.requests, step.at_least) for part in candidate.canary.steps)
        shadow = candidate.shadow.share if candidate.shadow is not None else None
    gates = gates or dict(DEFAULTS)
    return PlanOptions(
        gates,
        rate if rate is not None else loaded.policy.targets.expected_rate,
        share if share is not None else shadow if shadow is not None else SHARE,
        noise,
        len(gates),
        steps,
    )


def run(options: PlanOptions, *, as_json: bool) -> int:
    """Print the plan. 0: every gate can be passed. 1: a gate never is, and it is named."""
    rate = options.rate * options.share if options.rate else None
    gates = list(planned(options))
    never = [gate.metric for gate in gates if gate.to_pass is None]
    slowest = max((gate.to_pass or 0 for gate in gates), default=0)
    document = {
        "rate": options.rate, "share": options.share, "pairs_a_second": rate, "noise": options.noise,
        "gates": [gate.document(rate) for gate in gates], "pairs": slowest, "hours": hours(slowest, rate),
        "steps": [_step(step, options.rate) for step in options.steps], "never": never,
    }  # fmt: skip
    click.echo(json.dumps(document, indent=2) if as_json else text(document))
    return 1 if never else 0


def planned(options: PlanOptions) -> Iterator[Gate]:
    """Each gate with its expected pairs."""
    for metric, tolerated in options.tolerances.items():
        signed = metric.partition(" ")[0] not in UNSIGNED
        noise = {"worse": options.noise, "better": options.noise if signed else 0.0}
        harm = {"worse": tolerated + HARM + options.noise, "better": options.noise if signed else 0.0}
        yield Gate(
            metric,
            tolerated,
            pairs_to_pass(tolerated, **noise) if tolerated > 0 else None,
            pairs_to_abort(tolerated, **harm, tests=options.tests, signed=signed) if signed or tolerated > 0 else None,
        )


def hours(pairs: int | None, rate: float | None) -> float | None:
    """Hours for so many pairs, at so many a second."""
    return None if pairs is None or not rate else round(pairs / rate / HOUR, 3)


def _step(step: tuple[float, int, float], rate: float | None) -> dict[str, Any]:
    share, pairs, least = step
    seconds = None if not rate else max(least, pairs / (rate * share))
    return {"share": share, "pairs": pairs, "hours": None if seconds is None else round(seconds / HOUR, 3)}


def text(document: Mapping[str, Any]) -> str:
    """The plan for people."""
    rate = document["rate"]
    known = f"{rate:g} requests/s, {document['share']:.2%} of them are compared" if rate else "the rate is not declared"
    lines = [f"plan: {known} (targets.expected_rate)"]
    lines.append(f"  {'gate':10} {'tolerated':>10}  {'passes after':>24}  {f'{HARM:.0%} worse aborts after':>28}")
    for gate in document["gates"]:
        passes = _after(gate["pairs_to_pass"], gate["hours_to_pass"])
        aborts = _after(gate["pairs_to_abort"], gate["hours_to_abort"])
        lines.append(f"  {gate['metric']:10} {gate['tolerated']:>10.2%}  {passes:>24}  {aborts:>28}")
    lines += [f"  canary {step['share']:.2%}: {_after(step['pairs'], step['hours'])}" for step in document["steps"]]
    lines += _advice(document["never"], document["noise"])
    if not document["never"]:
        lines.append(f"all gates: {_after(document['pairs'], document['hours'])}, if both models differ as assumed")
    return "\n".join(lines)


def _advice(never: Sequence[str], noise: float) -> Iterator[str]:
    for metric in never:
        yield f"  {metric} never passes with {noise:.2%} of noise: raise its tolerance, or run an A/A comparison first"


def _after(pairs: int | None, taken: float | None) -> str:
    if pairs is None:
        return "never"
    return f"{pairs:,} pairs" + ("" if taken is None else f", {_time(taken)}")


def _time(taken: float) -> str:
    if taken < 1:
        return f"{taken * 60:.0f} min"
    return f"{taken:.1f} h" if taken < 48 else f"{taken / 24:.1f} days"
