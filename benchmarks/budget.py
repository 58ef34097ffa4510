"""Overshoot of a budget under concurrent load: guard, strict and not, and LiteLLM where it is installed.

`make bench-budget`. Every server has the same budget, the same prices, the same model and the same clients: 200 clients
ask at once, five times as often as the budget allows. The model server counts what it was really paid for.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.servers import LITELLM
from tests.sidecar import free_port

CLIENTS: Final = 200
ALLOWED: Final = 200
"""Answers that the budget pays for."""
ASKED: Final = 5 * ALLOWED
TOKENS: Final = 100
PRICE: Final = 10.0
"""Price of a million output tokens."""
LIMIT: Final = ALLOWED * TOKENS * PRICE / 1e6
DELAY: Final = 0.05
WITHIN: Final = 120.0
ROUNDS: Final = 1200
"""Looks whether a server listens yet."""
PATH: Final = "/v1/chat/completions"
BODY: Final = json.dumps({"model": "m", "max_tokens": TOKENS, "messages": [{"role": "user", "content": "hello"}]}).encode()
ANSWER: Final = json.dumps({
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 0, "completion_tokens": TOKENS, "total_tokens": TOKENS},
}).encode()  # fmt: skip

GUARD: Final = """version: guard/v1
service: budget
upstream: http://127.0.0.1:{upstream}
routes:
  POST /v1/chat/completions:
    dialect: openai
    undeclared: pass
    input: {{messages: {{type: array, items: {{type: object}}}}}}
    limits: {{concurrency: 256, queue: 4096, queue_timeout: 9s}}
targets: {{cost: {{per_million_output_tokens: {price} EUR, daily: {limit} EUR, on_spent: next, strict: {strict},
  max_output_tokens: {tokens}}}}}
"""
LITELLM_CONFIG: Final = """
model_list:
- model_name: m
  litellm_params:
    model: openai/m
    api_base: "http://127.0.0.1:{upstream}/v1"
    api_key: none
    input_cost_per_token: 0
    output_cost_per_token: {token}
    max_budget: {limit}
    budget_duration: 1d
litellm_settings: {{telemetry: false, num_retries: 0}}
"""


class Outcome(NamedTuple):
    """One server's run. `paid`: money that the model server earned; `statuses`: what clients got."""

    name: str
    paid: float
    statuses: Counter[int]

    def __str__(self) -> str:
        over = (self.paid / LIMIT - 1) * 100
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.name:22} {self.paid:.4f} of {LIMIT:.4f} EUR ({over:+.1f} %)   {statuses}"


class Model:
    """A model server that counts the answers it gave."""

    def __init__(self) -> None:
        self.answers = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(length_of(head))
                if head.startswith(b"POST"):
                    self.answers += 1
                    await asyncio.sleep(DELAY)
                fields = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
                writer.write(b"HTTP/1.1 200 OK\r\n" + fields + ANSWER)
        writer.close()


def length_of(head: bytes) -> int:
    """The declared length of a body."""
    return next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)


async def ask(port: int) -> int:
    """One request on a connection of its own; its status, 0 if there was no answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST %b HTTP/1.1\r\nhost: b\r\nauthorization: Bearer none\r\n" % PATH.encode()
        writer.write(head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY))
        async with asyncio.timeout(WITHIN):
            status = int((await reader.readuntil(b"\r\n\r\n"))[9:12])
        writer.close()
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return 0
    return status


async def load(port: int) -> Counter[int]:
    """All requests of all clients."""
    left, statuses = iter(range(ASKED)), Counter[int]()

    async def client() -> None:
        for _ in left:
            statuses[await ask(port)] += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return statuses


async def measured(name: str, command: list[str], port: int, model: Model) -> Outcome:
    """Start a server, wait until it listens, load it, end it."""
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(WITHIN):
            for _ in range(ROUNDS):
                if await listens(port):
                    break
                await asyncio.sleep(WITHIN / ROUNDS)
        before = model.answers
        statuses = await load(port)
        return Outcome(name, (model.answers - before) * TOKENS * PRICE / 1e6, statuses)
    finally:
        process.kill()
        await process.wait()


async def listens(port: int) -> bool:
    """Whether a server accepts connections on a port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def guard(folder: Path, upstream: int, *, strict: bool) -> tuple[list[str], int]:
    """The command of a guard and its port."""
    policy, port = folder / f"guard-{strict}.yaml", free_port()
    text = GUARD.format(upstream=upstream, price=PRICE, limit=LIMIT, strict=str(strict).lower(), tokens=TOKENS)
    policy.write_text(text)
    listen = ["--listen", f"127.0.0.1:{port}", "--ops", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    state = ["--state-dir", str(folder / f"state-{strict}")]
    return [sys.executable, "-m", "guard", "serve", str(policy), *listen, *state], port


def litellm(folder: Path, upstream: int) -> tuple[list[str], int]:
    """The command of a LiteLLM proxy and its port."""
    config, port = folder / "litellm.yaml", free_port()
    config.write_text(LITELLM_CONFIG.format(upstream=upstream, token=PRICE / 1e6, limit=LIMIT))
    return [str(LITELLM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"], port


async def compare() -> None:
    """Measure each server and print a line for each."""
    model = Model()
    server = await asyncio.start_server(model.answer, "127.0.0.1", 0)
    upstream = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for strict in (True, False):
            name = "guard, strict" if strict else "guard, strict: false"
            print(await measured(name, *guard(folder, upstream, strict=strict), model))
        if LITELLM.exists():
            print(await measured("LiteLLM", *litellm(folder, upstream), model))
        else:
            print("LiteLLM                is not installed: make .cache/litellm/.stamp")
    server.close()


if __name__ == "__main__":
    asyncio.run(compare())
