"""A program of the user's, for every engine that has no file here."""

from collections.abc import Iterator, Sequence
from typing import Final

from guard.kit.candidate.engines.programs import program
from guard.kit.candidate.engines.values import EngineStep, Outcome, Subject


class Command:
    """`candidate.engine.command`. It is called with the step, the version and the digest after its own arguments."""

    name: Final = "command"

    def __init__(self, declared: Sequence[str]) -> None:
        self._command = list(declared)

    def perform(self, step: EngineStep, subject: Subject) -> Iterator[Outcome]:
        """Run it for this step; an exit code other than 0 is a failure."""
        yield program([*self._command, step, subject.version, subject.digest])
