"""What the load must have shown, one check each."""

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
    steps = [one for one in phases if one.kind == "steady"]
    return next((one for one in phases if one.kind == "rate"), steps[-1])


def found(stage: Stage, phases: Sequence[Phase], fell: tuple[Phase, Phase] | None) -> Iterator[Check]:
    """All of them, memory aside."""
    targets, one = stage.loaded.policy.targets, at(phases)
    yield from held(targets, one)
    yield _answered(phases)
    yield _collapse(phases, fell)
    yield _burst(next(one for one in phases if one.kind == "burst"))
    if targets.model_share is None:
        yield _share(one)
    busiest = max(phases, key=lambda one: one.busy)
    if busiest.busy > BUSY:
        todo = f"with {load(busiest)} it took {share(busiest.busy)} of a core: the service may be faster than was measured"
        yield Check("the load generator was busy itself", "note", todo=todo)


def _answered(phases: Sequence[Phase]) -> Check:
    """Whatever the load, whoever asks gets an answer."""
    lost = {
        what: count
        for one in phases
        for what, count in one.answers.items()
        if what in {"timeout", "connect", "reset", "not sent", "500"}
    }
    check = Check("every request is answered", "pass", tried=sum(one.requests for one in phases))
    check.expected = "an answer of one of the rungs"
    if lost:
        check.result, check.failed = "fail", sum(lost.values())
        check.got = ", ".join(f"{count} × {what}" for what, count in sorted(lost.items()))
        check.todo = "did guard end, or hang? Its log says; `not sent`: more waited than it can ever answer"
    return check


def _collapse(phases: Sequence[Phase], fell: tuple[Phase, Phase] | None) -> Check:
    steps = [one for one in phases if one.kind == "steady"]
    check = Check("more clients do not make it slower", "pass", tried=sum(one.requests for one in steps))
    check.expected = "about as many answers a second with more clients"
    if fell is not None:
        best, worst = fell
        check.result, check.sent = "fail", load(worst)
        check.got = f"{worst.rate:.1f} a second with {worst.clients} clients, {best.rate:.1f} with {best.clients}"
        check.todo = (
            f"the model gets slower the more it is asked at once: bound upstream.limits.concurrency at {best.clients}, or "
            "find what its requests wait for (a lock, threads of a library, memory)"
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
        check.todo = ADVICE.get(next(iter(odd)), "look at guard's log")
    return check


def _share(one: Phase) -> Check:
    check = Check("the model answers", "pass", sent=load(one), tried=one.requests)
    check.expected, check.got = f"at least {share(MODEL_SHARE)}, as no target says otherwise", share(one.model_share)
    if one.model_share < MODEL_SHARE:
        check.result = "fail"
        check.todo = ADVICE.get(
            max(one.reasons, key=lambda reason: one.reasons[reason], default=""), "see the table of phases"
        )
    return check


def memory(name: str, found: Growth | None, stage: Stage, *, sampled: bool) -> Check:
    """Whether a process grows; `found` None: it cannot be told."""
    check = Check(f"memory of {'guard' if name == 'guard' else 'the model'}", "pass")
    if found is None:
        check.result = "skip"
        check.todo = (
            "too few samples: give more --seconds"
            if sampled
            else ("say --model-pid" if name == "model" else "say --ops, so that it can be read")
        )
        if name == "model" and stage.options.model_pid is not None and not sampled:
            check.todo = f"there is no process {stage.options.model_pid} here, or no /proc to read its memory from"
        return check
    check.expected = f"no growth (from {found.seen / 1024:.2g} KiB a request it would be noticed)"
    check.got = f"{found.first / MIB:.1f} to {found.last / MIB:.1f} MiB under a steady load"
    if found.leaks:
        check.result = "fail"
        check.got += f": {found.per_request / 1024:.2g} KiB with every request"
        todo = "the model keeps something of every request: a cache without bound, a list, a graph that grows"
        check.todo = todo if name == "model" else "please report it, with the policy"
    return check
