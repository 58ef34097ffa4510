"""Whatever traffic brings, series are few and memory is flat."""

import json
import random
import socket
from pathlib import Path

from tests.answering import answering
from tests.sidecar import WITHIN, Sidecar, sidecar

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:PORT
routes:
  POST /p/{id}:
    rows: ''
    enforcement: observe
    input: {age: {type: integer}}
    output: {label: {at: /*/label, enum: [a, b]}}
  POST /any/*: passthrough
telemetry: {trace_sample: 100%}
"""
DISTINCT = 100_000
AT_ONCE = 50


def predict(head: bytes, body: bytes) -> tuple[int, bytes]:
    """Another class for each row, and another status for each call."""
    if b"/any/" in head:
        return random.randint(200, 599), b"{}"
    return 200, json.dumps([{"label": f"class {random.random()}"} for _ in json.loads(body)]).encode()


def series(guard: Sidecar) -> set[str]:
    """The names and labels on the page, but those of stalls by place in the code: these are the machine's."""
    lines = guard.probe("/metrics")[1].splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith(("#", "guard_loop_stalls"))}


def resident(guard: Sidecar) -> float:
    lines = Path(f"/proc/{guard.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def flood(guard: Sidecar, first: int, count: int) -> None:
    """Requests whose paths, methods, queries and user agents are all different."""
    with socket.create_connection(("127.0.0.1", guard.port), WITHIN) as client, client.makefile("rb") as answers:
        for start in range(first, first + count, AT_ONCE):
            raw = "".join(
                f"{('GET', 'PUT', 'POST', 'REPORT', 'LOCK', 'MKCOL')[number % 6]} /x{number}/y?q={number} HTTP/1.1\r\nHost: h\r\n"
                f"User-Agent: u{number}\r\n\r\n"
                for number in range(start, start + AT_ONCE)
            )
            client.sendall(raw.encode())
            for _ in range(AT_ONCE):
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line[15:])
                answers.read(length)


def test_a_hundred_thousand_of_everything(tmp_path: Path) -> None:
    with answering(predict) as port:
        (tmp_path / "policy.yaml").write_text(POLICY.replace("PORT", str(port)))
        with sidecar("policy.yaml", folder=tmp_path) as guard:
            flood(guard, 0, DISTINCT // 5)
            client = guard.connect()
            for number in range(20):
                body = json.dumps([{"age": 1}] * (DISTINCT // 20))
                client.request("POST", f"/p/{number}", body, {"Content-Type": "application/json"})
                assert client.getresponse().read()
            for number in range(1000):
                client.request("POST", f"/any/{number}", b"")
                client.getresponse().read()
            before, memory = series(guard), resident(guard)
            flood(guard, DISTINCT // 5, DISTINCT)
            page = guard.probe("/metrics")[1]
            more = series(guard) - before
            assert len(more) <= 2, more  # a slow machine may add a first measurement of guard's own; clients add nothing
            assert f'guard_class="<unseen>",guard_source="model"}} {DISTINCT}\n' in page
            assert "class 0" not in page
            statuses = {line.split('http_response_status_code="')[1].split('"')[0] for line in page.splitlines() if "status_code=" in line}  # fmt: skip
            assert len(statuses) <= 51
            assert "other" in statuses
            methods = {line.split('http_request_method="')[1].split('"')[0] for line in page.splitlines() if "request_method=" in line}  # fmt: skip
            assert methods <= {"GET", "PUT", "POST", "_OTHER"}
            assert resident(guard) - memory < 8
