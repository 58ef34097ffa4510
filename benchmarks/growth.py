"""What a request costs as something grows: bodies, fields, rows, routes, sampled traces, series. In memory.

Prints JSON: for each thing that grows, points of (how much, µs a request); series: (how many, ms to write /metrics).

    python -m benchmarks.growth [NAME …]
"""

import gc
import json
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

from benchmarks.in_memory import REAL, Loop, Stand, running_on
from benchmarks.scenarios import (
    BATCH,
    BODY,
    MODEL,
    PASSTHROUGH,
    POLICY,
    SAID,
    Scenario,
    answer,
    listed,
    request,
)
from guard.control.process import COLLECT
from guard.telemetry import instruments as of
from guard.telemetry.accumulators import Counter, Series
from guard.telemetry.family import counted
from guard.telemetry.prometheus import TEXT, Exposition

AT_ONCE = 0.08
"""Seconds of one measurement, about."""
TRIES = 7
Points: TypeAlias = Iterator[tuple[float, float]]


def cost(scenario: Scenario, loop: Loop) -> float:
    """Microseconds a request: the least of some tries, which is what it costs when nobody else runs."""
    stand = Stand(scenario, loop)
    gc.freeze()
    stand.run(3)
    begun = REAL()
    stand.run(1)
    times = max(1, min(2000, int(AT_ONCE / max(REAL() - begun, 1e-6))))
    least = float("inf")
    for _ in range(TRIES):
        begun = REAL()
        stand.run(times)
        least = min(least, (REAL() - begun) / times)
    gc.unfreeze()
    return least * 1e6


def bodies(loop: Loop, policy: str) -> Points:
    """One long text beside the twelve fields; or, where nothing is judged, the same bytes."""
    large = policy.replace("max_length: 200", "max_length: 100000000").replace("input:", "max_body: 64MiB\n    input:", 1)
    for size in (256, 1024, 4096, 16384, 65536, 262144, 1 << 20, 2 << 20, 4 << 20, 8 << 20):
        body = BODY.replace(b"returning customer", b"x" * (size - len(BODY) + 18))
        yield len(body), cost(Scenario(large, request(body), answer(SAID), MODEL), loop)


def fields(loop: Loop) -> Points:
    """Numbers with bounds."""
    for count in (1, 3, 10, 30, 100, 300, 1000):
        declared = "".join(f"      f{number}: {{type: number, min: 0, max: 1}}\n" for number in range(count))
        head, _, tail = POLICY.partition("    input:\n")
        policy = f"{head}    input:\n{declared}    output:{tail.partition('    output:')[2]}"
        body = b"{%b}" % b",".join(b'"f%d":0.%d' % (number, number + 1) for number in range(count))
        yield count, cost(Scenario(policy, request(body), answer(SAID), MODEL), loop)


def rows(loop: Loop) -> Points:
    """Of twelve fields, each answered with a label and a score."""
    large = BATCH.replace("input:", "max_body: 64MiB\n    input:", 1)
    for count in (1, 3, 10, 30, 100, 300, 1000, 3000, 10000):
        sent, said = request(listed(b"instances", BODY, count)), answer(listed(b"predictions", SAID, count))
        yield count, cost(Scenario(large, sent, said, MODEL), loop)


def routes(loop: Loop) -> Points:
    """Half of them templates; the one that is asked is the last."""
    for count in (1, 5, 20, 100, 500):
        more = "".join(
            f'  "POST /{"{tenant}/" if number % 2 else ""}other-{number}": passthrough\n' for number in range(count - 1)
        )
        head, _, tail = POLICY.partition("routes:\n")
        yield count, cost(Scenario(f"{head}routes:\n{more}{tail}", request(BODY), answer(SAID), MODEL), loop)


def traces(loop: Loop) -> Points:
    """Share of exchanges whose spans are made and exported, in percent."""
    for share in (0, 1, 5, 10, 25, 50, 100):
        policy = f"{POLICY}telemetry: {{trace_sample: {share}%}}\n"
        yield share, cost(Scenario(policy, request(BODY), answer(SAID), MODEL, told=True), loop)


def series(_: Loop) -> Points:
    """Milliseconds to write the page of one instrument with so many series, in a thread beside the loop."""
    for count in (10, 100, 500, 1000, 2000):
        made = Series(of.REQUESTS, Counter)
        for number in range(count):
            made.bind(("POST", f"/route-{number}", "model", "", "7")).value += number
        least, page = float("inf"), Exposition()
        for _try in range(TRIES):
            begun = REAL()
            page.text(counted([made]), TEXT)
            least = min(least, REAL() - begun)
        yield count, least * 1e3


GROWING: dict[str, Callable[[Loop], Points]] = {
    "body, bytes": lambda loop: bodies(loop, POLICY),
    "body not judged, bytes": lambda loop: bodies(loop, PASSTHROUGH),
    "fields": fields,
    "rows": rows,
    "routes": routes,
    "traces, %": traces,
    "series": series,
}


def main() -> None:
    loop = running_on(Loop())
    gc.set_threshold(*COLLECT)
    wanted = sys.argv[1:] or GROWING
    print(json.dumps({name: list(GROWING[name](loop)) for name in wanted}))


if __name__ == "__main__":
    main()
