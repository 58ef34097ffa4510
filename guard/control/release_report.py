"""The release as JSON: roles, stage, verdict with the number of each gate, drift from the policy, history."""

from collections.abc import Iterator
from dataclasses import asdict
from math import log
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from guard.candidate import arms as live
from guard.candidate.arms import Arms
from guard.candidate.release_state import ReleaseState, Roles, Served
from guard.policy.candidate import Candidate

FORMAT: Final = "guard/release/v1"
Verdict: TypeAlias = Literal["pass", "fail", "inconclusive", "idle", "withheld"]


class Report(NamedTuple):
    """The facts that a verdict is made of."""

    state: ReleaseState
    arms: list[Arms]
    candidate: Served | None
    policy: Candidate | None
    wall: float

    @property
    def stage(self) -> str:
        """The stage of the declared candidate."""
        if self.candidate is None:
            return "promoted" if self.state.roles is not None else "idle"
        if self.candidate.digest in self.state.aborted:
            return "aborted"
        return self.state.stage if self.state.digest == self.candidate.digest else "registered"

    @property
    def verdict(self) -> Verdict:
        """Live arms only abort: they never pass. What passes is evidence of pairs, or a person's override."""
        if self.stage == "aborted":
            return "fail"
        if self.stage != "canary" or not any(arms.seen[0] for arms in self.arms):
            return "idle"
        return "withheld" if live.crooked(self.arms) else "inconclusive"

    @property
    def why(self) -> str:
        """The verdict's reason, for a person."""
        if self.verdict == "fail" and self.candidate is not None:
            return f"aborted: {self.state.aborted.get(self.candidate.digest, '')}"
        if self.verdict == "withheld":
            return "more keys came to the candidate than its share"
        if self.verdict == "idle":
            return "the candidate has answered nobody yet"
        return "no harm is proven; live answers alone never prove that there is none"

    def gates(self) -> Iterator[dict[str, Any]]:
        """Each gate with its number, and the number that decides."""
        if self.policy is None or not self.arms or self.stage not in {"canary", "aborted"}:
            return
        wall, now = log(1 / self.policy.abort.false_alarm), self.arms[-1]
        harm = live.log_harm(self.arms)
        yield _gate("live", "bad", "fail" if harm >= wall else "open", round(harm, 3), round(wall, 3), now.told())
        step = self.policy.canary.step if self.policy.canary is not None else None
        if step is not None and self.stage == "canary":
            enough, passed = now.requests >= step.requests, self.wall - self.state.since
            yield _gate("step", "requests", "pass" if enough else "open", now.requests, step.requests, "")
            late = passed >= step.at_least
            yield _gate("step", "seconds", "pass" if late else "open", round(passed), round(step.at_least), "")

    def document(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "gates": list(self.gates()),
            "stage": self.stage,
            "candidate": None if self.candidate is None else asdict(self.candidate),
        }


def _gate(gate: str, metric: str, state: str, number: float, needed: float, detail: str) -> dict[str, Any]:
    return {
        "gate": gate, "metric": metric, "route": None, "segment": None, "state": state, "number": number, "needed": needed,
        "detail": detail,
    }  # fmt: skip


def document(report: Report, declared: Served, roles: Roles | None, history: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything about releases, as JSON."""
    model = roles.model if roles is not None else declared
    step = (
        {"index": report.state.step, "share": report.arms[-1].share} if report.stage == "canary" and report.arms else None
    )
    return {
        "format": FORMAT,
        "epoch": report.state.epoch,
        "roles": {
            "model": asdict(model),
            "candidate": None if report.candidate is None else asdict(report.candidate),
            "previous": asdict(roles.previous) if roles is not None else None,
        },
        "stage": report.stage,
        "step": step,
        "verdict": report.document(),
        "drift": None if roles is None else {"file": asdict(declared), "force": asdict(model)},
        "history": history,
    }
