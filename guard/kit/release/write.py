"""Asked → record. What was not given is absent; nothing is guessed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from guard.kit.release import report
from guard.kit.release.asked import KINDS, WORDS, Asked
from guard.kit.release.record import shown_path, value
from guard.kit.release.tree import NoDigest, digest

OPTIONS: Final = {
    "model": "--model",
    "commit": "--commit",
    "lockfile": "--lockfile",
    "contract": "--policy",
    "configuration": "--config KEY=VALUE, or --config none",
    "approved_by": "--approved-by",
    "pipeline": "--pipeline",
    "previous": "--previous, or --previous none for the first release",
}
"""The option that gives each member."""


class Refused(Exception):  # noqa: N818
    """Options that cannot be recorded; one message for each."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__("\n".join(messages))
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Around:
    """Facts that are found, not given."""

    commit: str | None
    contract: str | None
    previous: Any
    now: str
    """RFC 3339: when an approval that is given without a time was recorded."""
    large: Callable[[Path, int], None]


def record(asked: Asked, out: Path, around: Around) -> dict[str, Any]:
    """The record, in the order in which it is written. Raises Refused with everything that is wrong."""
    wrong: list[str] = []

    def file(path: Path) -> dict[str, str]:
        try:
            return {"path": shown_path(path, out), "digest": digest(path, around.large)}
        except NoDigest as error:
            wrong.append(str(error))
            return {}

    parts = {kind: one if one in WORDS else file(Path(one)) for kind, one in sorted(asked.parts.items(), key=_order)}
    approved_at = asked.approved_at or (around.now if asked.approved_by is not None else None)
    made = {
        "model": asked.model,
        "version": asked.version,
        "commit": around.commit,
        "lockfile": file(asked.lockfile) if asked.lockfile is not None else None,
        "parts": parts or None,
        "contract": around.contract,
        "configuration": _configuration(asked),
        "evaluation": _evaluation(asked, file, wrong) or None,
        "approved_by": asked.approved_by,
        "approved_at": approved_at,
        "pipeline": asked.pipeline,
        "previous": around.previous,
        "strict": True if asked.strict else None,
    }
    if wrong:
        raise Refused(wrong)
    return {key: one for key, one in made.items() if one is not None}


def absent(made: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Members that a launch needs and the record lacks, with the option that gives each."""
    yield from ((key, option) for key, option in OPTIONS.items() if key not in made)
    for kind in KINDS:
        if kind not in made.get("parts", {}):
            yield f"parts.{kind}", f"--part {kind}=PATH, in_code or none"
    evaluation = made.get("evaluation", {})
    for key, option in (
        ("digest", "--evaluation FILE"),
        ("data_set", "--dataset"),
        ("date", "--evaluated"),
        ("metrics", "--metric NAME=NUMBER"),
    ):
        if not evaluation.get(key):
            yield f"evaluation.{key}", option


def _order(part: tuple[str, str]) -> int:
    return KINDS.index(part[0])


def _configuration(asked: Asked) -> dict[str, Any] | None:
    return None if asked.configuration is None else {key: value(one) for key, one in asked.configuration.items()}


def _evaluation(asked: Asked, file: Callable[[Path], dict[str, str]], wrong: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if asked.evaluation is not None:
        named = file(asked.evaluation)
        found |= {"report": named.get("path"), "digest": named.get("digest")}
        if named and asked.evaluation.is_file():
            wrong += report.disagreements(asked.evaluation, asked.metrics)
    found |= {"data_set": asked.dataset, "date": asked.evaluated, "metrics": dict(asked.metrics) or None}
    return {key: one for key, one in found.items() if one is not None}
