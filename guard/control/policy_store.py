"""The policy in force, its plan, and the routes that operators have observed: one writer, one queue of changes.

A change is a reload, or an order that needs another plan. Changes are applied one after another, in the order in which they
were asked for, and each begins with what the one before left in force: none is lost, and none puts back what another has
replaced. A change reads and compiles in a thread, with a deadline, and takes effect in one step of the loop; where it fails
nothing has changed.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

from guard.control import last_good
from guard.control.order_store import Wanted
from guard.control.state import StateFolder
from guard.control.worker import Worker
from guard.events import Publish, StateUnavailable
from guard.policy.compiled import CompiledPlan, retire
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.errors import Place, PolicyError, PolicyInvalid
from guard.policy.loading import Loaded, load
from guard.policy.loading.read import Reader
from guard.policy.runtime import Draft, Runtime

READ_WITHIN: Final = 10.0
"""Seconds to read one file of a policy. One that takes longer hangs, and counts as unreadable."""
COMPILE_WITHIN: Final = 300.0
"""Seconds to check or to compile a policy, on however little of a core: longer is taken for a hang too."""

T = TypeVar("T")


class NoPolicy(Exception):  # noqa: N818
    """Neither the policy on disk nor the saved one can be served."""


class Install(Protocol):
    """Puts a policy in force, in one step."""

    def __call__(self, loaded: Loaded, plan: CompiledPlan, draft: Draft) -> None:
        """Swap the plan, and what listeners read of the policy."""


class TimedReader:
    """Reads files in one thread, while another asks whether a read hangs."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._since: float | None = None

    def __call__(self, path: Path) -> bytes:
        """The content of a file. Raises OSError."""
        self._since = monotonic()
        try:
            return self._read(path)
        finally:
            self._since = None

    def hangs(self) -> bool:
        """Whether the read that was begun last takes longer than READ_WITHIN."""
        since = self._since
        return since is not None and monotonic() - since > READ_WITHIN

    def begin(self) -> None:
        """Forget a read that hangs: its thread was abandoned."""
        self._since = None


class PolicyStore:
    """The one writer of `loaded` and `plan`."""

    loaded: Loaded
    plan: CompiledPlan

    def __init__(
        self,
        path: Path,
        read: Reader,
        environ: Mapping[str, str],
        runtime: Runtime,
        install: Install,
        publish: Publish,
    ) -> None:
        """`read` reads the files of the policy at `path`."""
        self.context = CompileContext()
        self.state: StateFolder | None = None
        self.read_timed = TimedReader(read)
        self._path, self._environ = path, environ
        self._runtime, self._install, self._publish = runtime, install, publish
        self._observed: frozenset[str] = frozenset()
        self._worker, self._keeper = Worker("guard-policy"), Worker("guard-last-good")
        self._changes: asyncio.Queue[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = asyncio.Queue()

    # ── the queue ─────────────────────────────────────────────────────────────────────────────────────────────────

    def submit(self, change: Callable[[], Awaitable[T]]) -> "asyncio.Future[T]":
        """Queue a change. It is carried out whether or not anybody still waits for it."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_retrieve_error)
        self._changes.put_nowait((change, done))
        return done

    async def apply_changes(self) -> None:
        """Apply changes in their order, for ever."""
        while True:
            change, done = await self._changes.get()
            try:
                result = await change()
            except asyncio.CancelledError:
                done.cancel()
                raise
            except Exception as error:  # noqa: BLE001 — whoever asked for the change is told, and the next one follows
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

    # ── changes ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def begin(self, opened: Callable[[Loaded | None], Awaitable[frozenset[str]]]) -> PolicyInvalid | None:
        """Put the first policy in force: the one on disk, or the last good one where it is refused, which is returned.

        `opened` is given the policy where it could be read, opens the state folder, and returns the routes that operators
        have observed. Raises NoPolicy.
        """
        loaded: Loaded | None = None
        refused: PolicyInvalid | None = None
        compiled: tuple[CompiledPlan, Draft] | None = None
        try:
            loaded = await self.load()
        except PolicyInvalid as error:
            refused = error
        observed = await opened(loaded)
        if loaded is not None:
            try:
                compiled = await self.compile(loaded, observed)
            except PolicyInvalid as error:
                refused = error
                error.contents, error.policy = error.contents or loaded.contents, loaded
        if loaded is None or compiled is None:
            loaded, compiled = await self._last_good(observed, refused)
        self.put_in_force(loaded, *compiled, observed)
        if refused is None:
            self.keep_last_good()
        return refused

    async def _last_good(
        self, observed: frozenset[str], refused: PolicyInvalid | None
    ) -> tuple[Loaded, tuple[CompiledPlan, Draft]]:
        read = last_good.read(self.state, self._path) if self.state is not None else None
        if read is None:
            raise NoPolicy(f"{refused}\nguard: no policy to serve")
        try:
            loaded = await self.load(read)
            return loaded, await self.compile(loaded, observed)
        except PolicyInvalid as error:
            raise NoPolicy(f"{refused}\nguard: the saved policy no longer compiles") from error

    async def load(self, read: Reader | None = None) -> Loaded:
        """Read the policy, from its files or with another reader. Raises PolicyInvalid, also where a file hangs."""
        return await self._beside(partial(load, self._path, environ=self._environ, read=read or self.read_timed))

    async def compile(self, loaded: Loaded, observed: frozenset[str]) -> tuple[CompiledPlan, Draft]:
        """The plan of a policy. Raises PolicyInvalid. What is in force does not change."""
        draft, means = self._runtime.draft(), replace(self.context, observed=lambda: observed)
        return await self._beside(partial(compile_plan, loaded, means, draft)), draft

    async def apply(self, loaded: Loaded) -> None:
        """Put a policy in force, within a change. Raises PolicyInvalid, and then nothing has changed."""
        await self._replace(loaded, self._observed, lambda: None)
        self.keep_last_good()

    def observe(self, wanted: Wanted, hold: Callable[[], None]) -> "asyncio.Future[None]":
        """Queue another set of observed routes: the policy in force, compiled anew. See `order_store.DataPlane`."""

        async def change() -> None:
            observed = wanted()
            if observed is None:
                return
            if observed == self._observed:
                hold()
                return
            contents = self.loaded.contents  # what was read then: what is on disk now comes by a reload only
            await self._replace(await self.load(contents.__getitem__), observed, hold)

        return self.submit(change)

    async def recompile(self) -> None:
        """Compile the policy in force anew, in its turn, as the roles of releases have changed. Raises PolicyInvalid."""

        async def change() -> None:
            contents = self.loaded.contents
            await self._replace(await self.load(contents.__getitem__), self._observed, lambda: None)

        await self.submit(change)

    async def _replace(self, loaded: Loaded, observed: frozenset[str], hold: Callable[[], None]) -> None:
        plan, draft = await self.compile(loaded, observed)
        before = self.loaded, self.plan
        self.put_in_force(loaded, plan, draft, observed)
        hold()
        for _ in retire(*before):
            await asyncio.sleep(0)

    def put_in_force(self, loaded: Loaded, plan: CompiledPlan, draft: Draft, observed: frozenset[str]) -> None:
        """Swap, in one step."""
        self._install(loaded, plan, draft)
        self.loaded, self.plan, self._observed = loaded, plan, observed

    async def _beside(self, call: Callable[[], T]) -> T:
        """Run a call in a thread. Raises PolicyInvalid where it hangs."""
        self.read_timed.begin()
        try:
            with _uncollected():
                return await self._worker.run(call, COMPILE_WITHIN, self.read_timed.hangs)
        except TimeoutError:
            hung = self.read_timed.hangs()
            late = f"a file could not be read within {READ_WITHIN:g} s" if hung else "checking it takes too long"
            raise PolicyInvalid([PolicyError(Place(str(self._path)), (), late)]) from None

    # ── the last good policy ──────────────────────────────────────────────────────────────────────────────────────

    def keep_last_good(self) -> None:
        """Save the policy in force for a restart that meets a bad one. Nothing waits for it."""
        if self.state is not None:
            saved = self._keeper.submit(partial(last_good.keep, self.state, self._path, self.loaded))
            saved.add_done_callback(self._saved)

    def _saved(self, done: "asyncio.Future[None]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._publish(StateUnavailable(why=str(error)))


def _retrieve_error(done: "asyncio.Future[Any]") -> None:
    """A change that failed after everybody had gone is no error of the loop."""
    if not done.cancelled():
        done.exception()


@contextmanager
def _uncollected() -> Iterator[None]:
    """While a thread compiles: no collection over what it makes.

    A policy and a plan hold no cycles (there is a test): frozen, they are freed by their last reference all the same.
    """
    if not gc.isenabled():  # the process still begins
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
