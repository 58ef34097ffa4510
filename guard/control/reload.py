"""A policy that changes under a running guard. A bad one never replaces a good one (law 8).

Files are read, not watched: a hash of their content each second sees a symlink swapped by Kubernetes, a file renamed by an
editor and a clock that stands still, all of which notifications or times of change miss somewhere. What was read must read
the same twice, so that a file half written is not taken for a whole one.
"""

import asyncio
import base64
import gc
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from guard.control.state import StateFolder
from guard.events import PolicyApplied, PolicyRefused, PolicyWarning, Publish
from guard.policy.errors import Place, PolicyError, PolicyInvalid
from guard.policy.load import Loaded, Reader, from_disk

EVERY: Final = 1.0
"""Seconds between two looks at the files."""
SETTLE: Final = 0.1
"""Seconds after which a change must still read the same."""
LAST_GOOD: Final = "policy.json"


def fingerprint(paths: Iterable[Path], read: Reader = from_disk) -> str:
    """A digest of what the files hold; one that cannot be read counts as empty."""
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        try:
            content = read(path)
        except (OSError, ValueError):
            content = b""
        digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return digest.hexdigest()


@contextmanager
def beside_the_loop() -> Iterator[None]:
    """While a thread compiles: no collection over what it makes.

    A policy and a plan hold no cycles (there is a test): frozen, they are freed by their last reference all the same.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


# ── the last good policy ──────────────────────────────────────────────────────────────────────────────────────────────


def keep(state: StateFolder, path: Path, loaded: Loaded) -> None:
    """Save every file of a policy that is in force. Raises OSError."""
    files = {str(file.absolute()): base64.b64encode(content).decode() for file, content in loaded.contents.items()}
    document = {"policy": str(path.absolute()), "digest": loaded.digest, "files": files}
    state.save(LAST_GOOD, json.dumps(document).encode())


def kept(state: StateFolder, path: Path) -> Reader | None:
    """A Reader of the files of the last good policy that was read from `path`; None where there is none."""
    try:
        document: Any = json.loads(state.read(LAST_GOOD) or b"null")
        if not isinstance(document, dict) or document["policy"] != str(path.absolute()):
            return None
        files: Mapping[str, bytes] = {name: base64.b64decode(text) for name, text in document["files"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None

    def read(file: Path) -> bytes:
        try:
            return files[str(file.absolute())]
        except KeyError:
            raise FileNotFoundError(2, "not kept with the last good policy") from None

    return read


# ── reload ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Outcome:
    """How the last attempt went, for status, metrics and whoever asked for it."""

    ok: bool = True
    digest: str = ""
    errors: tuple[str, ...] = ()
    attempts: int = 0
    refused: int = 0
    at: float = 0.0  # monotonic


class Reloader:
    """Looks at the files, and hands a policy that changed to `apply`.

    `load` reads a policy, `apply` puts it in force; both may raise PolicyInvalid. `also` names files besides the policy's
    own whose change is a change too: certificates.
    """

    def __init__(
        self,
        load: Callable[[], Loaded],
        apply: Callable[[Loaded], Awaitable[None]],
        also: Callable[[], Iterable[Path]],
        publish: Publish,
    ) -> None:
        self.outcome = Outcome()
        self._load, self._apply, self._also, self._publish = load, apply, also, publish
        self._files: Mapping[Path, bytes] = {}
        self._seen = ""  # of the policy's files, as they were read last
        self._others = ""  # of the other files, likewise
        self._turn = asyncio.Lock()

    def begin(self, loaded: Loaded, refused: PolicyInvalid | None = None) -> None:
        """What is in force at the start: the policy, or the last good one because this one was `refused`."""
        self.outcome = Outcome(digest=loaded.digest, at=monotonic())
        self._read(loaded.contents if refused is None else refused.contents)
        self._others = fingerprint(self._also())
        if refused is not None:
            self._refused(refused)

    async def watch(self) -> None:
        """Look each second, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            if (first := await asyncio.to_thread(self._look)) == (self._seen, self._others):
                continue
            await asyncio.sleep(SETTLE)
            if await asyncio.to_thread(self._look) == first:
                await self.reload()

    async def reload(self) -> Outcome:
        """Read the policy now, and put it in force if it is another and good."""
        async with self._turn:
            self.outcome.attempts += 1
            try:
                with beside_the_loop():
                    await self._attempt()
            except PolicyInvalid as error:
                self._refused(error)
            except Exception as error:  # noqa: BLE001 — law 8: whatever it is, the policy in force stays
                self._refused(PolicyInvalid([PolicyError(Place(""), (), f"a bug of guard: {type(error).__name__}")]))
            return self.outcome

    async def _attempt(self) -> None:
        try:
            loaded = await asyncio.to_thread(self._load)
        except PolicyInvalid as error:
            self._read(error.contents)
            raise
        self._read(loaded.contents)
        others = await asyncio.to_thread(fingerprint, self._also())
        if loaded.digest != self.outcome.digest or not self.outcome.ok or others != self._others:
            self._others = others
            await self._apply(loaded)
            self.outcome.ok, self.outcome.digest, self.outcome.errors = True, loaded.digest, ()
            self.outcome.at = monotonic()
            self._publish(PolicyApplied(policy=loaded.digest[:19]))
            for warning in loaded.warnings:
                self._publish(PolicyWarning(message=str(warning)))

    def _refused(self, error: PolicyInvalid) -> None:
        errors = tuple(str(one) for one in error.errors)
        self.outcome.ok, self.outcome.errors, self.outcome.at = False, errors, monotonic()
        self.outcome.refused += 1
        self._publish(PolicyRefused(in_force=self.outcome.digest[:19], errors=errors[:20]))

    def _read(self, contents: Mapping[Path, bytes]) -> None:
        """What was read last is what the next look is held against: nothing that changes meanwhile is missed."""
        self._files = contents
        self._seen = fingerprint(contents, contents.__getitem__)

    def _look(self) -> tuple[str, str]:
        return fingerprint(self._files), fingerprint(self._also())
