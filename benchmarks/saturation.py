"""Twice as many requests as the model server can take, for a minute, in an open loop: what guard keeps its promises on.

The model server takes 10 ms for each request, and guard lets 16 at once to it, so capacity is at most 1,600 a second: what
it is, is measured. The queue of 64 is 40 ms of it. Everything above must be turned away at once, so that what is let in is
answered in time; and the probes and the admin API must not notice.

    python -m benchmarks.saturation [SECONDS]
"""

import json
import re
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.measure import LOAD_CORE, PROXY_CORE, Running, free_port, open_loop, pinned, running, started
from benchmarks.open_loop import percentile
from benchmarks.servers import FULL, Ports, Server, guard

TAKES, CONCURRENCY, QUEUE = 0.010, 16, 64
CAPACITY = CONCURRENCY / TAKES
LIMITS = f"limits: {{concurrency: {CONCURRENCY}, queue: {QUEUE}, queue_timeout: 200ms}}"
POLICY = re.sub(r"limits: \{.*?\}", LIMITS, FULL).replace("    fallback: {label: review}\n", "")


def saturate(seconds: float) -> dict[str, Any]:
    """Run it; what was promised and what was seen."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-bench-")))
        port = free_port()
        model = [sys.executable, "-m", "benchmarks.slow_model", str(port), str(TAKES)]
        slow = stack.enter_context(running(pinned(LOAD_CORE, model), folder / "model.log"))
        server = Server("saturated", lambda where, ports: guard(where, ports, "saturated", POLICY), guard=True)
        one = stack.enter_context(started("saturated", server, folder, port, free_port(), PROXY_CORE))
        admin = json.loads((folder / "saturated/state/private/admin.json").read_text())
        token = (folder / "saturated/state/private/admin.token").read_text().split()[-1]
        pages = {
            "ops": urllib.request.Request(f"http://127.0.0.1:{one.ports.ops}/readyz"),
            "admin": urllib.request.Request(
                f"{admin['url']}/admin/v1/status", headers={"authorization": f"Bearer {token}"}
            ),
        }  # fmt: skip
        alone = open_loop(one, CAPACITY / 4, 2.0, 64)
        bare = open_loop(Running("model", server, slow, Ports(port, 0, port, 0), 0.0), CAPACITY / 4, 2.0, 64)
        capacity = CONCURRENCY / (bare["p50_us"] / 1e6)  # its timers are late by a millisecond
        times: dict[str, list[float]] = {name: [] for name in pages}
        stop = threading.Event()
        asking = threading.Thread(target=ask, args=(pages, times, stop))
        asking.start()
        run = open_loop(one, 2 * CAPACITY, seconds, 400)
        stop.set()
        asking.join()
    return {
        "seconds": seconds, "capacity": capacity, "offered": 2 * CAPACITY, "unloaded_p99_ms": alone["p99_us"] / 1e3,
        "goodput": run["answered"] / run["seconds"] / capacity, "p99_ms": run["p99_us"] / 1e3,
        "bound_ms": (TAKES + QUEUE / CAPACITY) * 1e3, "turned_away_p99_ms": run["others_p99_us"] / 1e3,
        "statuses": run["statuses"], "cores": run["cores"],
        **{f"{name}_most_ms": max(of_it) * 1e3 for name, of_it in times.items()},
        **{f"{name}_p99_ms": percentile(of_it, 99) / 1e3 for name, of_it in times.items()},
    }  # fmt: skip


def ask(pages: dict[str, urllib.request.Request], times: dict[str, list[float]], stop: threading.Event) -> None:
    """Each page ten times a second."""
    while not stop.wait(0.1):
        for name, page in pages.items():
            begun = time.perf_counter()
            urllib.request.urlopen(page, timeout=10).read()
            times[name].append(time.perf_counter() - begun)


if __name__ == "__main__":
    print(json.dumps(saturate(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0), indent=2))
