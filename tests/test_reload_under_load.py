"""A policy that changes ten times a second under load: no request fails, each sees one policy, nothing grows."""

import asyncio
import os
import signal
from pathlib import Path

from tests.proxy.stand import answering
from tests.sidecar import Sidecar, sidecar
from tests.within import within

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:PORT
release: {version: "VERSION"}
drain: 0s
routes:
  POST /predict:
    input: {age: {type: integer, min: 0, max: VERSION}}
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
"""
BODY = b'{"age":3}'
REQUEST = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY), BODY,
)  # fmt: skip
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"label":"b"}'
RELOADS = 40


async def client(port: int, over: asyncio.Event, versions: set[bytes]) -> int:
    """Ask until it is over; every answer is the model's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while not over.is_set():
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert b"x-guard-source: model" in head, head
        assert await reader.readexactly(13) == b'{"label":"b"}'
        versions.add(head.split(b"x-guard-model-version: ")[1].split(b"\r\n")[0])
        count += 1
    writer.close()
    return count


def resident(guard: Sidecar) -> int:
    status = Path(f"/proc/{guard.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def descriptors(guard: Sidecar) -> int:
    return len(os.listdir(f"/proc/{guard.process.pid}/fd"))


def test_a_policy_that_changes_under_load_fails_nobody(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"

    async def main() -> None:
        upstream = await asyncio.start_server(answering(*[ANSWER] * 1_000_000), "127.0.0.1", 0)
        text = POLICY.replace("PORT", str(upstream.sockets[0].getsockname()[1]))

        def write(number: int) -> None:
            (tmp_path / "new").write_text(text.replace("VERSION", str(number)))
            os.rename(tmp_path / "new", path)

        write(100)
        with sidecar(str(path), folder=tmp_path) as guard:
            over, versions = asyncio.Event(), set[bytes]()
            clients = [asyncio.create_task(client(guard.port, over, versions)) for _ in range(8)]
            begun = (resident(guard), descriptors(guard))
            for number in range(RELOADS):
                write(101 + number)
                guard.process.send_signal(signal.SIGHUP)
                await asyncio.sleep(0.1)
            await asyncio.to_thread(guard.wait_for, "policy", RELOADS // 2)
            over.set()
            counts = await asyncio.gather(*clients)
            assert sum(counts) > 1000
            assert len(versions) > RELOADS // 2
            assert not guard.events("policy_refused")
            assert not guard.events("loop_error")
            assert resident(guard) - begun[0] < 12
            assert descriptors(guard) - begun[1] < 24
        upstream.close()

    asyncio.run(within(main(), 60))
