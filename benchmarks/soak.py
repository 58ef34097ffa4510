"""A quarter of an hour of everything at once: traffic good and bad, clients that leave, reloads, kills. Nothing may grow.

    python -m benchmarks.soak [--minutes 15]

Memory, descriptors and series are read each second. After a warm-up (a fifth of the time) the last third must be as the
first: memory within 4 MiB, descriptors and series within a few; series that came after the warm-up are named. Exit 1 where
something grew, or guard died.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from benchmarks.measure import LOAD_CORE, PROXY_CORE, Running, collector, free_port, pinned, running, started, tree
from benchmarks.servers import BODY, FULL, Server, guard

GOOD = BODY.read_bytes()
BODIES = (GOOD, GOOD, GOOD, GOOD.replace(b"42", b"17"), GOOD[:-20], GOOD.replace(b"age", b"aeg"))
GROWS = {"mib": 4.0, "descriptors": 8.0, "series": 8.0}
"""By how much the last third may be above the first."""


async def client(port: int, until: float, seen: Counter[str], seed: int) -> None:
    """Ask, and now and then leave: before the body, in the midst of it, before the answer."""
    chance = random.Random(seed)
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            seen["refused"] += 1
            await asyncio.sleep(0.05)
            continue
        try:
            for _ in range(chance.randrange(1, 200)):
                if time.monotonic() > until:
                    break
                body = chance.choice(BODIES)
                head = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(head % len(body) + (body if chance.random() > 0.01 else body[: chance.randrange(len(body))]))
                if chance.random() < 0.01:
                    seen["left"] += 1
                    break
                async with asyncio.timeout(2.0):
                    answer = await reader.readuntil(b"\r\n\r\n")
                length = int(answer.lower().split(b"content-length: ")[1].split(b"\r")[0])
                await reader.readexactly(length)
                seen[answer[9:12].decode()] += 1
                await asyncio.sleep(chance.random() * 0.004)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            seen["cut"] += 1
        finally:
            writer.close()


class Trouble:
    """What operators do meanwhile: a policy written anew, a kill, a restore; and what is read of the process."""

    def __init__(self, item: Running, folder: Path) -> None:
        self._one, self._policy = item, folder / "soak/policy.yaml"
        private = folder / "soak/state/private"
        self._url = json.loads((private / "admin.json").read_text())["url"]
        self._token = (private / "admin.token").read_text().split()[-1]
        self.read: list[dict[str, float]] = []
        self.met: dict[str, int] = {}  # series, and the second in which each was first seen
        self.done: Counter[str] = Counter()

    async def run(self, until: float) -> None:
        number = 0
        while time.monotonic() < until:
            await asyncio.sleep(1.0)
            number += 1
            self.read.append(await asyncio.to_thread(self._vitals))
            if number % 7 == 3:
                text = self._policy.read_text()
                self._policy.write_text(text.split("\n# ")[0] + f"\n# {number}\n")
                self.done["reloads"] += 1
            if number % 11 == 5:
                await asyncio.to_thread(self._order, "rules")
            if number % 11 == 6:
                await asyncio.to_thread(self._order, "normal")

    def _vitals(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._one.ports.ops}/metrics", timeout=5) as page:
            series = {series_of(line) for line in page.read().decode().splitlines() if not line.startswith("#")}
        for sample in series - self.met.keys():
            self.met[sample] = len(self.read)
        descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in tree(self._one.process.pid))
        return {"mib": self._one.memory(), "descriptors": descriptors, "series": len(series)}

    def _order(self, mode: str) -> None:
        def ask(method: str, path: str, body: object = None, **headers: str) -> dict:
            headers |= {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
            data = json.dumps(body).encode() if body is not None else None
            request = urllib.request.Request(f"{self._url}/admin/v1/{path}", data, headers, method=method)
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.loads(answer.read())

        epoch = ask("GET", "status")["epoch"]
        try:
            ask("PUT", "mode", {"mode": mode, "reason": "soak"}, **{"if-match": str(epoch)})
            self.done[mode] += 1
        except urllib.error.HTTPError as error:
            self.done[f"{mode} {error.code}"] += 1


def series_of(line: str) -> str:
    """The series that a line of the page is of: a histogram's lines, one for each bucket, are of one."""
    name, _, labels = line.partition(" # ")[0].rpartition(" ")[0].partition("{")
    labels = re.sub(r'(^|,)le="[^"]*"', "", labels)
    return f"{re.sub('_(bucket|count|sum)$', '', name)}{{{labels.lstrip(',')}"


def verdict(read: list[dict[str, float]]) -> dict[str, dict[str, float | bool]]:
    """First third against last, after the warm-up."""
    kept = read[len(read) // 5 :]
    third = max(1, len(kept) // 3)
    by_name = {}
    for name, most in GROWS.items():
        first = statistics.median(item[name] for item in kept[:third])
        last = statistics.median(item[name] for item in kept[-third:])
        by_name[name] = {"first": first, "last": last, "allowed": most, "flat": last - first <= most}
    return by_name


async def soak(minutes: float) -> dict:
    """Run it."""
    with tempfile.TemporaryDirectory(prefix="guard-soak-") as name:
        folder, port = Path(name), free_port()
        model = pinned(LOAD_CORE, [sys.executable, "-m", "benchmarks.slow_model", str(port), "0.002"])
        server = Server("soak", lambda where, ports: guard(where, ports, "soak", FULL), guard=True)
        with (
            collector() as otlp,
            running(model, folder / "model.log"),
            started("soak", server, folder, port, otlp, PROXY_CORE) as one,
        ):
            until, seen = time.monotonic() + minutes * 60, Counter[str]()
            trouble = Trouble(one, folder)
            clients = [client(one.ports.own, until, seen, seed) for seed in range(24)]
            await asyncio.gather(trouble.run(until), *clients)
            alive = one.process.poll() is None and one.ask()[0] in (200, 422)
        log = (folder / "soak.log").read_text(errors="replace")
    flat = verdict(trouble.read)
    return {
        "minutes": minutes,
        "memory": [round(entry["mib"], 1) for entry in trouble.read[:: max(1, len(trouble.read) // 30)]],
        "answers": dict(seen),
        "operators": dict(trouble.done),
        "vitals": flat,
        "late": sorted(key for key, second in trouble.met.items() if second > len(trouble.read) // 5),
        "alive": alive,
        "bugs": sum('"code": "internal"' in line for line in log.splitlines()),
        "well": alive and all(character["flat"] for character in flat.values()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15.0)
    result = asyncio.run(soak(parser.parse_args().minutes))
    print(json.dumps(result, indent=2))
    return int(not result["well"] or result["bugs"] > 0)


if __name__ == "__main__":
    sys.exit(main())
