"""One server, one figure: starting it, loading it, and what the kernel says of it."""

import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.servers import HERE, ROOT, Ports, Server

CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, LOAD_CORE = CORES[0], CORES[1 % len(CORES)]
READY_WITHIN = 120.0
GUARD_REQUESTS = re.compile(r'^guard_requests_total\{.*guard_source="(\w+)".*\} (\S+)', re.MULTILINE)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(core: int, command: list[str]) -> list[str]:
    """The command on one core."""
    return ["taskset", "-c", str(core), *command]


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process, stopped by its id whatever happens."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def collector() -> Iterator[int]:
    """Takes OTLP over HTTP and says thank you; its port."""

    class Taking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class NotStarted(RuntimeError):  # noqa: N818 — what it says is the name
    """What a server wrote before it ended, or instead of an answer."""


class Running:
    """A server that answers."""

    def __init__(self, name: str, server: Server, process: subprocess.Popen[bytes], ports: Ports, took: float) -> None:
        self.name, self.server, self.process, self.ports = name, server, process, ports
        self.first_answer = took  # seconds from its start

    def ask(self) -> tuple[int, str]:
        """Status and source of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports.own, timeout=30)
        try:
            connection.request(
                "POST", self.server.path, self.server.body.read_bytes(), {"content-type": "application/json"}
            )
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("x-guard-source", "")
        finally:
            connection.close()

    def cpu(self) -> float:
        """Seconds of processor time so far, of all its processes and threads."""
        total = 0
        for pid in tree(self.process.pid):
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory(self) -> float:
        """Resident MiB, of all its processes."""
        kib = 0
        for pid in tree(self.process.pid):
            status = Path(f"/proc/{pid}/status").read_text()
            kib += int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]
        return kib / 1024

    def sources(self) -> dict[str, float]:
        """Of a guard: answers by source so far. Empty for any other."""
        if not self.server.guard:
            return {}
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports.ops}/metrics", timeout=5) as page:
            found = GUARD_REQUESTS.findall(page.read().decode())
        counts: dict[str, float] = {}
        for source, count in found:
            counts[source] = counts.get(source, 0.0) + float(count)
        return counts


def tree(pid: int) -> list[int]:
    """A process and those it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in tree(int(child)))]


@contextmanager
def started(name: str, server: Server, folder: Path, upstream: int, otlp: int, core: int = PROXY_CORE) -> Iterator[Running]:
    """Start it, and wait for its first good answer. Raises NotStarted."""
    ports = Ports(free_port(), free_port(), upstream or 0, otlp)
    command, log = server.command(folder, ports), folder / f"{name}.log"
    begun = time.monotonic()
    with running(pinned(core, command), log) as process:
        one = Running(name, server, process, ports, 0.0)
        while True:
            try:
                if one.ask()[0] == 200:
                    break
            except (OSError, http.client.HTTPException):
                pass
            if process.poll() is not None or time.monotonic() > begun + READY_WITHIN:
                raise NotStarted(f"{' '.join(command)}:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.005)
        one.first_answer = time.monotonic() - begun
        yield one


def asked(upstream: int) -> int:
    """How many requests the model server has had, this one included."""
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream}/asked", timeout=5) as answer:
        return int(answer.read().split()[9])


def closed_loop(item: Running, connections: int, seconds: int) -> dict[str, float]:
    """A round of wrk. An answer that the model server did not give is an error, and so is one of a lower rung."""
    url = f"http://127.0.0.1:{item.ports.own}{item.server.path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(HERE / "post.lua"), url]
    before, used, upstream = item.sources(), item.cpu(), item.ports.upstream or item.ports.own
    ticks, idle = ticked(LOAD_CORE)
    had = asked(upstream)
    output = subprocess.run(
        pinned(LOAD_CORE, [*command, "--", str(item.server.body)]), capture_output=True, text=True, check=True
    ).stdout
    used = item.cpu() - used
    ticks, idle = (after - before for after, before in zip(ticked(LOAD_CORE), (ticks, idle), strict=True))
    settle(item)
    line = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        sys.exit(f"wrk gave no result:\n{output[-2000:]}")
    result = json.loads(line.removeprefix("RESULT "))
    if result["requests"] == 0:
        return dict.fromkeys(("rps", "p50_us", "p99_us", "cpu_us", "core", "load"), 0.0) | {"errors": result["errors"]}
    errors = result["errors"] + max(0, result["requests"] - (asked(upstream) - had - 1))  # the last question counts too
    errors += lower(before, item.sources())
    seconds_taken = result["duration_us"] / 1e6
    return {
        "rps": result["requests"] / seconds_taken, "p50_us": result["p50_us"], "p99_us": result["p99_us"],
        "cpu_us": used / result["requests"] * 1e6, "errors": errors, "core": used / seconds_taken,
        "load": 1 - idle / ticks,
    }  # fmt: skip


def ticked(core: int) -> tuple[int, int]:
    """Of the kernel's ticks on a core so far: all, and those in which it had nothing to do."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    ticks = [int(text) for text in line.split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def at_rest(item: Running) -> float:
    """Resident MiB, once what a start leaves for later is done too."""
    time.sleep(1.0)
    settle(item)
    return item.memory()


def settle(item: Running) -> None:
    """Wait until it does nothing more: slow ones still work for clients that have left, on the core of whoever is next."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        used = item.cpu()
        time.sleep(0.1)
        if item.cpu() - used < 0.01:
            return


def lower(before: dict[str, float], after: dict[str, float]) -> int:
    """Answers of a guard between two looks that were not the model's."""
    return int(sum(count - before.get(source, 0.0) for source, count in after.items() if source not in ("model", "gone")))


def open_loop(item: Running, rate: float, seconds: float, connections: int = 32) -> dict[str, Any]:
    """A round at a fixed rate; `cores`: of processor time used each second."""
    options = ["--rate", str(rate), "--seconds", str(seconds), "--connections", str(connections)]
    where = ["--path", item.server.path, "--body", str(item.server.body)]
    command = [sys.executable, "-m", "benchmarks.open_loop", str(item.ports.own), *options, *where]
    used = item.cpu()
    output = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True, check=True, cwd=ROOT).stdout
    result: dict[str, Any] = json.loads(output)
    result["cores"] = (item.cpu() - used) / result["seconds"]
    return result


@contextmanager
def idle_connections(port: int, count: int) -> Iterator[None]:
    """So many clients that ask nothing."""
    sockets = []
    try:
        for _ in range(count):
            sockets.append(socket.create_connection(("127.0.0.1", port)))
        time.sleep(0.5)
        yield
    finally:
        for item in sockets:
            item.close()


def middle(values: list[float]) -> dict[str, float]:
    """Median, least, most."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}
