"""The release as JSON: roles, stage, verdict with the number of each gate, drift from the policy, history."""

from collections.abc import Iterator
from dataclasses import asdict
from math import log
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from guard.candidate import arms as live
from guard.candidate.arms import Arms
from guard.candidate.paired import Gate, Judged, PairCounts, judge
from guard.candidate.release_state import ReleaseState, Roles, Served
from guard.policy.candidate import Candidate

FORMAT: Final = "guard/release/v1"
Verdict: TypeAlias = Literal["pass", "fail", "inconclusive", "idle", "withheld"]


def gates_of(policy: Candidate) -> list[Gate]:
    """The metrics that decide: those with a tolerance in `compare`."""
    found = []
    for route, compare in policy.compare.items():
        shares = {
            "failed": compare.failed,
            "invalid": compare.invalid,
            "slow": compare.slow.by if compare.slow is not None else None,
            "label": compare.label.disagree if compare.label is not None else None,
            "score": compare.score.disagree if compare.score is not None else None,
        }
        found += [Gate(route, metric, share) for metric, share in shares.items() if share is not None]
    return found


def tests_of(policy: Candidate) -> int:
    """The tests that may abort, which share the false alarms: one for each gate of pairs, and the live arms."""
    return max(1, (len(gates_of(policy)) if policy.shadow is not None else 0) + (policy.canary is not None))


class Report(NamedTuple):
    """The facts that a verdict is made of."""

    state: ReleaseState
    arms: list[Arms]
    candidate: Served | None
    policy: Candidate | None
    wall: float
    counts: PairCounts

    @property
    def stage(self) -> str:
        """The stage of the declared candidate."""
        if self.candidate is None:
            return "promoted" if self.state.roles is not None else "idle"
        if self.candidate.digest in self.state.aborted:
            return "aborted"
        return self.state.stage if self.state.digest == self.candidate.digest else "registered"

    @property
    def pairs(self) -> list[Judged]:
        """The evidence of the pairs of each gate."""
        policy = self.policy
        if policy is None or policy.shadow is None or self.candidate is None:
            return []
        tests, alarm, pass_ = tests_of(policy), policy.abort.false_alarm, policy.pass_.false_pass
        return [judge(self.counts, gate, tests, alarm, pass_) for gate in gates_of(policy)]

    @property
    def shadow_passed(self) -> bool:
        """Whether pairs prove that the candidate is safe, in every gate. Without `shadow` nothing is."""
        pairs = self.pairs
        return bool(pairs) and not self.counts.thin and all(judged.state == "pass" for judged in pairs)

    @property
    def steps_done(self) -> bool:
        """Whether the canary has seen all that it has to see; also where there is none."""
        canary = self.policy.canary if self.policy is not None else None
        if canary is None:
            return True
        last = self.stage == "canary" and self.state.step == len(canary.steps) and bool(self.arms)
        enough = last and self.arms[-1].requests >= canary.step.requests
        return enough and self.wall - self.state.since >= canary.step.at_least

    def judged(self) -> tuple[Verdict, str]:
        """The verdict, and its reason for a person. Live arms only abort: what passes is evidence of pairs."""
        if self.stage == "aborted" and self.candidate is not None:
            return "fail", f"aborted: {self.state.aborted.get(self.candidate.digest, '')}"
        live_seen = any(arms.seen[0] for arms in self.arms)
        running = self.stage in {"canary", "shadow", "aa"}
        if not running or not (live_seen or self.counts.compared):
            return "idle", "the candidate has answered nobody yet"
        if self.stage == "canary" and live.crooked(self.arms):
            return "withheld", "more keys came to the candidate than its share"
        if not self.pairs:
            return "inconclusive", "no harm is proven; live answers alone never prove that there is none"
        if self.counts.thin:
            passed_over = self.counts.chosen - self.counts.compared
            return "inconclusive", f"{passed_over} of {self.counts.chosen} copies were passed over for load or slots"
        if not self.shadow_passed:
            missing = [f"{each.gate.route} {each.gate.metric}" for each in self.pairs if each.state != "pass"]
            return "inconclusive", f"not proven safe yet: {', '.join(missing)}"
        if not self.steps_done:
            return "inconclusive", "the shadow passed; the canary has steps to go"
        return "pass", f"{self.counts.compared} pairs prove that the candidate is within every tolerance"

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.judged()[0]

    @property
    def why(self) -> str:
        """The verdict's reason, for a person."""
        return self.judged()[1]

    def gates(self) -> Iterator[dict[str, Any]]:
        """Each gate with its number, and the number that decides."""
        if self.policy is None:
            return
        if self.counts.compared or self.stage in {"shadow", "aa"}:
            for judged in self.pairs:
                yield _paired(judged)
        if not self.arms or self.stage not in {"canary", "aborted"}:
            return
        wall, now = log(tests_of(self.policy) / self.policy.abort.false_alarm), self.arms[-1]
        harm = live.log_harm(self.arms)
        yield _gate("live", "bad", "fail" if harm >= wall else "open", round(harm, 3), round(wall, 3), now.told())
        step = self.policy.canary.step if self.policy.canary is not None else None
        if step is not None and self.stage == "canary":
            enough, passed = now.requests >= step.requests, self.wall - self.state.since
            yield _gate("step", "requests", "pass" if enough else "open", now.requests, step.requests, "")
            late = passed >= step.at_least
            yield _gate("step", "seconds", "pass" if late else "open", round(passed), round(step.at_least), "")

    def missing(self) -> list[dict[str, Any]]:
        """The gates that do not hold."""
        return [gate for gate in self.gates() if gate["state"] != "pass"]

    def document(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "gates": list(self.gates()),
            "stage": self.stage,
            "candidate": None if self.candidate is None else asdict(self.candidate),
            "pairs": {"chosen": self.counts.chosen, "compared": self.counts.compared},
            "shown": [
                {"route": route, "metric": metric, "worse": triple[0], "same": triple[1], "better": triple[2]}
                for (route, metric), triple in self.counts.counts.items()
                if metric.startswith("class ")
            ],
        }


def _paired(judged: Judged) -> dict[str, Any]:
    """A gate of pairs: the number is the evidence that decides, of harm where that is proven, else of safety."""
    failed = judged.state == "fail"
    number, needed = (judged.harm, judged.harm_wall) if failed else (judged.safe, judged.safe_wall)
    entry = _gate("shadow", judged.gate.metric, judged.state, round(number, 3), round(needed, 3), judged.told())
    worse, same, better = judged.pairs
    return {**entry, "route": judged.gate.route, "worse": worse, "same": same, "better": better, "floor": judged.floor}


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
