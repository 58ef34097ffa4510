"""Docker Compose: the candidate is a service beside the model's."""

from collections.abc import Iterator
from typing import Any, Final

from guard.kit.candidate.engines.programs import program
from guard.kit.candidate.engines.values import EngineStep, Outcome, Subject


class Compose:
    """`candidate.engine.compose`. A rollback leaves the service up: it may be wanted for another look."""

    name: Final = "compose"

    def __init__(self, declared: Any) -> None:
        self._command = ["docker", "compose", "-f", str(declared.file.path)]
        self._service: str = declared.service

    def perform(self, step: EngineStep, subject: Subject) -> Iterator[Outcome]:
        """Start the service and wait until it is healthy, or stop it."""
        del subject
        if step == "stage":
            yield program([*self._command, "up", "-d", "--wait", self._service])
        elif step == "abort":
            yield program([*self._command, "stop", self._service])
