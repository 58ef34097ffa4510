"""A real guard at the edge of its budget: many clients at once, kill -9, restarts."""

import asyncio
import json
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.sidecar import Sidecar

CLIENTS = 200
LIMIT = 300
POLICY = """version: guard/v1
service: s
upstream: http://127.0.0.1:{port}
routes:
  POST /p:
    input: {{x: {{type: number}}}}
    output: {{y: {{type: number}}}}
    limits: {{concurrency: 64, queue: 1000, queue_timeout: 8s}}
    timeout: {{attempt: 8s, request: 20s}}
    fallback:
      - rules: [{{answer: {{y: 0}}}}]
targets: {{cost: {{per_request: 0.01 EUR, daily: {limit} EUR, {keys}}}}}
"""
REQUEST = b'POST /p HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"x":1}'


class Model:
    """A model server that counts the requests that it has read."""

    def __init__(self) -> None:
        self.asked = 0
        self.port = 0

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                await reader.readexactly(length)
                if head.startswith(b"POST"):
                    self.asked += 1
                    await asyncio.sleep(0.005)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n" + b'{"y":1}')
        writer.close()


async def ask(port: int) -> tuple[int, bytes]:
    """One request on a connection of its own: status and source."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
    source = next((line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"x-guard-source")), b"")
    return int(head[9:12]), source


async def burst(port: int, count: int) -> list[tuple[int, bytes]]:
    """So many requests of `CLIENTS` clients at once; those that a dead guard did not answer are left out."""
    left = iter(range(count))
    answers: list[tuple[int, bytes]] = []

    async def client() -> None:
        for _ in left:
            try:
                answers.append(await ask(port))
            except (OSError, asyncio.IncompleteReadError):
                return

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return answers


def begin(folder: Path, model: Model, keys: str) -> Path:
    policy = folder / "guard.yaml"
    policy.write_text(POLICY.format(port=model.port, limit=LIMIT / 100, keys=keys))
    return policy


def start(policy: Path, folder: Path) -> Sidecar:
    """A guard that serves; its caller ends it."""
    guard = Sidecar([str(policy)], folder)
    guard.wait_for("serving")
    return guard


def reported(guard: Sidecar, name: str) -> float:
    """A metric of the service's budget."""
    page = str(guard.probe("/metrics")[1])
    return float(next(line for line in page.splitlines() if line.startswith(name + "{")).rpartition(" ")[2])


@pytest.mark.parametrize(("on_spent", "status", "source"), [("next", 200, b"rules"), ("deny", 429, b"disabled")])
def test_two_hundred_clients_at_the_edge_spend_the_budget_and_no_more(
    tmp_path: Path, on_spent: str, status: int, source: bytes
) -> None:
    async def run() -> None:
        model = Model()
        async with await model.serve():
            policy = begin(tmp_path, model, f"on_spent: {on_spent}")
            guard = await asyncio.to_thread(start, policy, tmp_path)
            try:
                answers = await burst(guard.port, 3 * LIMIT)
                assert model.asked == LIMIT
                assert answers.count((200, b"model")) == LIMIT
                assert Counter(answers) == {(200, b"model"): LIMIT, (status, source): 2 * LIMIT}
                held = await asyncio.to_thread(reported, guard, "guard_budget_held")
                spent = await asyncio.to_thread(reported, guard, "guard_budget_spent")
                assert (held, spent) == (0.0, LIMIT / 100)
                assert [line["alert_at"] for line in guard.events("budget")] == [0.75, 1.0]
            finally:
                guard.process.kill()
                await asyncio.to_thread(guard.ended)

    asyncio.run(run())


def test_no_kill_lets_a_strict_budget_be_spent_twice(tmp_path: Path) -> None:
    async def run() -> None:
        model = Model()
        async with await model.serve():
            policy = begin(tmp_path, model, "on_spent: next")
            for kills in range(4):
                guard = await asyncio.to_thread(start, policy, tmp_path)
                try:
                    load = asyncio.ensure_future(burst(guard.port, 5 * LIMIT))
                    while kills < 3 and model.asked < 60 * (kills + 1) and not load.done():
                        await asyncio.sleep(0.002)
                    if kills == 3:
                        await load
                    guard.process.send_signal(signal.SIGKILL)
                    await load
                finally:
                    guard.process.kill()
                    await asyncio.to_thread(guard.ended)
                assert model.asked <= LIMIT
            # Each kill loses at most a lease and what was under way.
            assert model.asked >= LIMIT - 3 * (64 + 9)

    asyncio.run(run())


def test_a_stop_and_a_start_lose_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        model = Model()
        async with await model.serve():
            policy = begin(tmp_path, model, "on_spent: next")
            for _ in range(4):
                guard = await asyncio.to_thread(start, policy, tmp_path)
                try:
                    await burst(guard.port, LIMIT // 2)
                    guard.process.send_signal(signal.SIGTERM)
                    assert await asyncio.to_thread(guard.ended) == 0
                finally:
                    if guard.process.poll() is None:
                        guard.process.kill()
                        await asyncio.to_thread(guard.ended)
            assert model.asked == LIMIT

    asyncio.run(run())


def test_status_names_the_budget(tmp_path: Path) -> None:
    async def run() -> None:
        model = Model()
        async with await model.serve():
            policy = begin(tmp_path, model, "on_spent: next")
            guard = await asyncio.to_thread(start, policy, tmp_path)
            try:
                await burst(guard.port, 10)
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "guard", "status", "--json", "--state-dir", str(tmp_path / "state"),
                    stdout=asyncio.subprocess.PIPE,
                )  # fmt: skip
                output, _ = await process.communicate()
                (budget,) = json.loads(output)["budgets"]
                assert (budget["spent"], budget["held"], budget["limit"]) == (0.1, 0.0, LIMIT / 100)
                assert (budget["strict"], budget["durable"], budget["on_spent"]) == (True, True, "next")
            finally:
                guard.process.kill()
                await asyncio.to_thread(guard.ended)

    asyncio.run(run())


class Broken(Model):
    """A model server that reads each request and answers 500."""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(7 if head.startswith(b"POST") else 0)
                self.asked += 1
                writer.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")
        writer.close()


def test_a_call_that_failed_and_the_previous_model_are_paid_each_at_its_price(tmp_path: Path) -> None:
    async def run() -> None:
        model, before = Broken(), Model()
        async with await model.serve(), await before.serve():
            previous = (
                f"- previous: {{url: 'http://127.0.0.1:{before.port}', cost: {{per_request: 0.5 EUR}}}}\n      - rules"
            )
            text = POLICY.format(port=model.port, limit=6.25, keys="on_spent: next").replace("- rules", previous)
            policy = tmp_path / "guard.yaml"
            policy.write_text(
                text.replace("0.01 EUR", "1 EUR").replace(
                    "    fallback", "    breaker: {consecutive_failures: 99}\n    fallback"
                )
            )
            guard = await asyncio.to_thread(start, policy, tmp_path)
            try:
                answers = [await ask(guard.port) for _ in range(6)]
                # 1.5 EUR each: after four, 0.25 EUR are left, which neither fits
                assert answers == [(200, b"previous")] * 4 + [(200, b"rules")] * 2
                assert await asyncio.to_thread(reported, guard, "guard_budget_spent") == 6.0
                assert await asyncio.to_thread(reported, guard, "guard_budget_held") == 0.0
            finally:
                guard.process.kill()
                await asyncio.to_thread(guard.ended)

    asyncio.run(run())
