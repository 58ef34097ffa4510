"""A guard that tells everything it may to everybody: sampled at 100 %, all signals, debug switches on."""

import http.client
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from guard.kit.rehearse.canaries import Cage
from tests.answering import answering
from tests.servers.sink import Collector, sink
from tests.sidecar import WITHIN, Sidecar, sidecar

POLICY: Final = """version: guard/v1
service: leaky
upstream: {url: 'http://127.0.0.1:PORT', limits: {concurrency: 8}}
release: {model: m, version: "3"}
drain: 0s
kill_file: KILL
listen: {limits: {body: 1s, head: 1s}}
privacy: {hash_key: {env: HASH_KEY}}
telemetry: {trace_sample: 100%}
routes:
  POST /predict/{customer}:
    max_body: 64KiB
    timeout: {connect: 200ms, attempt: 300ms, request: 2s}
    input:
      age: {type: number}
      open: {type: string, log: true}
      income: {type: number, sensitivity: financial}
      email: {type: string, sensitivity: personal, treatment: hash}
      alias: {type: string, sensitivity: confidential, treatment: mask}
      pin: {type: string, sensitivity: secret, send: false}
      illness: {type: string, sensitivity: health, required: false}
      kind: {enum: [a, b], required: false}
      seen_at: {type: timestamp, required: false, freshness: {stale: 24h}}
      note: {type: string, required: false, detect: [email, phone, card, iban, ip, token]}
      nested: {type: object, required: false, sensitivity: personal, fields: {street: {type: string}}}
      tags: {type: array, required: false, sensitivity: personal, items: {type: string}}
    output:
      label: {enum: [yes_, no_]}
      advice: {type: string, required: false, sensitivity: personal}
      amount: {type: number, required: false, sensitivity: financial}
    fallback:
      - cached: {max_age: 1h}
      - rules: [{when: "age > 1000000.0", answer: {label: "no_"}}]
    breaker: {minimum_calls: 1000000, consecutive_failures: 1000000}
  POST /bare: passthrough
  POST /v1/bare/completions: {dialect: openai}
  POST /v1/chat/completions:
    dialect: openai
    undeclared: pass
    input: {texts: {type: array, sensitivity: personal, items: {type: string, detect: [email]}}, characters: {type: integer, max: 400}}
    fallback: [{disabled: {status: 503}}]
  "POST /v2/models/m/versions/{v}/infer":
    dialect: oip
    input: {x: {type: number}, note: {type: string, required: false, sensitivity: personal}}
    output: {y: {type: number, sensitivity: financial}}
"""
FORMS: Final = ("{}", "vendor/{}", "{}:latest", "ft-{}-v2")
"""How servers repeat a word."""
ENVIRON: Final = {
    "HASH_KEY": "0123456789abcdef0123456789abcdef",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONFAULTHANDLER": "1",
    "OTEL_LOG_LEVEL": "debug",
    "OTEL_TRACES_SAMPLER": "always_on",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
}


class Stage:
    """A running guard, its model server's mood, and everything that was seen of it."""

    def __init__(self, guard: Sidecar, collector: Collector, folder: Path, cage: Cage) -> None:
        self.guard, self.collector, self.folder, self.cage = guard, collector, folder, cage
        self.mood = "ok"
        self.errors = b""
        """Answers that guard itself made up."""
        self.pages = b""
        self.echoes = 0

    # ── the model server ──────────────────────────────────────────────────────────────────────────────────────────

    def answer(self, head: bytes, body: bytes) -> tuple[int, bytes] | None:
        """As the mood is; canaries in every part of an answer."""
        text = self.cage.text
        if head.startswith((b"POST /v1/chat", b"POST /v1/bare")):
            return 0, self.chat(body)
        if head.startswith(b"POST /v2/"):
            return 0, self.tensors(head)
        match self.mood:
            case "ok":
                by_name = {"label": "yes_", "advice": text("answer: personal output"), "extra": text("answer: undeclared")}
                by_name["amount"] = self.cage.number("answer: financial output")  # type: ignore[assignment]
                named = f"X-Model: {text('answer: header')}\r\nX-Model-Version: {self.echo(head)}"
                return 0, raw(200, json.dumps(by_name), named, text("answer: reason phrase"))
            case "fault":
                return 0, raw(500, text("error: body"), f"X-Error: {text('error: header')}", text("error: phrase"))
            case "refused":
                return 0, raw(422, json.dumps({"detail": text("refusal: body")}), f"X-Why: {text('refusal: header')}")
            case "invalid":
                return 0, raw(200, json.dumps({"label": text("invalid: label"), "advice": 7}))
            case "unreadable":
                return 0, raw(200, '{"label": "' + text("unreadable: body"))
            case "malformed":
                return 0, f"{text('malformed: bytes')} not HTTP\r\n\r\n".encode()
            case "busy":
                return 0, raw(503, text("busy: body"), f"Retry-After: {text('busy: header')}")
        return None  # silent

    def echo(self, head: bytes) -> str:
        """Another part of the client's head with each answer, within a word of the server's own."""
        parts = re.findall(rb"(?<=[ /=])[A-Za-z0-9]{12,}(?=[ /?&=\r])", head)
        self.echoes += 1
        return FORMS[self.echoes % len(FORMS)].format(parts[self.echoes % len(parts)].decode() if parts else "")

    def chat(self, body: bytes) -> bytes:
        """An answer, or events; the model's name is echoed, as some servers do."""
        text, asked = self.cage.text, json.loads(body)
        if self.mood == "fault":
            return raw(
                500, json.dumps({"error": {"message": text("chat: error")}}), f"X-Error: {text('chat: error header')}"
            )
        choice = {"index": 0, "finish_reason": text("chat: finish")}
        by_name = {"id": text("chat: id"), "model": self.named(asked["model"]), text("chat: key"): 1}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": text("chat: answer")}
            return raw(
                200, json.dumps({**by_name, "choices": [{**choice, "message": message}], "usage": {"prompt_tokens": 3}})
            )
        events = [{**by_name, "choices": [{**choice, "delta": {"content": text("stream: piece")}}]}]
        if self.mood == "invalid":
            events.append({"error": {"message": text("stream: error"), "code": text("stream: code")}})
        lines = "".join(
            f"event: {text('stream: event')}\n: {text('stream: comment')}\ndata: {json.dumps(event)}\n\n"
            for event in events
        )
        return raw(200, lines).replace(b"application/json", b"text/event-stream")

    def named(self, word: str) -> str:
        """The client's word for the model as servers repeat it."""
        self.echoes += 1
        return [word, word[::-1], word.encode().hex(), *(form.format(word) for form in FORMS)][
            self.echoes % (3 + len(FORMS))
        ]

    def tensors(self, head: bytes) -> bytes:
        """Tensors, with more than was asked for."""
        text = self.cage.text
        if self.mood == "fault":
            return raw(400, json.dumps({"error": f"model broke on {text('tensors: error')}"}))
        outputs = [
            {"name": "y", "shape": [1], "datatype": "FP64", "data": [self.cage.number("tensors: output")]},
            {"name": text("tensors: name"), "shape": [1], "datatype": "BYTES", "data": [text("tensors: other output")]},
        ]
        parameters = {text("tensors: parameter"): text("tensors: parameter value")}
        version = self.echo(head)
        return raw(
            200,
            json.dumps({"model_version": version, "id": text("tensors: id"), "outputs": outputs, "parameters": parameters}),
        )

    # ── clients ───────────────────────────────────────────────────────────────────────────────────────────────────

    def document(self, outcome: str) -> dict[str, Any]:
        """A good request, with a canary in every field."""

        def text(name: str) -> str:
            return self.cage.text(f"{outcome}: field {name}")

        return {
            "age": self.cage.number(f"{outcome}: field age"),
            "open": "declared open",
            "income": self.cage.number(f"{outcome}: field income"),
            "email": f"{text('email')}@example.org",
            "alias": text("alias"),
            "pin": text("pin"),
            "illness": text("illness"),
            "note": f"{text('note')} mail {text('detected')}@example.org",
            "nested": {"street": text("nested"), text("nested key"): 1},
            "tags": [text("item")],
            text("undeclared key"): text("undeclared value"),
            "deep": [{"list": [text("deep")]}],
        }

    def ask(self, outcome: str, body: bytes | None = None, **changes: str) -> bytes:
        """One request with canaries in everything but its body; the whole answer, which is searched if guard made it."""
        text = self.cage.text
        method, kind = changes.get("method", "POST"), changes.get("kind", "application/json")
        body = json.dumps(self.document(outcome)).encode() if body is None else body
        path = changes.get("path", f"/predict/{text(f'{outcome}: path')}")
        target = f"{path}?{text(f'{outcome}: query key')}={text(f'{outcome}: query value')}"
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {text(f'{outcome}: host')}.example",
            f"Content-Type: {kind}",
            f"User-Agent: {text(f'{outcome}: user agent')}",
            f"Cookie: session={text(f'{outcome}: cookie')}",
            f"Authorization: Bearer {text(f'{outcome}: authorization')}",
            f"X-{text(f'{outcome}: header name')}: {text(f'{outcome}: header value')}",
            f"X-Forwarded-For: {text(f'{outcome}: forwarded')}",
            f"Referer: http://x/{text(f'{outcome}: referer')}",
            f"baggage: user={text(f'{outcome}: baggage')}",
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            f"tracestate: k={text(f'{outcome}: tracestate')}",
            f"x-request-id: {text(f'{outcome}: request id')}",
            "Connection: close",
            "Transfer-Encoding: chunked",
            "Trailer: X-Trailer",
        ]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        chunk = b"%x;ext=%b\r\n%b\r\n" % (len(body), text(f"{outcome}: chunk extension").encode(), body)
        trailer = f"X-Trailer: {text(f'{outcome}: trailer')}\r\n"
        answer = self.send(head + chunk + b"0\r\n" + trailer.encode() + b"\r\n")
        if b"x-guard-source: model" not in answer and b"x-guard-source: cached" not in answer:
            self.errors += answer
        return answer

    def send(self, raw_bytes: bytes, *, leave: bool = False) -> bytes:
        """Bytes to the data listener; its answer, or go at once."""
        with socket.create_connection(("127.0.0.1", self.guard.port), WITHIN) as client:
            client.sendall(raw_bytes)
            return b"" if leave else b"".join(iter(lambda: client.recv(65536), b""))

    def admin(self, method: str, path: str, body: object = None) -> bytes:
        """Ask the admin API as an operator; kept as a page."""
        where = json.loads((self.folder / "state/private/admin.json").read_text())
        host = where["url"].removeprefix("http://")
        token = Path(where["token"]).read_text().strip()
        client = http.client.HTTPConnection(host, timeout=WITHIN)
        epoch = "" if method == "GET" else str(json.loads(self.admin("GET", "/admin/v1/status"))["epoch"])
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            **({"If-Match": epoch} if epoch else {}),
        }
        client.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = client.getresponse()
        page = answer.read()
        client.close()
        assert answer.status < 400, page
        self.pages += page
        return page

    # ── what got out ──────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Every page that anybody can ask for."""
        for path in ("/livez", "/readyz", "/metrics"):
            self.pages += str(self.guard.probe(path)[1]).encode()
        with socket.create_connection(("127.0.0.1", self.guard.ops), WITHIN) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n")
            self.pages += b"".join(iter(lambda: client.recv(65536), b""))
        for path in ("/admin/v1/status", "/admin/v1/audit"):
            self.admin("GET", path)

    def outputs(self) -> dict[str, bytes]:
        """Stop guard; every byte that left it, but to the model server and in the model's answers."""
        self.guard.process.send_signal(signal.SIGTERM)
        code = self.guard.ended()
        assert code == 0, self.guard.lines[-5:]
        state = b"".join(
            path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file() and "state" in path.parts
        )
        return {
            "log": "".join(self.guard.lines).encode() + (self.folder / "stdout").read_bytes(),
            "otlp": b"".join(self.collector.raw),
            "pages": self.pages,
            "errors": self.errors,
            "state": state,
        }


def raw(status: int, body: str, header: str = "X-A: b", phrase: str = "X") -> bytes:
    """An answer, byte for byte."""
    text = body.encode()
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\n{header}\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


@contextmanager
def staged(folder: Path, **environ: str) -> Iterator[Stage]:
    """All of it."""
    with ExitStack() as stack:
        stage: Stage
        port = stack.enter_context(answering(lambda head, body: stage.answer(head, body)))
        collector = stack.enter_context(sink())
        (folder / "policy.yaml").write_text(POLICY.replace("PORT", str(port)))
        by_name = {**os.environ, **ENVIRON, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, **environ}
        by_name["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"] = f"{collector.endpoint}/v1/logs"
        guard = stack.enter_context(sidecar("policy.yaml", folder=folder, environ=by_name))
        guard.wait_for("exporting")
        guard.wait_for("admin")
        stage = Stage(guard, collector, folder, Cage())
        yield stage
