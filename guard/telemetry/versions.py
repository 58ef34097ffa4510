"""The sink that watches which version of a model answers: a change is an event, another than the release's a warning.

Several versions behind one address alternate, each request another: one that was met within the last minutes is no change.
"""

from collections.abc import Iterator
from typing import Final

from guard.events import Publish, VersionChanged, VersionDisagrees
from guard.proxy.values import MODEL, Record

REMEMBERED: Final = 300.0
MOST: Final = 50
"""Versions of one target that are remembered; they come from outside."""


class Versions:
    """A Sink. `expected`: the release's version; empty where the policy names none."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self.expected = ""
        self._last: dict[tuple[str, str], str] = {}
        self._met: dict[tuple[str, str], dict[str, float]] = {}

    def take(self, records: Iterator[Record]) -> None:
        """Note the version of every attempt that reported one."""
        for record in records:
            for attempt in record.attempts:
                if attempt.version and record.matched is not None:
                    self._note((record.matched.key, attempt.target.source), attempt.version, record.ended_at)

    def _note(self, key: tuple[str, str], version: str, now: float) -> None:
        met = self._met.setdefault(key, {})
        before, fresh = self._last.get(key), now - met.pop(version, -REMEMBERED) >= REMEMBERED
        met[version] = now
        if before == version:
            return
        self._last[key] = version
        if len(met) > MOST:
            del met[next(iter(met))]
        if not fresh:
            return
        route, target = key
        if before is not None:
            self._publish(VersionChanged(route=route, target=target, before=before, after=version))
        if target == MODEL and self.expected not in ("", version):
            self._publish(VersionDisagrees(route=route, served=version, release=self.expected))

    def keep(self, keys: frozenset[str]) -> None:
        """Forget routes that the policy does not name any more."""
        for key in [key for key in self._last if key[0] not in keys]:
            del self._last[key], self._met[key]

    def served_now(self) -> Iterator[tuple[str, str, str, str]]:
        """The points of guard.model.served: method, route, target, version."""
        for (key, target), version in list(self._last.items()):
            method, _, template = key.partition(" ")
            yield method, template, target, version

    def served(self, route: str, target: str) -> str:
        """The version that answered last; empty if none was reported."""
        return self._last.get((route, target), "")
