"""Streams of a real guard that come to the edge of their budget."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.targets.test_process import reported, start

POLICY = """version: guard/v1
service: s
upstream: http://127.0.0.1:{port}
routes:
  POST /v1/chat/completions:
    dialect: openai
    stream: true
    input: {{messages: {{type: array, items: {{type: object}}}}}}
    undeclared: pass
targets: {{cost: {{per_million_output_tokens: 1000 EUR, daily: {limit} EUR, on_spent: next, strict: false}}}}
"""
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 10, "stream": True}).encode()
REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(**members: Any) -> bytes:
    text = (
        b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "model": "m", **members}).encode() + b"\n\n"
    )
    return b"%x\r\n%b\r\n" % (len(text), text)


class Endless:
    """A model server that goes on until its client closes, whatever limit the request has."""

    def __init__(self) -> None:
        self.port, self.calls, self.left = 0, 0, asyncio.Event()

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            self.calls += 1
            writer.write(HEAD)
            while not reader.at_eof():
                writer.write(chunk(choices=[{"index": 0, "delta": {"content": "x"}}]))
                await writer.drain()
                await asyncio.sleep(0)
        if self.calls:
            self.left.set()
        writer.close()


async def read(port: int) -> tuple[bytes, bytes]:
    """The head and the whole body of one streamed answer, which must end as HTTP says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST % (len(BODY), BODY))
        head, body = await reader.readuntil(b"\r\n\r\n"), b""
        if b"chunked" not in head:
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            return head, await reader.readexactly(length)
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        return head, body
    finally:
        writer.close()


def test_a_stream_whose_budget_is_spent_ends_at_its_length(tmp_path: Path) -> None:
    async def run() -> None:
        model = Endless()
        async with await model.serve():
            policy = tmp_path / "guard.yaml"
            policy.write_text(POLICY.format(port=model.port, limit=0.6))
            guard = await asyncio.to_thread(start, policy, tmp_path)
            try:
                async with asyncio.timeout(60):
                    head, body = await read(guard.port)
                    await model.left.wait()  # guard has closed the call
                    assert head.startswith(b"HTTP/1.1 200")
                    events = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]
                    assert events[-1] == "[DONE]"
                    assert json.loads(events[-2])["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
                    tokens = len(events) - 2
                    assert 500 <= tokens <= 2500, "600 tokens, and what came in the same reads"
                    spent = await asyncio.to_thread(reported, guard, "guard_budget_spent")
                    assert spent >= 0.5
                    assert await asyncio.to_thread(reported, guard, "guard_budget_held") == 0.0
                    head, body = await read(guard.port)
                    if head.startswith(b"HTTP/1.1 200"):  # what is left is a few tokens
                        assert b'"finish_reason":"length"' in body
                        head, body = await read(guard.port)
                    assert head.startswith(b"HTTP/1.1 429") or b'"finish_reason":"length"' in body
            finally:
                guard.process.kill()
                await asyncio.to_thread(guard.ended)

    asyncio.run(run())


def test_a_client_that_leaves_a_stream_pays_for_what_it_was_sent_and_holds_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        model = Endless()
        async with await model.serve():
            policy = tmp_path / "guard.yaml"
            policy.write_text(POLICY.format(port=model.port, limit=50))
            guard = await asyncio.to_thread(start, policy, tmp_path)
            try:
                async with asyncio.timeout(60):
                    reader, writer = await asyncio.open_connection("127.0.0.1", guard.port)
                    writer.write(REQUEST % (len(BODY), BODY))
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(20_000)
                    writer.transport.abort()
                    await model.left.wait()
                    while await asyncio.to_thread(reported, guard, "guard_budget_held"):
                        await asyncio.sleep(0.05)
                    assert await asyncio.to_thread(reported, guard, "guard_budget_spent") > 0.1
            finally:
                guard.process.kill()
                await asyncio.to_thread(guard.ended)

    asyncio.run(run())
