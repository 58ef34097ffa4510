"""9. The next release: it has a predecessor, a pipeline that makes it, and that pipeline rehearses and refuses."""

from collections.abc import Iterator

from guard.kit.checklist.values import Facts, Item, Part
from guard.kit.checklist.words import judged, named, release, some
from guard.policy.release import FIRST


def _items(facts: Facts) -> Iterator[Item]:
    record = facts.loaded.policy.release
    previous = record.previous if record is not None else None
    unsaid = (
        [] if previous is not None else ["the release names no previous release, and does not say that it is the first"]
    )
    before = record.before if record is not None else None
    good = "the first" if previous == FIRST else f"after {before.version}" if before is not None else ""
    yield judged(
        "next.previous", unsaid, good, release(facts, "--previous RECORD") + ", or `--previous none` for the first"
    )
    pipeline = record.pipeline if record is not None else None
    unnamed = [] if named(pipeline) else ["the release names no pipeline"]
    yield judged("next.pipeline", unnamed, str(pipeline), release(facts, "--pipeline URL"))
    yield _runs(facts, "next.rehearsal", "rehearse")
    yield _runs(facts, "next.checklist", "checklist")


def _runs(facts: Facts, item: str, command: str) -> Item:
    """A pipeline's text can be read, not its mind: that a command stands there is a sign, and its absence a warning."""
    mentions = [mention for mention in facts.mentions if mention.command == command]
    line = f"guard {command} {facts.name}"
    fix = f"add a step to the pipeline that runs `{line}`; if guard does not find its file, give `--pipeline FILE`"
    if not facts.pipelines:
        return Item(item, "warn", "no pipeline was found in the repository", fix)
    if not mentions:
        return Item(item, "warn", f"{some(facts.pipelines)} does not run guard {command}", fix)
    required = [item for item in mentions if not item.excused]
    where = f"{(required or mentions)[0].file}:{(required or mentions)[0].line}"
    if not required:
        return Item(
            item,
            "warn",
            f"{where} runs it but ignores its result",
            f"run `{line}` at {where} so that a failure stops the pipeline",
        )
    return Item(item, "pass", f"runs at {where}")


SECTION = Part("next", "Next release", _items)
