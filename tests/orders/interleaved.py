"""Orders of every kind, reloads, the kill file and times to live, interleaved at random against a real guard.

The oracle is a few lines: of each thing that can be ordered, the last order holds, until its time is over. What holds is
asked of the data plane, as a client sees it, never of guard's own account.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.orders.stage import Stage, staged, upstream

ROUTES = ("/a", "/b", "/c")
MODES = ("normal", "rules", "disabled")
POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:PORT
release: {version: "VERSION"}
kill_file: KILL
drain: 0s
routes:
""" + "".join(
    f"""  POST {route}:
    input: {{age: {{type: integer}}}}
    output: {{label: {{enum: [m, even, odd]}}}}
    fallback: {{label: PARITY}}
    breaker: {{consecutive_failures: 1000}}
"""
    for route in ROUTES
)
MARGIN = 0.8
"""Seconds around the end of a time to live in which either is right."""

SETTLED_WITHIN = 5.0
"""Seconds in which a busy machine lets guard see a file. An order that was lost stays lost."""


class Oracle:
    """The last order of each thing: its value, and when it ends."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], tuple[str, float]] = {}
        self.version = 0

    def order(self, what: str, scope: str, value: str, ttl: float | None) -> None:
        self.last[what, scope] = (value, math.inf if ttl is None else time.monotonic() + ttl)

    def holds(self, what: str, scope: str, otherwise: str) -> str:
        value, ends = self.last.get((what, scope), (otherwise, math.inf))
        return value if time.monotonic() < ends else otherwise

    def source(self, route: str) -> str:
        named = [self.holds("mode", scope, "normal") for scope in ("", route)] + [self.holds("file", "", "normal")]
        lowest = max(named, key=MODES.index)
        forced = self.holds("breaker", route, "auto") == "open"
        return lowest if lowest != "normal" else "rules" if forced else "model"

    def unsettled(self) -> float:
        """Seconds until no time to live is about to end, or ended just now."""
        now = time.monotonic()
        return max((ends + MARGIN - now for _, ends in self.last.values() if abs(ends - now) < MARGIN), default=0.0)


class Operators:
    """Gives orders at random. Orders of one thing follow one another; those of different things overlap."""

    def __init__(self, stage: Stage, text: str, seed: int) -> None:
        self.stage, self.text, self.chance, self.oracle = stage, text, random.Random(seed), Oracle()
        self.done: Counter[str] = Counter()
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}

    async def round(self) -> None:
        """One order of any kind, when those before it of the same thing are answered."""
        kinds: tuple[Callable[[], Awaitable[None]], ...] = (
            self.mode, self.mode, self.mode, self.breaker, self.enforcement, self.enforcement, self.reload, self.file,
        )  # fmt: skip
        await self.chance.choice(kinds)()

    def turn(self, what: str, scope: str) -> asyncio.Lock:
        return self._turns.setdefault((what, scope), asyncio.Lock())

    async def put(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        status, answer = await self.stage.api("PUT", path, {**body, "reason": "r"}, **headers)
        assert status == 200, answer
        self.done[path] += 1
        return dict(answer)

    async def mode(self) -> None:
        scope, mode = self.chance.choice(("", *ROUTES)), self.chance.choice(MODES)
        ttl = self.chance.choice((None, None, 0.3, 1.0, 5.0)) if mode != "normal" else None
        async with self.turn("mode", scope):
            epoch = (await self.stage.api("GET", "/status"))[1]["epoch"]
            body = {"mode": mode, "route": f"POST {scope}" if scope else None, "ttl": ttl}
            await self.put("/mode", body, if_match=str(epoch))
            self.oracle.order("mode", scope, mode, ttl)

    async def breaker(self) -> None:
        scope, state = self.chance.choice(ROUTES), self.chance.choice(("open", "auto"))
        async with self.turn("breaker", scope):
            await self.put("/breakers", {"route": f"POST {scope}", "target": "model", "state": state})
            self.oracle.order("breaker", scope, state, None)

    async def enforcement(self) -> None:
        scope, to = self.chance.choice(ROUTES), self.chance.choice(("observe", "enforce"))
        ttl = self.chance.choice((0.5, 2.0, 60.0)) if to == "observe" else None
        async with self.turn("enforcement", scope):
            answer = await self.put("/enforcement", {"route": f"POST {scope}", "enforcement": to, "ttl": ttl})
            while not answer.get("in_force", True) and await self.observes(scope) != (to == "observe"):
                await asyncio.sleep(0.01)
            self.oracle.order("enforcement", scope, to, ttl)

    async def observes(self, route: str) -> bool:
        routes = (await self.stage.api("GET", "/status"))[1]["routes"]
        return any("observed" in item for item in routes if item["route"] == f"POST {route}")

    async def reload(self) -> None:
        async with self.turn("policy", ""):
            version = self.oracle.version + 1
            (self.stage.folder / "new").write_text(policy(self.text, version))
            (self.stage.folder / "new").rename(self.stage.folder / "policy.yaml")
            status, outcome = await self.stage.api("POST", "/policy/reload")
            assert (status, outcome["ok"]) == (200, True), outcome
            self.oracle.version = version
            self.done["/policy/reload"] += 1

    async def file(self) -> None:
        path, mode = self.stage.folder / "KILL", self.chance.choice(MODES)
        async with self.turn("file", ""):
            if mode == "normal":
                path.unlink(missing_ok=True)
            else:
                (self.stage.folder / "KILL.new").write_text(mode)
                (self.stage.folder / "KILL.new").rename(path)
            self.oracle.order("file", "", mode, None)
            self.done["kill file"] += 1

    async def check(self) -> None:
        """What a client sees is what the oracle says, once guard has had the time to look at files and clocks."""
        await asyncio.sleep(self.oracle.unsettled())
        until = time.monotonic() + SETTLED_WITHIN
        for route in ROUTES:
            while (seen := await self.seen(route)) != (expected := self.expected(route)):
                assert time.monotonic() < until, (route, seen, expected, self.oracle.last)
                await asyncio.sleep(0.05)
        self.done["checks"] += 1

    def expected(self, route: str) -> tuple[str, str, bool]:
        """Source, version where the source shows it, and whether the contract is enforced."""
        source, version = self.oracle.source(route), self.oracle.version
        shown = {"model": str(version), "rules": parity(version)}.get(source, "")
        return source, shown, self.oracle.holds("enforcement", route, "enforce") == "enforce"

    async def seen(self, route: str) -> tuple[str, str, bool]:
        """The same, as a client sees it."""
        answer = await self.stage.predict(route)
        shown = {"model": answer.headers.get("x-guard-model-version", ""), "rules": answer.body.decode()[10:-2]}
        enforced = (await self.stage.predict(route, b'{"age":"seven"}')).status == 422
        return answer.source, shown.get(answer.source, ""), enforced


def parity(version: int) -> str:
    return ("even", "odd")[version % 2]


def policy(text: str, version: int) -> str:
    return text.replace("VERSION", str(version)).replace("PARITY", parity(version))


async def interleaved(folder: Path, rounds: int, seed: int, overlapping: int = 6) -> Counter[str]:
    """So many orders, `overlapping` of them at once, with a check after each such batch; a restart by kill -9 at the end."""
    async with upstream() as port:
        text = POLICY.replace("PORT", str(port))
        with staged(folder, policy(text, 0)) as stage:
            operators = Operators(stage, text, seed)
            for _ in range(math.ceil(rounds / overlapping)):
                await asyncio.gather(*(operators.round() for _ in range(overlapping)))
                await operators.check()
            crashed = stage.guard.events("task_crashed")
            assert not crashed, crashed
            while not (await stage.api("GET", "/status"))[1]["durable"]:
                await asyncio.sleep(0.01)
            stage.guard.process.kill()
        with staged(folder, policy(text, operators.oracle.version)) as stage:
            operators.stage = stage
            await operators.check()
            return operators.done
