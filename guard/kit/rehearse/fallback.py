"""Part five: each rung, by the drill. A guard that somebody else started is lowered only where `--drill` says so."""

import click

from guard.cli.operate import ask, find_endpoint
from guard.kit import drill
from guard.kit.lowering import decided
from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.values import Check, Part, late

ADVICE = "run `guard drill` to see the rung alone; check its declaration and guard's log"


def run(stage: Stage, part: Part) -> None:
    """Each rung of each route is a check."""
    if not stage.own and not stage.options.drill:
        todo = "this guard may be serving clients; give --drill to lower it rung by rung and restore it"
        part.checks.append(Check("each rung", "skip", todo=todo))
        return
    try:
        endpoint = find_endpoint(stage.where)
    except click.UsageError as error:
        part.checks.append(Check("each rung", "skip" if not stage.own else "fail", todo=error.message))
        return
    before = ask(endpoint, "GET", "/status", ca=stage.where.ca)
    if why := str(before.body.get("code")) if before.status != 200 else decided(before.body):
        part.checks.append(Check("each rung", "fail", got=why, todo="`guard status` says how to go back"))
        return
    for index, subject in enumerate(stage.subjects):
        if subject.base is None:
            part.checks.append(Check("each rung", "skip", subject.key, todo="guard cannot make a request; give an example"))
            continue
        if stage.remaining() <= 0:
            part.checks.append(late(f"{len(stage.subjects) - index} of {len(stage.subjects)} routes were lowered"))
            break
        good = subject.good()
        tried = drill.Tried(good.target, dict(good.headers), good.body)
        for step in drill.walk(endpoint, stage.where, subject.route, stage.data, tried, verify=stage.verify):
            check = Check(f"the rung {step.rung}", "pass", step.route, tried=1)
            check.expected = f"an answer from {step.rung} that keeps the output contract, within {drill.WITHIN:g} s"
            check.got = f"{step.status or 'no answer'} from {step.source or 'no source'}"
            if not step.ok:
                check.result, check.failed, check.got, check.todo = "fail", 1, step.why, ADVICE
            part.checks.append(check)
        stage.progress.at((index + 1) / len(stage.subjects), subject.key)
