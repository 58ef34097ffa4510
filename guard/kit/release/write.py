"""Asked → record. What was not given is absent; nothing is guessed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from guard.kit.release import report
from guard.kit.release.options import KINDS, REQUIRED, WORDS, ReleaseOptions
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


def record(options: ReleaseOptions, out: Path, around: Around) -> dict[str, Any]:
    """The record, in the order in which it is written. Raises Refused with everything that is wrong."""
    wrong: list[str] = []

    def file(path: Path) -> dict[str, str]:
        try:
            return {"path": shown_path(path, out), "digest": digest(path, around.large)}
        except NoDigest as error:
            wrong.append(str(error))
            return {}

    parts = {kind: part if part in WORDS else file(Path(part)) for kind, part in sorted(options.parts.items(), key=_order)}
    approved_at = options.approved_at or (around.now if options.approved_by is not None else None)
    document = {
        "model": options.model,
        "version": options.version,
        "commit": around.commit,
        "lockfile": file(options.lockfile) if options.lockfile is not None else None,
        "parts": parts or None,
        "contract": around.contract,
        "configuration": _configuration(options),
        "evaluation": _evaluation(options, file, wrong) or None,
        "approved_by": options.approved_by,
        "approved_at": approved_at,
        "pipeline": options.pipeline,
        "previous": around.previous,
        "strict": True if options.strict else None,
    }
    if wrong:
        raise Refused(wrong)
    return {key: item for key, item in document.items() if item is not None}


def absent(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Members that a launch needs and the record lacks, with the option that gives each."""
    yield from ((key, option) for key, option in OPTIONS.items() if key not in document)
    for kind in REQUIRED:
        if kind not in document.get("parts", {}):
            yield f"parts.{kind}", f"--part {kind}=PATH, in_code or none"
    evaluation = document.get("evaluation", {})
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


def _configuration(options: ReleaseOptions) -> dict[str, Any] | None:
    return None if options.configuration is None else {key: value(item) for key, item in options.configuration.items()}


def _evaluation(options: ReleaseOptions, file: Callable[[Path], dict[str, str]], wrong: list[str]) -> dict[str, Any]:
    evaluation: dict[str, Any] = {}
    if options.evaluation is not None:
        named = file(options.evaluation)
        evaluation |= {"report": named.get("path"), "digest": named.get("digest")}
        if named and options.evaluation.is_file():
            wrong += report.disagreements(options.evaluation, options.metrics)
    evaluation |= {"data_set": options.dataset, "date": options.evaluated, "metrics": dict(options.metrics) or None}
    return {key: item for key, item in evaluation.items() if item is not None}
