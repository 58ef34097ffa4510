"""A policy that changes under a running guard, in all the ways that files change."""

import asyncio
import gc
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard.control import last_good, reload
from guard.control.policy_store import PolicyStore
from guard.control.secrets import _files
from guard.control.state import StateFolder
from guard.control.watched_files import WatchedFiles
from guard.events import Event, PolicyApplied, PolicyRefused
from guard.policy.compiled import CompiledPlan, retire
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import Loaded, load
from guard.policy.loading.read import from_regular_file
from guard.policy.runtime import Draft, NoPool, Runtime, TargetKey
from tests.proxy.stand import until

TEXT = """version: guard/v1
service: s
upstream: http://h:1
routes:
  POST /p:
    timeout: {{attempt: {attempt}ms}}
    input: {{age: {{type: integer}}}}
    output: {{label: {{enum: [a]}}}}
    fallback: {{label: a}}
"""


class Guarded:
    """What serve has, without sockets. `begin` starts the queue of changes as a task, which ends with the loop."""

    def __init__(self, path: Path, also: tuple[Path, ...] = ()) -> None:
        self.path = path
        self.runtime = Runtime()
        self.events: list[Event] = []
        self.audited: list[dict[str, Any]] = []
        self.plan: CompiledPlan
        self.applied: list[str] = []
        self.store = PolicyStore(path, from_regular_file, {}, self.runtime, self.install, self.events.append)
        self.store.context = CompileContext(pool=lambda *_: NoPool())
        self.reloader = reload.Reloader(
            self.store, lambda _loaded: also, WatchedFiles(self.events.append), self.events.append, self.audited.append
        )
        self.queue: asyncio.Task[None]

    async def begin(self) -> None:
        async def opened(_loaded: Loaded | None) -> frozenset[str]:
            return frozenset()

        refused = await self.store.begin(opened)
        await self.reloader.begin(self.store.loaded, refused)
        self.queue = asyncio.create_task(self.store.apply_changes())

    def install(self, loaded: Loaded, plan: CompiledPlan, draft: Draft) -> None:
        self.runtime.adopt(draft)
        self.plan = plan
        self.applied.append(loaded.digest)

    @property
    def attempt(self) -> float:
        return self.plan.routes[0].ladder[0].target.attempt  # type: ignore[attr-defined]


def put(path: Path, attempt: int) -> None:
    path.write_text(TEXT.format(attempt=attempt))


def test_the_same_meaning_is_no_change_and_another_is(tmp_path: Path) -> None:
    async def main() -> None:
        put(path := tmp_path / "p.yaml", 100)
        guarded = Guarded(path)
        await guarded.begin()
        path.write_text("# a comment\n" + path.read_text())
        assert (await guarded.reloader.reload("eve")).ok
        assert (len(guarded.applied), guarded.events) == (1, [])
        put(path, 200)
        await guarded.reloader.reload("eve")
        assert guarded.attempt == 0.2
        assert [type(event) for event in guarded.events] == [PolicyApplied]
        outcome = guarded.reloader.outcome
        assert (outcome.attempts, outcome.refused, outcome.digest) == (2, 0, guarded.applied[-1])

    asyncio.run(main())


BAD: dict[str, bytes] = {
    "syntax": b"routes: [",
    "unknown key": TEXT.format(attempt=1).encode() + b"colour: red\n",
    "duplicate key": TEXT.format(attempt=1).encode() + b"service: t\n",
    "bomb": b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "tag": b"service: !!python/object/apply:os.system [ls]\n",
    "huge": b"# " + b"x" * 10_000_000,
    "not UTF-8": b"service: \xff\xfe\n",
    "empty": b"",
    "binary": bytes(range(256)),
    "does not compile": TEXT.format(attempt=1)
    .replace("{age: {type: integer}}", "{age: {type: string, pattern: '('}}")
    .encode(),
    "no routes": b"version: guard/v1\nservice: s\nupstream: http://h:1\nroutes: {}\n",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_policy_never_replaces_a_good_one(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        put(path := tmp_path / "p.yaml", 100)
        guarded = Guarded(path)
        await guarded.begin()
        plan = guarded.plan
        path.write_bytes(BAD[name])
        outcome = await guarded.reloader.reload("eve")
        assert not outcome.ok
        assert outcome.errors
        assert all("p.yaml" in error for error in outcome.errors)
        assert guarded.plan is plan
        assert (outcome.digest, outcome.refused) == (guarded.applied[0], 1)
        assert guarded.events[-1] == PolicyRefused(in_force=guarded.applied[0][:19], errors=outcome.errors)
        put(path, 100)
        assert (await guarded.reloader.reload("eve")).ok
        assert not guarded.reloader.outcome.errors

    asyncio.run(main())


def test_a_bug_of_ours_is_no_reason_to_change_anything(tmp_path: Path) -> None:
    async def main() -> None:
        put(path := tmp_path / "p.yaml", 100)
        guarded = Guarded(path)
        await guarded.begin()

        async def broken(_: Loaded) -> None:
            raise KeyError("canary")

        guarded.store.apply = broken  # type: ignore[method-assign]
        put(path, 200)
        outcome = await guarded.reloader.reload("eve")
        (told,) = outcome.errors
        assert re.fullmatch(r": a bug of guard: KeyError at guard/control/reload\.py:\d+:\S+", told)
        assert guarded.attempt == 0.1

    asyncio.run(main())


def kubernetes(folder: Path, number: int) -> None:
    """As the kubelet's AtomicWriter swaps a ConfigMap: a new folder, a link renamed over `..data`, the old folder removed."""
    new = folder / f"..{number}"
    new.mkdir()
    put(new / "p.yaml", 1000 + number)
    old = (folder / "..data").resolve() if (folder / "..data").exists() else None
    (folder / "..data_tmp").symlink_to(new.name)
    os.rename(folder / "..data_tmp", folder / "..data")
    if not (folder / "p.yaml").is_symlink():
        (folder / "p.yaml").symlink_to("..data/p.yaml")
    if old is not None:
        (old / "p.yaml").unlink()
        old.rmdir()


def rename(folder: Path, number: int) -> None:
    """As vim and sed -i do."""
    put(folder / "p.yaml~", 1000 + number)
    os.rename(folder / "p.yaml~", folder / "p.yaml")


def rewrite(folder: Path, number: int) -> None:
    put(folder / "p.yaml", 1000 + number)


def recreate(folder: Path, number: int) -> None:
    (folder / "p.yaml").unlink(missing_ok=True)
    put(folder / "p.yaml", 1000 + number)


def frozen(folder: Path, number: int) -> None:
    """On a file system whose times do not move; the size stays the same too."""
    put(folder / "p.yaml", 1000 + number)
    os.utime(folder / "p.yaml", (1, 1))


@pytest.mark.parametrize("save", [kubernetes, rename, rewrite, recreate, frozen])
def test_every_way_of_saving_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[[Path, int], None]
) -> None:
    monkeypatch.setattr(reload, "EVERY", 0.002)
    monkeypatch.setattr(reload, "SETTLE", 0.001)

    async def main() -> None:
        save(tmp_path, 0)
        guarded = Guarded(tmp_path / "p.yaml")
        await guarded.begin()
        watch = asyncio.create_task(guarded.reloader.watch())
        for number in range(1, 100):
            save(tmp_path, number)
            if number % 10 == 9:
                await until(lambda number=number: guarded.attempt == (1000 + number) / 1000)
            else:
                await asyncio.sleep(0)
        assert guarded.reloader.outcome.ok
        watch.cancel()

    asyncio.run(main())


def test_a_file_that_a_refused_policy_names_is_watched_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "EVERY", 0.002)
    monkeypatch.setattr(reload, "SETTLE", 0.001)

    async def main() -> None:
        put(path := tmp_path / "p.yaml", 100)
        guarded = Guarded(path)
        await guarded.begin()
        watch = asyncio.create_task(guarded.reloader.watch())
        base = tmp_path / "org.yaml"
        base.write_text("drain: nonsense\n")
        path.write_text(TEXT.format(attempt=300).replace("service", "extends: org.yaml\nservice"))
        await until(lambda: not guarded.reloader.outcome.ok)
        base.write_text("drain: 1s\n")
        await until(lambda: guarded.reloader.outcome.ok)
        assert guarded.attempt == 0.3
        base.unlink()
        await until(lambda: not guarded.reloader.outcome.ok)
        watch.cancel()

    asyncio.run(main())


def test_another_certificate_is_a_change_of_an_unchanged_policy(tmp_path: Path) -> None:
    async def main() -> None:
        put(path := tmp_path / "p.yaml", 100)
        (certificate := tmp_path / "cert.pem").write_text("one")
        guarded = Guarded(path, (certificate,))
        await guarded.begin()
        await guarded.reloader.reload("eve")
        assert len(guarded.applied) == 1
        certificate.write_text("two")
        await guarded.reloader.reload("eve")
        await guarded.reloader.reload("eve")
        assert len(guarded.applied) == 2

    asyncio.run(main())


def test_a_refused_policy_is_tried_again_once_a_certificate_that_it_names_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy and the secret that it needs come in any order."""
    monkeypatch.setattr(reload, "EVERY", 0.002)
    monkeypatch.setattr(reload, "SETTLE", 0.002)

    def named(loaded: Loaded) -> list[Path]:
        return [file.path for file in (loaded.policy.upstream.tls and loaded.policy.upstream.tls.ca,) if file]

    async def main() -> None:
        put(path := tmp_path / "p.yaml", 100)
        guarded = Guarded(path)
        guarded.store.context = CompileContext(pool=lambda *_: NoPool(), certificate=Path.read_bytes)
        guarded.reloader = reload.Reloader(
            guarded.store, named, WatchedFiles(guarded.events.append), guarded.events.append, guarded.audited.append
        )
        await guarded.begin()
        watching = asyncio.create_task(guarded.reloader.watch())
        missing = tmp_path / "ca.pem"
        path.write_text(TEXT.format(attempt=100).replace("http://h:1", f"{{url: 'https://h:1', tls: {{ca: {missing}}}}}"))
        await until(lambda: not guarded.reloader.outcome.ok)
        missing.write_text("one")
        await until(lambda: guarded.reloader.outcome.ok)
        await asyncio.sleep(0.05)
        assert len(guarded.applied) == 2, "and once only"
        watching.cancel()

    asyncio.run(main())


def test_a_policy_that_is_refused_at_a_restart_is_tried_again_once_a_certificate_that_it_names_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "EVERY", 0.002)
    monkeypatch.setattr(reload, "SETTLE", 0.002)
    missing = tmp_path / "ca.pem"
    put(path := tmp_path / "p.yaml", 100)

    def named(loaded: Loaded) -> list[Path]:
        return [file.path for file in (loaded.policy.upstream.tls and loaded.policy.upstream.tls.ca,) if file]

    state = StateFolder(tmp_path / "state")
    last_good.keep(state, path, load(path, environ={}))

    async def restarted() -> None:
        guarded = Guarded(path)
        guarded.store.context = CompileContext(pool=lambda *_: NoPool(), certificate=Path.read_bytes)
        guarded.store.state = state
        guarded.reloader = reload.Reloader(
            guarded.store, named, WatchedFiles(guarded.events.append), guarded.events.append, guarded.audited.append
        )
        await guarded.begin()
        assert not guarded.reloader.outcome.ok
        watching = asyncio.create_task(guarded.reloader.watch())
        missing.write_text("one")
        await until(lambda: guarded.reloader.outcome.ok)
        watching.cancel()

    path.write_text(TEXT.format(attempt=100).replace("http://h:1", f"{{url: 'https://h:1', tls: {{ca: {missing}}}}}"))
    asyncio.run(restarted())


def contents(runtime: Runtime) -> list[dict[Any, Any]]:
    """Keys and values of each collection."""
    kinds: tuple[Any, ...] = (runtime.breakers, runtime.limiters, runtime.pools, runtime.caches, runtime.rung_limits)
    return [dict(kind.items()) for kind in kinds]


def test_what_did_not_change_its_configuration_is_kept(tmp_path: Path) -> None:
    async def main() -> None:
        put(path := tmp_path / "p.yaml", 100)
        guarded = Guarded(path)
        await guarded.begin()
        before = contents(guarded.runtime)
        [pool] = guarded.runtime.pools.values()
        limiter = guarded.runtime.limiters.get(TargetKey("POST /p", "model"))
        assert limiter is not None
        put(path, 200)
        await guarded.reloader.reload("eve")
        assert contents(guarded.runtime) == before
        path.write_text(TEXT.format(attempt=200).replace("input", "limits: {concurrency: 3}\n    input"))
        await guarded.reloader.reload("eve")
        assert list(guarded.runtime.pools.values()) == [pool]
        assert guarded.runtime.limiters.get(TargetKey("POST /p", "model")) is not limiter
        path.write_text(TEXT.format(attempt=200).replace("h:1", "h:2"))
        await guarded.reloader.reload("eve")
        assert [str(key.origin) for key, _ in guarded.runtime.pools.items()] == ["http://h:2"]

    asyncio.run(main())


def test_another_server_is_not_judged_by_the_failures_of_the_one_before(tmp_path: Path) -> None:
    async def main() -> None:
        put(path := tmp_path / "p.yaml", 100)
        guarded = Guarded(path)
        await guarded.begin()
        target = TargetKey("POST /p", "model")
        breaker = guarded.runtime.breakers.get(target)
        path.write_text(TEXT.format(attempt=100).replace("h:1", "h:2"))
        assert (await guarded.reloader.reload("eve")).ok
        assert guarded.runtime.breakers.get(target) is not breaker

    asyncio.run(main())


# ── the last good policy ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_last_good_policy_is_kept_with_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = StateFolder(tmp_path / "state")
    Path("org.yaml").write_text("drain: 3s\n")
    Path("p.yaml").write_text(TEXT.format(attempt=300).replace("service", "extends: org.yaml\nservice"))
    loaded = load("p.yaml", environ={})
    last_good.keep(state, Path("p.yaml"), loaded)
    Path("org.yaml").unlink()
    Path("p.yaml").write_text("nonsense")
    with pytest.raises(PolicyInvalid):
        load("p.yaml", environ={})
    read = last_good.read(state, Path("p.yaml"))
    assert read is not None
    again = load("p.yaml", environ={}, read=read)
    assert (again.digest, again.policy) == (loaded.digest, loaded.policy)
    assert last_good.read(state, Path("q.yaml")) is None
    with pytest.raises(PolicyInvalid, match="not saved"):
        load("other.yaml", environ={}, read=read)
    state.close()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"\xff", b'{"policy": 1}', b'{"policy": "P", "files": 3}', b'{"policy": "P"}']
)
def test_a_damaged_last_good_policy_is_none(tmp_path: Path, content: bytes) -> None:
    state = StateFolder(tmp_path)
    path = tmp_path / "p.yaml"
    state.save(last_good.NAME, content.replace(b"P", str(path).encode()))
    assert last_good.read(state, path) is None
    state.close()


# ── letting go ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_policy_and_its_plan_hold_no_cycles(tmp_path: Path) -> None:
    put(path := tmp_path / "p.yaml", 100)
    compile_plan(load(path, environ={}), CompileContext())  # what is made once for the process
    gc.collect()
    gc.disable()
    try:
        loaded = load(path, environ={})
        plan = compile_plan(loaded, CompileContext())
        del loaded, plan
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_retired_plan_lets_go_of_its_routes_one_by_one(tmp_path: Path) -> None:
    text = TEXT.format(attempt=100) + "  GET /a/*: passthrough\n  GET /a/b: denied\n"
    (path := tmp_path / "p.yaml").write_text(text)
    loaded = load(path, environ={})
    plan = compile_plan(loaded, CompileContext())
    steps = [len(loaded.policy.routes) for _ in retire(loaded, plan)]
    assert steps == [2, 1, 0]
    assert (plan.routes, loaded.tree["routes"]) == ((), {})


def test_files_of_secrets_are_listed_while_the_policy_is_let_go() -> None:
    """It is done in a thread, and the loop retires a policy that another has replaced meanwhile."""
    routes: dict[str, Any] = {}

    class Route(dict[str, Any]):
        def items(self) -> Any:
            routes.popitem()
            return super().items()

    routes.update({name: Route() for name in "abcdef"})
    assert list(_files(routes, ())) == []
    assert not routes
