"""How long one document holds the loop: every kind of document that costs more than its bytes, judged in memory.

`python benchmarks/stall.py [MIB]` prints a Markdown row for each; the table in docs/limits.md is one run of it. It ends
with 1 where a document of 1 MiB takes more than 25 ms of processor time, which is the bound that `guard` promises.
"""

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from guard.contract.strict import MAX_ELEMENTS, PLAIN
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.proxy.values import Allow, Amend, Head, Route

MOST: float = 0.025
"""Seconds."""
EIGHT = ", ".join(f"f{number}: {{type: number}}" for number in range(8))
POLICY = f"""version: guard/v1
service: stall
upstream: http://127.0.0.1:1
routes:
  POST /p:
    undeclared: pass
    max_body: 1GiB
    input: {{x: {{type: array, items: {{type: number}}, required: false}}, s: {{type: string, required: false}}}}
    output: {{label: {{enum: [a], required: false}}, x: {{type: array, items: {{type: number}}, required: false}}}}
  POST /rows:
    rows: /instances
    max_body: 1GiB
    input: {{{EIGHT}}}
    output: {{{EIGHT}}}
  POST /texts:
    max_body: 1GiB
    input: {{s: {{type: string, detect: [email, phone, card, iban, ip, token]}}}}
    output: {{label: {{enum: [a], required: false}}}}
"""


def repeated(part: bytes, before: bytes, after: bytes, size: int, most: int = 1 << 60) -> bytes:
    """A part so often that a document of about `size` bytes is full, but at most so often."""
    return before + b",".join([part] * min(size // (len(part) + 1), most)) + after


def documents(size: int) -> Iterator[tuple[str, str, bytes]]:
    """A name, the path of its route, and the document: the dearest that are read, and some that are not."""

    def listed(part: bytes, most: int = 1 << 60, before: bytes = b'{"u":[') -> bytes:
        return repeated(part, before, b"]}", size, most)

    plain = MAX_ELEMENTS * PLAIN - 2 * PLAIN
    yield "one string", "/p", b'{"s":"' + b"x" * size + b'"}'
    yield "a declared list of numbers", "/p", listed(b"0.1234567", before=b'{"x":[')
    yield "a declared list of digits, as many as are read", "/p", listed(b"1", plain, b'{"x":[')
    yield "an undeclared list of digits", "/p", listed(b"1", plain)
    yield "short strings", "/p", listed(b'":"', plain)
    row = b"{" + b",".join(b'"field_%d":%d' % (n, n) for n in range(12)) + b"}"
    yield "rows of twelve short fields, as many as are read", "/p", listed(row, MAX_ELEMENTS * 10 // 142)
    names = [b'"%x":1' % number for number in range(MAX_ELEMENTS * 9 // 10)]
    yield "distinct names, as many as are read", "/p", b"{" + b",".join(names) + b"}"
    yield "small objects, as many as are read", "/p", listed(b'{"a":1}', MAX_ELEMENTS * 10 // 22)
    yield "empty objects, as many as are read", "/p", listed(b"{}", MAX_ELEMENTS * 10 // 12)
    yield "60 lists within lists, as many as are read", "/p", listed(b"[" * 60 + b"]" * 60, MAX_ELEMENTS // 61)
    yield "empty objects (refused)", "/p", listed(b"{}")
    yield "distinct names (refused)", "/p", b"{" + b",".join(b'"%x":1' % n for n in range(size // 9)) + b"}"
    yield (
        "empty rows of eight required fields (refused)",
        "/rows",
        listed(b"{}", MAX_ELEMENTS * 10 // 12, b'{"instances":['),
    )
    yield "texts for numbers (refused)", "/p", listed(b'""', plain, b'{"x":[')
    yield "65,536 characters of cards", "/texts", json.dumps({"s": "4111 1111 1111 1112 " * 3276}).encode()
    yield (
        "65,536 characters of prose, searched",
        "/texts",
        json.dumps({"s": "Call me at 10:30, order 12345678. " * 1900}).encode(),
    )
    yield "IBANs (refused)", "/texts", json.dumps({"s": "DE89370400440532013000 " * (size // 23)}).encode()


def fastest(judged: Callable[[], object]) -> float:
    """Seconds of processor time, of seven turns the middle one."""
    times = []
    for _ in range(7):
        begun = time.thread_time()
        judged()
        times.append(time.thread_time() - begun)
    return sorted(times)[3]


def measured(route: Route, document: bytes) -> tuple[float, float]:
    """Seconds as a request, and as an answer."""
    [judge], answers = route.judges, route.output
    head = Head(b"POST", b"/p", [(b"content-type", b"application/json")])
    assert answers is not None
    return fastest(lambda: judge.judge(head, document, 0.0)), fastest(lambda: answers.judge(document, None))


def main() -> int:
    """Print the table."""
    gc.set_threshold(50_000, 20, 100)  # as serve does
    mib = float(sys.argv[1] if len(sys.argv) > 1 else "1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(POLICY)
        routes = {route.template: route for route in compile_plan(load(path, environ={}), CompileContext()).routes}
    print("| document | request, ms | answer, ms |\n|---|---|---|")
    longest = 0.0
    for name, template, document in documents(int(mib * (1 << 20))):
        route = routes[template]
        verdict = route.judges[0].judge(Head(b"POST", b"/p", [(b"content-type", b"application/json")]), document, 0.0)
        refused = not isinstance(verdict, Allow | Amend)
        assert refused or not name.endswith("(refused)"), (name, verdict)
        assert not refused or name.endswith("(refused)") or mib > 1, (name, verdict)
        note = " (refused at this size)" if refused and not name.endswith("(refused)") else ""
        request, answer = measured(route, document)
        longest = max(longest, request, answer)
        print(f"| {name}{note} | {request * 1e3:.1f} | {answer * 1e3:.1f} |")
    return int(mib <= 1 and longest > MOST)


if __name__ == "__main__":
    sys.exit(main())
