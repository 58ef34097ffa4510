"""1. The release record: what exactly is deployed, and who says so."""

from collections.abc import Iterator

from guard.kit.checklist.values import Facts, Item, Part
from guard.kit.checklist.words import fresh, judged, named, policy, release
from guard.kit.release.commit import DIRTY
from guard.kit.release.options import REQUIRED
from guard.policy.models import Release


def _items(facts: Facts) -> Iterator[Item]:
    record = facts.loaded.policy.release
    if record is None:
        fix = f"run `guard release --policy {facts.name} --version VERSION`, and {policy(facts, release='release.yaml')}"
        yield Item("release.record", "fail", "the policy names no release", fix)
        return
    yield Item("release.record", "pass", f"{record.model or 'an unnamed model'} {record.version}")
    yield judged(
        "release.model",
        [] if named(record.model) else ["the release names no model"],
        str(record.model),
        release(facts, "--model NAME"),
    )
    yield _commit(facts, record)
    lock = record.lockfile if isinstance(record.lockfile, str) or record.lockfile is None else record.lockfile.digest
    yield judged(
        "release.lockfile",
        [] if lock else ["the release has no lockfile digest"],
        str(lock),
        release(facts, "--lockfile FILE"),
    )
    yield _parts(facts, record)
    yield _contract(facts, record)
    values = len(record.configuration)
    none = [] if record.is_set("configuration") else ["the release declares no configuration"]
    yield judged(
        "release.configuration", none, f"{values} values", release(facts, "--config KEY=VALUE") + ", or `--config none`"
    )
    yield _evaluation(facts, record)
    approval = [name for name in ("approved_by", "approved_at") if not named(getattr(record, name))]
    good = f"{record.approved_by}, {record.approved_at}"
    yield judged("release.approval", approval, good, release(facts, "--approved-by WHO"), why="not said")
    yield _verified(facts)


def _commit(facts: Facts, record: Release) -> Item:
    commit = record.commit
    if not commit:
        return Item("release.commit", "fail", "the release names no commit", release(facts, "--commit HASH"))
    if commit.endswith(DIRTY):
        fix = "commit the changes, then " + release(facts, "--commit HASH")
        return Item("release.commit", "warn", f"{commit}: made from uncommitted files", fix)
    return Item("release.commit", "pass", commit)


def _parts(facts: Facts, record: Release) -> Item:
    wrong = [kind for kind in REQUIRED if kind not in record.parts]
    for kind, part in record.parts.items():
        if not isinstance(part, str) and not (part.path and part.digest):
            wrong.append(kind)
    fix = release(facts, " ".join(f"--part {kind}=PATH" for kind in wrong)) + ", or in_code or none as PATH"
    return judged("release.parts", wrong, "each of the seven kinds of part is declared", fix, why="no answer for")


def _contract(facts: Facts, record: Release) -> Item:
    again = f"run the model's `guard release --policy {facts.name} …` again"
    if record.contract is None:
        return Item("release.contract", "fail", "the record has no contract digest", again)
    if any(warning.path == ("release", "contract") for warning in facts.loaded.warnings):
        text = "the contract of the policy's routes is not the contract that the release was made for"
        return Item("release.contract", "warn", text, f"{again}, or undo the change of the routes")
    return Item("release.contract", "pass", f"{record.contract[:19]}, as the policy's routes have it")


def _evaluation(facts: Facts, record: Release) -> Item:
    evaluation = record.evaluation
    options = {
        "digest": "--evaluation FILE",
        "data_set": "--dataset NAME",
        "date": "--evaluated DATE",
        "metrics": "--metric NAME=NUMBER",
    }
    wrong = [name for name in options if evaluation is None or not getattr(evaluation, name)]
    fix = release(facts, " ".join(options[name] for name in wrong))
    numbers = ", ".join(f"{name} {value}" for name, value in evaluation.metrics.items()) if evaluation is not None else ""
    good = f"{numbers} on {evaluation.data_set}, {evaluation.date}" if evaluation is not None else ""
    return judged("release.evaluation", wrong, good, fix, why="not said")


def _verified(facts: Facts) -> Item:
    item, evidence = fresh("release.verified", "release", facts, f"guard release --verify --policy {facts.name}")
    if evidence is not None and not evidence.passed:
        wrong = evidence.result.get("differences")
        count = len(wrong) if isinstance(wrong, list) else "some"
        text = f"the record differs from the disk in {count} places"
        fix = f"run `guard release --verify --policy {facts.name}` to see them, and release again what was changed"
        return Item("release.verified", "fail", text, fix)
    return item


SECTION = Part("release", "Release record", _items)
