"""The values of a draft, before it is text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from guard.kit.init.server import Server

Shape = dict[str, Any]
"""A field's keys and values as the policy has them; nested fields are shapes too."""

WIDE: Final[Mapping[str, Any]] = {"max_body": "8MiB", "timeout": {"attempt": "30s", "request": "60s"}}
"""A draft must not break what works: limits so wide that they need no knowledge of the model."""
GENERATES: Final[Mapping[str, Any]] = {"max_body": "8MiB", "timeout": {"attempt": "9m", "idle": "2m", "request": "10m"}}
"""The same for what writes text: openai-python waits ten minutes."""

MOST_ROUTES: Final = 200
MOST_MODELS: Final = 50


class Field(NamedTuple):
    """One input or output. `source`: who said so, and in which words."""

    shape: Shape
    source: str


@dataclass(frozen=True, slots=True)
class Route:
    """One route with a contract, or with nothing declared. `dialect`'s reason is `why`; `notes` are lines above the key."""

    key: str
    dialect: str
    why: str
    settings: Mapping[str, Any] = field(default_factory=dict)  # rows, columns, undeclared, max_rows, content, stream
    reasons: Mapping[str, str] = field(default_factory=dict)  # of settings, by their names
    inputs: Mapping[str, Field] = field(default_factory=dict)
    outputs: Mapping[str, Field] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=lambda: WIDE)
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str) -> "Route":
        """The same with more to say."""
        return replace(self, notes=(*self.notes, *notes))

    def bare(self, *notes: str) -> "Route":
        """The same with nothing declared."""
        settings = {name: value for name, value in self.settings.items() if name in ("content", "stream")}
        return replace(self, settings=settings, inputs={}, outputs={}, notes=(*self.notes, *notes))


@dataclass(frozen=True, slots=True)
class SurveyResult:
    """The finding of a source. `passed`: keys of passthrough routes, each with the reason."""

    server: str  # what it is, in a few words
    routes: tuple[Route, ...] = ()
    passed: Mapping[str, str] = field(default_factory=dict)
    probe: str = ""  # a path that says whether the model server is ready
    service: str = ""  # what it might be called
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy to be."""

    upstream: str
    survey: SurveyResult
    ca: str = ""  # a file, where the server's certificate is signed by it


@dataclass(frozen=True, slots=True)
class Wanted:
    """Options of the operator besides the URL."""

    models: tuple[str, ...] = ()
    dialect: str = ""
    mlmodel: "Signature | None" = None


@dataclass(frozen=True, slots=True)
class Signature:
    """The content of an MLmodel file."""

    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field]
    params: Mapping[str, Field]
    notes: tuple[str, ...]
    version: str = ""
    unmapped: bool = False  # an input is not declared


class Source(NamedTuple):
    """An interface that recognises one family of servers. A file of this folder defines one, `SOURCE`."""

    dialects: tuple[str, ...]
    """The dialects that it can declare; `--dialect` with one of them asks this source alone."""
    find: Callable[[Server, Wanted], SurveyResult | None]
    """The server and its routes; None if it is not of this family."""
    asked: tuple[str, ...] = ()
    """Paths that are asked of every server, whatever it is."""
    vague: bool = False
    """Whether it recognises no more than that a path answers: nothing, where every path does."""
