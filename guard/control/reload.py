"""A policy that changes under a running guard. An invalid one never replaces a valid one.

Files are read, not watched: a hash of their content each second sees a symlink swapped by Kubernetes, a file renamed by an
editor and a clock that stands still, all of which notifications or times of change miss somewhere. What was read must read
the same twice, so that a file half written is not taken for a whole one. Files are read in a thread, with a deadline: a
mount that hangs stops neither a later reload nor the end of the process.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, Protocol, TypeVar

from guard.control.place import place_of_error
from guard.control.watched_files import FileHung, WatchedFiles
from guard.events import PolicyApplied, PolicyRefused, PolicyWarning, Publish
from guard.policy.errors import Place, PolicyError, PolicyInvalid
from guard.policy.loading import Loaded
from guard.policy.loading.read import Reader, from_regular_file

EVERY: Final = 1.0
"""Seconds between two looks at the files."""
SETTLE: Final = 0.1
"""Seconds after which a change must still read the same."""
LOOK_WITHIN: Final = 10.0
"""Seconds of one look."""
FILE: Final = "policy file"
"""The name of guard as the one who reloads after a change of a file."""

T = TypeVar("T")


def fingerprint(paths: Iterable[Path], read: Reader = from_regular_file) -> str:
    """A digest of what the files hold; one that cannot be read counts as empty."""
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        try:
            content = read(path)
        except (OSError, ValueError):
            content = b""
        digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return digest.hexdigest()


class Store(Protocol):
    """The interface that puts a policy in force."""

    def submit(self, change: Callable[[], Awaitable[T]]) -> "asyncio.Future[T]":
        """Queue a change."""

    async def load(self) -> Loaded:
        """Read the policy from its files. Raises PolicyInvalid."""

    async def recompile(self) -> None:
        """Compile the policy in force anew. Raises PolicyInvalid, and then nothing has changed."""

    async def apply(self, loaded: Loaded) -> None:
        """Put a policy in force, within a change. Raises PolicyInvalid, and then nothing has changed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of the last attempt, for status, metrics and the caller."""

    ok: bool = True
    digest: str = ""
    errors: tuple[str, ...] = ()
    attempts: int = 0
    refused: int = 0
    at: float = 0.0  # monotonic


class Reloader:
    """Looks at the files of a policy, and puts it in force where they changed and are valid."""

    def __init__(
        self,
        store: Store,
        also: Callable[[Loaded], Iterable[Path]],
        files: WatchedFiles,
        publish: Publish,
        audit: Callable[[dict[str, object]], None],
    ) -> None:
        """`also` lists files that a policy names and that are no part of it, whose change is a change: certificates."""
        self.outcome = Outcome()
        self._store, self._also, self._watched = store, also, files
        self._publish, self._audit = publish, audit
        self._files: Mapping[Path, bytes] = {}
        self._seen = ""  # of the policy's files, as they were read last
        self._others = ""  # of the other files, likewise
        self._named: tuple[Loaded, ...] = ()  # whose other files: the policy in force, and the one that was refused since

    async def begin(self, loaded: Loaded, refused: PolicyInvalid | None = None) -> None:
        """Record the policy in force at the start: the given one, or the last good one if that was `refused`."""
        self.outcome = Outcome(digest=loaded.digest, at=monotonic())
        self._read(loaded.contents if refused is None else refused.contents)
        self._named = (loaded,) if refused is None or refused.policy is None else (loaded, refused.policy)
        self._others = await self._certificates() or ""
        if refused is not None:
            self._refused(refused)

    async def watch(self) -> None:
        """Look each second, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            first = await self._fingerprints()
            if None in first or first == (self._seen, self._others):
                continue
            await asyncio.sleep(SETTLE)
            if await self._fingerprints() == first:
                await self.reload(FILE)

    async def reload(self, actor: str) -> Outcome:
        """Read the policy now, and put it in force if it is another and valid."""
        return await self._store.submit(partial(self._change, actor))

    async def recompile(self) -> None:
        """Compile the policy in force anew, not the one on disk. Raises PolicyInvalid."""
        await self._store.recompile()

    async def _change(self, actor: str) -> Outcome:
        before = self.outcome
        self.outcome = replace(before, attempts=before.attempts + 1)
        try:
            await self._attempt()
        except PolicyInvalid as error:
            self._refused(error)
        except Exception as error:  # noqa: BLE001 — whatever it is, the policy in force stays
            self._refused(PolicyInvalid([PolicyError(Place(""), (), _bug(error))]))
        after = self.outcome
        if actor != FILE or (after.digest, after.errors) != (before.digest, before.errors):
            why = "in force" if after.ok else f"refused: {'; '.join(after.errors[:3])}"
            self._audit({"who": actor, "what": "reload", "from": before.digest, "to": after.digest, "why": why})
        return after

    async def _attempt(self) -> None:
        try:
            loaded = await self._store.load()
        except PolicyInvalid as error:
            if error.contents:  # nothing was read where reading hangs: what is there then is another change
                self._read(error.contents)
            raise
        self._read(loaded.contents)
        self._named = (self._named[0], loaded)
        others = await self._certificates() or self._others
        if loaded.digest != self.outcome.digest or not self.outcome.ok or others != self._others:
            self._others = others
            own = await self._fingerprint("certificates", self._also(loaded)) or ""  # before they are read to be used
            await self._store.apply(loaded)
            self._named, self._others = (loaded,), own
            self.outcome = replace(self.outcome, ok=True, digest=loaded.digest, errors=(), at=monotonic())
            self._publish(PolicyApplied(policy=loaded.digest[:19]))
            for warning in loaded.warnings:
                self._publish(PolicyWarning(message=str(warning)))

    def _refused(self, error: PolicyInvalid) -> None:
        errors = tuple(str(line) for line in error.errors)
        count = self.outcome.refused + 1
        self.outcome = replace(self.outcome, ok=False, errors=errors, at=monotonic(), refused=count)
        self._publish(PolicyRefused(in_force=self.outcome.digest[:19], errors=errors[:20]))

    def _read(self, contents: Mapping[Path, bytes]) -> None:
        """Compare the next look with the contents read last, so that no change in between is missed."""
        self._files = contents
        self._seen = fingerprint(contents, contents.__getitem__)

    async def _fingerprints(self) -> tuple[str | None, str | None]:
        return await self._fingerprint("policy", self._files), await self._certificates()

    async def _certificates(self) -> str | None:
        """The watched files, with those of a refused policy: it may wait for one of them."""
        return await self._fingerprint("certificates", [path for loaded in self._named for path in self._also(loaded)])

    async def _fingerprint(self, subject: str, paths: Iterable[Path]) -> str | None:
        """Read in a thread. None where a file hangs, which is no change."""
        try:
            return await self._watched.read_with_deadline(subject, partial(fingerprint, tuple(paths)), LOOK_WITHIN)
        except FileHung:
            return None


def _bug(error: Exception) -> str:
    """An error that only guard can have made: its type and place, and nothing that it says."""
    return f"a bug of guard: {type(error).__name__} at {place_of_error(error)}"
