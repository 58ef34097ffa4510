"""The end: everything that left guard meanwhile is searched for what was sent."""

from guard.kit.rehearse.answers import BUG
from guard.kit.rehearse.canaries import leaked_canaries
from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.values import Check, Part


def run(stage: Stage, part: Part) -> None:
    """Each place is a check."""
    places = {"/metrics": stage.page().encode(), "guard's log": stage.log_bytes()}
    missing = {
        "/metrics": "give --ops so that guard's metrics can be read",
        "guard's log": "the log of a running guard cannot be read; without --data, rehearse starts one and reads its log",
    }
    part.figures["canaries"] = len(stage.cage.texts)
    for index, (place, content) in enumerate(places.items()):
        check = Check(f"no value of a request in {place}", "pass", expected="no value of a request")
        if not content:
            check.result, check.todo = "skip", missing[place]
        elif escaped := leaked_canaries(stage.cage, {place: content}):
            check.result, check.failed, check.todo = "fail", len(escaped), BUG
            check.got, check.fields = f"{len(escaped)} of {len(stage.cage.texts)} marked values", escaped[:20]
        part.checks.append(check)
        stage.progress.at((index + 1) / len(places))
