"""The interface of an engine."""

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol, TypeAlias

EngineStep: TypeAlias = Literal["register", "stage", "promote", "rollback", "abort"]


class Subject(NamedTuple):
    """The candidate that a step is about. `source`: where its artifact is."""

    version: str
    digest: str
    url: str
    model: str
    previous: str = ""
    """Digest of the release that becomes the model again, in a rollback."""
    source: str = ""


class Outcome(NamedTuple):
    """One action of a step. Where it is not `ok`, `detail` says why and what to run."""

    what: str
    ok: bool
    detail: str = ""


class Engine(Protocol):
    """One engine. Each step may be repeated: what is already so stays so."""

    def perform(self, step: EngineStep, subject: Subject) -> Iterator[Outcome]:
        """Do what the step needs of this engine, action by action; ends at the first that fails."""
