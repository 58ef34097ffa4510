"""The parts of a rehearsal, in their order: a file each, and a line here."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from guard.kit.rehearse import direct, drift, examples, fallback, leaks, load, messy
from guard.kit.rehearse.stage import Stage
from guard.kit.rehearse.values import Part


class Play(NamedTuple):
    """A part: its title, and the function that runs it."""

    title: str
    run: Callable[[Stage, Part], None]


PARTS: Final[Mapping[str, Play]] = {
    "examples": Play("The team's examples", examples.run),
    "messy": Play("Messy requests", messy.run),
    "direct": Play("The model server itself", direct.run),
    "load": Play("Load", load.run),
    "fallback": Play("Each rung", fallback.run),
    "drift": Play("Drift", drift.run),
    "leaks": Play("What got out", leaks.run),
}
