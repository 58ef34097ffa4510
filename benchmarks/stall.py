"""How long one document holds the loop: every kind of JSON that costs more than its bytes, judged in memory.

`python benchmarks/stall.py [MIB]` prints a Markdown row for each; the table in docs/limits.md is one run of it.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from guard.policy.load import load
from guard.policy.plan import Means, compile_plan
from guard.proxy.values import Head

POLICY = """version: guard/v1
service: stall
upstream: http://127.0.0.1:1
routes:
  POST /p:
    undeclared: pass
    max_body: 1GiB
    input: {x: {type: array, items: {type: number}, required: false}, s: {type: string, required: false}}
    output: {label: {enum: [a]}}
"""
HEAD = Head(b"POST", b"/p", [(b"content-type", b"application/json")])


def documents(size: int) -> Iterator[tuple[str, bytes]]:
    """Documents of about `size` bytes."""

    def repeated(part: bytes, before: bytes = b'{"u":[') -> bytes:
        return before + b",".join([part] * (size // (len(part) + 1))) + b"]}"

    yield "one string", b'{"s":"' + b"x" * size + b'"}'
    yield "a declared list of numbers", repeated(b"0.1234567", b'{"x":[')
    yield "rows of twelve short fields", repeated(b"{" + b",".join(b'"field_%d":%d' % (n, n) for n in range(12)) + b"}")
    yield "a list of digits", repeated(b"1")
    yield "distinct names", b"{" + b",".join(b'"%x":1' % number for number in range(size // 9)) + b"}"
    yield "small objects", repeated(b'{"a":1}')
    yield "empty objects", repeated(b"{}")
    yield "60 lists within lists", repeated(b"[" * 60 + b"]" * 60)


def main() -> None:
    """Print the table."""
    gc.set_threshold(50_000, 20, 100)  # as serve does
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else "1") * (1 << 20))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(POLICY)
        (judge,) = compile_plan(load(path, environ={}), Means()).routes[0].judges
    print("| document | ms |\n|---|---|")
    for name, document in documents(size):
        times = []
        for _ in range(7):
            begun = time.perf_counter()
            verdict = judge.judge(HEAD, document, 0.0)
            times.append(time.perf_counter() - begun)
            assert type(verdict).__name__ == "Amend", verdict
        print(f"| {name} | {sorted(times)[3] * 1e3:.1f} |")


if __name__ == "__main__":
    main()
