"""Checks of the load, one for each property."""

from collections.abc import Iterator, Sequence
from typing import Final

from guard.kit.rehearse.answers import ADVICE
from guard.kit.rehearse.figures import BUSY, MODEL_SHARE, Phase, held, load, share
from guard.kit.rehearse.memory import Growth
from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.values import Check

MIB: Final = 1 << 20


def at(phases: Sequence[Phase]) -> Phase:
    """The one that the targets are held against: the expected rate, or the most clients."""
    steps = [phase for phase in phases if phase.kind == "steady"]
    return next((phase for phase in phases if phase.kind == "rate"), steps[-1])


def checks(stage: Stage, phases: Sequence[Phase], fell: tuple[Phase, Phase] | None) -> Iterator[Check]:
    """All of them, memory aside."""
    targets, phase = stage.loaded.policy.targets, at(phases)
    yield from held(targets, phase)
    yield _answered(phases)
    yield _collapse(phases, fell)
    yield _burst(next(phase for phase in phases if phase.kind == "burst"))
    if targets.model_share is None:
        yield _share(phase)
    busiest = max(phases, key=lambda phase: phase.busy)
    if busiest.busy > BUSY:
        todo = f"with {load(busiest)} it took {share(busiest.busy)} of a core; the service may be faster than measured"
        yield Check("the load generator itself was busy", "note", todo=todo)


def _answered(phases: Sequence[Phase]) -> Check:
    """A check that every request gets an answer, whatever the load."""
    lost = {
        outcome: count
        for phase in phases
        for outcome, count in phase.answers.items()
        if outcome in {"timeout", "connect", "reset", "not sent", "500"}
    }
    check = Check("every request is answered", "pass", tried=sum(phase.requests for phase in phases))
    check.expected = "an answer from one of the rungs"
    if lost:
        check.result, check.failed = "fail", sum(lost.values())
        check.got = ", ".join(f"{count} × {outcome}" for outcome, count in sorted(lost.items()))
        check.todo = "see guard's log: guard may have ended or hang; `not sent`: more requests waited than it can answer"
    return check


def _collapse(phases: Sequence[Phase], fell: tuple[Phase, Phase] | None) -> Check:
    steps = [phase for phase in phases if phase.kind == "steady"]
    check = Check("more clients do not slow the service down", "pass", tried=sum(step.requests for step in steps))
    check.expected = "about as many answers per second with more clients"
    if fell is not None:
        best, worst = fell
        check.result, check.sent = "fail", load(worst)
        check.got = f"{worst.rate:.1f} a second with {worst.clients} clients, {best.rate:.1f} with {best.clients}"
        check.todo = (
            f"the model slows down under concurrent requests: set upstream.limits.concurrency to {best.clients}, or "
            "find out what the requests wait for (a lock, threads of a library, memory)"
        )
    return check


def _burst(burst: Phase) -> Check:
    """Beyond its room a service may say that it has none, and nothing else."""
    allowed = {"overloaded", "backoff", "mode", "timeout", "no_time", "breaker_open"}
    check = Check("a burst is answered", "pass", sent=load(burst), tried=burst.requests)
    check.expected = "answers, or a lower rung because the model is overloaded"
    odd = {reason: count for reason, count in burst.reasons.items() if reason not in allowed}
    if odd:
        check.result, check.failed = "fail", sum(odd.values())
        check.got = ", ".join(f"{count} × {reason}" for reason, count in odd.items())
        check.todo = ADVICE.get(next(iter(odd)), "see guard's log")
    return check


def _share(phase: Phase) -> Check:
    check = Check("the model answers", "pass", sent=load(phase), tried=phase.requests)
    check.expected, check.got = f"at least {share(MODEL_SHARE)}, as no target is declared", share(phase.model_share)
    if phase.model_share < MODEL_SHARE:
        check.result = "fail"
        check.todo = ADVICE.get(
            max(phase.reasons, key=lambda reason: phase.reasons[reason], default=""), "see the table of phases"
        )
    return check


def memory(name: str, growth: Growth | None, stage: Stage, *, sampled: bool) -> Check:
    """Whether a process grows; `growth` None: it cannot be told."""
    check = Check(f"memory of {'guard' if name == 'guard' else 'the model'}", "pass")
    if growth is None:
        check.result = "skip"
        check.todo = (
            "too few samples; raise --seconds"
            if sampled
            else ("give --model-pid" if name == "model" else "give --ops so that it can be read")
        )
        if name == "model" and stage.options.model_pid is not None and not sampled:
            check.todo = f"there is no process {stage.options.model_pid} here, or no /proc to read its memory from"
        return check
    check.expected = f"no growth (a growth from {growth.seen / 1024:.2g} KiB a request would be visible)"
    check.got = f"{growth.first / MIB:.1f} to {growth.last / MIB:.1f} MiB under a steady load"
    if growth.leaks:
        check.result = "fail"
        check.got += f": {growth.per_request / 1024:.2g} KiB per request"
        todo = "the model server keeps memory for every request: look for an unbounded cache, a list or a growing graph"
        check.todo = todo if name == "model" else "this is a bug of guard; please report it with the policy"
    return check
