"""Requests at a fixed rate, whatever becomes of those before them: an open loop, as a service's callers are one.

A closed loop (wrk) waits for each answer before it asks again, so a server that stalls is asked less and looks better. Here
the time of an answer counts from when its request was due, also where no connection was free to send it.

    python -m benchmarks.open_loop PORT --rate 1000 --seconds 4 [--connections 32] [--path /predict] [--body FILE]
"""

import argparse
import asyncio
import json
import re
import selectors
from collections import Counter, deque
from pathlib import Path
from time import perf_counter

import uvloop

FEW = 64
LENGTH = re.compile(rb"(?i)content-length: (\d+)")
WITHIN = 5.0
"""Seconds that late answers are waited for."""


class Client(asyncio.Protocol):
    """One connection; asks when it is told, and says when it was answered."""

    def __init__(self, load: "Load") -> None:
        self._load, self._buffer, self._due = load, b"", 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport) -> None:
        self._transport = transport

    def ask(self, due: float) -> None:
        self._due = due
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        match = LENGTH.search(self._buffer, 0, end)
        if match is None or len(self._buffer) < end + 4 + int(match[1]):
            return
        head, self._buffer = self._buffer[:end], b""
        self._load.answered(self, head, self._due)

    def connection_lost(self, _error) -> None:
        self._load.lost(self)


class Load:
    """A schedule, the connections, and what came of it."""

    def __init__(self, request: bytes, rate: float, seconds: float) -> None:
        self.request = request
        self._rate, self._total = rate, round(rate * seconds)
        self._idle: deque[Client] = deque()
        self._late: deque[float] = deque()
        self.times: list[float] = []  # of answers 2xx
        self.others: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.sources: Counter[str] = Counter()
        self.done = asyncio.Event()
        self._begun, self._sent, self._open = 0.0, 0, 0

    async def run(self, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, client = await loop.create_connection(lambda: Client(self), "127.0.0.1", port)
            self._idle.append(client)
        self._begun = perf_counter()
        self._tick()
        try:
            async with asyncio.timeout(self._total / self._rate + WITHIN):
                await self.done.wait()
        except TimeoutError:
            self.statuses["unanswered"] += self._open + len(self._late)

    def _tick(self) -> None:
        now = perf_counter()
        while self._sent < self._total and (due := self._begun + self._sent / self._rate) <= now:
            self._sent += 1
            self._open += 1
            if self._idle:
                self._idle.popleft().ask(due)
            else:
                self._late.append(due)
        if self._sent < self._total:
            asyncio.get_running_loop().call_later(max(0.0, due - perf_counter()), self._tick)

    def answered(self, client: Client, head: bytes, due: float) -> None:
        status = head[9:12].decode()
        (self.times if status < "300" else self.others).append(perf_counter() - due)
        self.statuses[status] += 1
        _, found, rest = head.partition(b"x-guard-source: ")
        if found:
            self.sources[rest.partition(b"\r\n")[0].decode()] += 1
        self._open -= 1
        if self._late:
            client.ask(self._late.popleft())
        else:
            self._idle.append(client)
        if self._sent == self._total and self._open == 0:
            self.done.set()

    def lost(self, client: Client) -> None:
        self.statuses["lost"] += 1
        if client in self._idle:
            self._idle.remove(client)

    def result(self) -> dict:
        """Times in µs."""
        seconds = max(perf_counter() - self._begun, 1e-9)
        return {
            "requests": self._sent, "seconds": seconds, "answered": len(self.times), "statuses": dict(self.statuses),
            "sources": dict(self.sources), **{f"p{rank:g}_us": percentile(self.times, rank) for rank in (50, 99, 99.9)},
            "others_p99_us": percentile(self.others, 99),
        }  # fmt: skip


def percentile(values: list[float], rank: float) -> float:
    """Microseconds; 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * rank / 100))] * 1e6 if ordered else 0.0


async def offer(port: int, rate: float, seconds: float, connections: int, path: str, body: bytes) -> dict:
    """Run it."""
    head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    load = Load(head % (path.encode(), len(body)) + body, rate, seconds)
    await load.run(port, connections)
    return load.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--path", default="/predict")
    parser.add_argument("--body", type=Path, default=Path(__file__).resolve().parent / "body.json")
    options = parser.parse_args()
    body = options.body.read_bytes()
    # select(2) waits microseconds where epoll rounds up to the next millisecond, and is slow with many connections
    fine = options.connections <= FEW
    factory = (lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) if fine else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(offer(options.port, options.rate, options.seconds, options.connections, options.path, body))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
