"""The admin API without its service: who is looked at, what malformed requests are answered, what a flood costs."""

import asyncio
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.control import audit_reader, viewers
from guard.control.acceptor import Bounds, Rank, bind
from guard.control.admin import FORMS, Application, Status
from guard.control.admin_protocol import AdminListener
from guard.control.gate import WRONG_BURST, Gate, Problem
from guard.control.order_store import Refused
from guard.control.tokens import Identity
from guard.control.viewers import Shared, ViewerThread
from tests.proxy.stand import run, until
from tests.within import within

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
SECRETS = {"of-otto": Identity("otto", "operator"), "of-vera": Identity("vera", "viewer")}
HOSTS = frozenset(("127.0.0.1", "localhost"))
CANARY = "k4n4r1enV0gel"
PATHS = (
    "status",
    "mode",
    "enforcement",
    "breakers",
    "policy/reload",
    "audit",
    "contract",
    "openapi.json",
    "",
    "status/",
    "other",
)


class Stand:
    """A service that does nothing, and says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    async def status(self) -> Status:
        self.asked.append(("status", None))
        return Status(b'{"epoch": 7, "routes": []}', 7)

    async def set_mode(self, **order: Any) -> dict[str, Any]:
        self.asked.append(("mode", order))
        return {"epoch": 8}

    async def set_breaker(self, **order: Any) -> dict[str, Any]:
        self.asked.append(("breaker", order))
        return {}

    async def set_enforcement(self, **order: Any) -> dict[str, Any]:
        self.asked.append(("enforcement", order))
        return {}

    async def reload(self, *, actor: str) -> dict[str, Any]:
        self.asked.append(("reload", actor))
        return {"ok": True}

    def audit(self, limit: int) -> bytes:
        self.asked.append(("audit", limit))
        return b'{"entries": []}'

    def policy(self) -> object:
        return self

    def contract(self, form: str) -> str:
        self.asked.append(("contract", form))
        return form


def gate() -> Gate:
    return Gate(SECRETS.get, HOSTS, lambda: 0.0)


async def ask(
    application: Application,
    method: str,
    path: str,
    headers: list[tuple[bytes, bytes]],
    query: bytes = b"",
    body: bytes = b"",
) -> tuple[int, dict[bytes, bytes], bytes]:
    """One request through ASGI."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode("utf-8", "surrogatepass"), "query_string": query, "headers": headers,
        "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2), "root_path": "",
    }  # fmt: skip
    await application(scope, receive, send)  # type: ignore[arg-type]
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(part.get("body", b"") for part in sent[1:])


def known(secret: str = "of-otto", host: str = "localhost:1") -> list[tuple[bytes, bytes]]:
    return [
        (b"host", host.encode()),
        (b"authorization", f"Bearer {secret}".encode()),
        (b"content-type", b"application/json"),
    ]


NAMES = st.sampled_from(
    [b"host", b"authorization", b"origin", b"content-type", b"if-match", b"accept", b"x-other", b"content-length"]
)
VALUES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(["²".encode("latin-1"), "²".encode(), b"1", b'"7"', b"Bearer of-vera", b"bearer  of-otto", b"Bearer", b"evil.example",
                     b"*/*;q=\xb2", b"text/markdown;q=0.5", b"9" * 4400, CANARY.encode()]),
)  # fmt: skip
BODIES = st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(CANARY)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["mode", "reason", "ttl", "route", "cut", "state", "target", "enforcement", CANARY]), inner, max_size=4)),
        max_leaves=8,
    ).map(lambda document: json.dumps(document).encode()),
    st.sampled_from([b"[" * 30_000, b'{"mode":"rules","reason":"\\ud800"}', b'{"reason":' + b"1" * 5000 + b"}", b'{"mode":"rules","reason":"r","ttl":1e999}']),
)  # fmt: skip
QUERIES = st.one_of(st.binary(max_size=20), st.sampled_from(["limit=²".encode(), b"limit=%C2%B2", b"limit=0", b"limit=" + b"9" * 5000, b"limit=-1", b"format=%ff", b"format=json", CANARY.encode()]))  # fmt: skip
METHODS = st.one_of(st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"]), st.text(string.ascii_uppercase, min_size=1, max_size=8))  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    method=METHODS, path=st.one_of(st.sampled_from(PATHS), st.text(max_size=12)), query=QUERIES, body=BODIES,
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=5), base=st.sampled_from([[], known(), known("of-vera"), known("wrong")]),
)  # fmt: skip
def test_no_request_is_answered_500_or_past_the_gate_or_with_a_word_of_itself(
    method: str, path: str, query: bytes, body: bytes, headers: list[tuple[bytes, bytes]], base: list[tuple[bytes, bytes]]
) -> None:
    service = Stand()
    application = Application(service, gate())  # type: ignore[arg-type]
    sent = base + headers
    status, _, answer = asyncio.run(ask(application, method, f"/admin/v1/{path}", sent, query, body))
    who = gate().judge(sent)
    if isinstance(who, Problem):
        assert (status, service.asked) == (who.status, [])
    assert status < 500
    assert not 300 <= status < 400, "a redirect would lead to the Host of whoever asks"
    assert CANARY.encode() not in answer
    if method != "GET" and not isinstance(who, Problem) and who.role == "viewer":
        assert not [kind for kind, _ in service.asked if kind in {"mode", "breaker", "enforcement", "reload"}]


@pytest.mark.parametrize("raw", ["²", "١", "1" * 19, "-1", "1.0"])
def test_only_ascii_digits_are_a_number(raw: str) -> None:
    application = Application(Stand(), gate())  # type: ignore[arg-type]
    body = b'{"mode": "rules", "reason": "r"}'
    match = [*known(), (b"if-match", raw.encode("utf-8"))]
    assert asyncio.run(ask(application, "PUT", "/admin/v1/mode", match, body=body))[0] == 412
    assert asyncio.run(ask(application, "GET", "/admin/v1/audit", known(), query=f"limit={raw}".encode()))[0] == 422


def test_unknown_paths_are_known_to_token_holders_alone() -> None:
    application = Application(Stand(), gate())  # type: ignore[arg-type]
    for path in ("/admin/v1/status/", "/admin/v1/other", "/", "//evil/admin/v1/status"):
        assert asyncio.run(ask(application, "GET", path, known()))[0] == 404
        assert asyncio.run(ask(application, "GET", path, known("wrong")))[0] == 401
        assert asyncio.run(ask(application, "GET", path, known(host="evil.example")))[0] == 421


def test_wrong_tokens_are_limited_and_a_right_one_is_always_served() -> None:
    now = 0.0
    limited = Gate(SECRETS.get, HOSTS, lambda: now)
    answers = [limited.judge(known("wrong")) for _ in range(100)]
    assert [answer.status for answer in answers if isinstance(answer, Problem)] == [401] * int(WRONG_BURST) + [429] * 80
    assert limited.judge(known()) == SECRETS["of-otto"]
    now = 0.1
    assert [getattr(limited.judge(known("wrong")), "status", 0) for _ in range(2)] == [401, 429]
    assert limited.refused == 102


def test_an_ambiguous_head_names_nobody() -> None:
    two = [*known(), (b"authorization", b"Bearer of-vera")]
    assert getattr(gate().judge(two), "status", 0) == 401
    assert getattr(gate().judge([*known(), (b"host", b"localhost")]), "status", 0) == 421
    assert getattr(gate().judge([*known(), (b"origin", b"http://localhost")]), "status", 0) == 403


# ── over sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Served:
    """An admin listener on a port of its own."""

    def __init__(self, bounds: Bounds = Bounds(64)) -> None:  # noqa: B008
        self.service = Stand()
        rule = Gate(SECRETS.get, HOSTS)
        self.listener = AdminListener(Application(self.service, rule), rule)  # type: ignore[arg-type]
        self.listener.start(bind("127.0.0.1", 0), bounds, None)

    async def send(self, raw: bytes, *, within: float = 10.0) -> bytes:
        """What is answered until the end."""
        reader, writer = await asyncio.open_connection(*self.listener.acceptor.address)
        try:
            async with asyncio.timeout(within):
                writer.write(raw)
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


def raw(method: str = "GET", path: str = "status", secret: str = "of-otto", body: bytes = b"", more: str = "") -> bytes:
    head = f"{method} /admin/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n{more}"
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{head}{length}\r\n".encode() + body


@LOOPS
def test_what_the_admin_listener_answers(loop: str) -> None:
    async def main() -> None:
        served = Served()
        answer = await served.send(raw())
        assert answer.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
        assert b"\r\nconnection: close\r\n" in answer.lower()
        assert answer.endswith(b'{"epoch": 7, "routes": []}')
        assert (await served.send(raw(secret="wrong"))).startswith(b"HTTP/1.1 401 ")
        assert (await served.send(raw("HEAD", secret="wrong"))).endswith(b"\r\n\r\n")
        order = b'{"mode": "rules", "reason": "r"}'
        assert (await served.send(raw("PUT", "mode", body=order))).startswith(b"HTTP/1.1 200 ")
        assert (await served.send(raw("PUT", "mode", "of-vera", body=order))).startswith(b"HTTP/1.1 403 ")
        assert [kind for kind, _ in served.service.asked] == ["status", "mode"]
        served.listener.close()

    run(main, loop)


@LOOPS
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"), (b"GET /admin/v1/status HTTP/1.1\r\n\r\n", b"421"), (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
        (b"GET /" + b"a" * 20_000, b"431"), (b"GET /admin/v1/status HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20_000, b"431"),
        (raw(more="Upgrade: websocket\r\nConnection: Upgrade\r\n", secret="wrong"), b"401"),
        (raw("PUT", "mode", body=b"x" * 70_000), b"413"), (raw("PUT", "mode", more="Transfer-Encoding: chunked\r\n") + b"zz\r\n", b"400"),
        (raw(path="%ff%00"), b"404"), (raw() + raw("PUT", "mode", body=b'{"mode": "rules", "reason": "r"}'), b"200"),
        (b"GET http://evil.example/admin/v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421"),
    ],
)  # fmt: skip
def test_malformed_requests_are_answered_once_in_our_words(loop: str, sent: bytes, status: bytes) -> None:
    async def main() -> None:
        served = Served()
        answer = await served.send(sent)
        assert answer[9:12] == status
        assert answer.count(b"HTTP/1.1 ") == 1, "what follows the first request is dropped"
        assert b"evil" not in answer
        assert b"uvicorn" not in answer.lower()
        assert not [kind for kind, _ in served.service.asked if kind == "mode"]
        served.listener.close()

    run(main, loop)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["GET", "PUT", "POST", "\xb2"]), st.sampled_from(PATHS), st.binary(max_size=60), BODIES), min_size=1, max_size=8))  # fmt: skip
def test_no_bytes_are_answered_500_over_sockets(requests: list[tuple[str, str, bytes, bytes]]) -> None:
    async def main() -> None:
        served = Served()
        for method, path, line, body in requests:
            sent = raw(method, path, body=body, more="X: ").replace(b"X: ", b"X: " + line + b"\r\n", 1)
            answer = await served.send(sent + b"\r\n\r\n")
            assert answer[9:10] not in {b"3", b"5"}, answer
            assert CANARY.encode() not in answer
        served.listener.close()

    run(main, "uvloop")


@LOOPS
def test_idle_and_unfinished_connections_keep_no_operator_out(loop: str) -> None:
    async def main() -> None:
        served = Served(Bounds(16, waiting=60.0))
        held = []
        for number in range(100):
            held.append(await asyncio.open_connection(*served.listener.acceptor.address))
            held[-1][1].write((b"", b"GET /adm", raw()[:-2], raw(secret="wrong"))[number % 4])
            if number % 10 == 0:
                answer = await served.send(raw("PUT", "mode", body=b'{"mode": "rules", "reason": "r"}'))
                assert answer.startswith(b"HTTP/1.1 200 ")
        assert len(served.listener.acceptor) <= 16
        for _, writer in held:
            writer.close()
        served.listener.close()

    run(main, loop)


@LOOPS
def test_an_operators_request_outlives_newcomers_and_a_body_has_a_deadline(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.control.admin.BODY_WITHIN", 0.3)

    async def main() -> None:
        served = Served(Bounds(4, waiting=60.0))
        whole = raw("PUT", "mode", body=b'{"mode": "rules", "reason": "r"}')
        reader, writer = await asyncio.open_connection(*served.listener.acceptor.address)
        writer.write(whole[:-5])
        await until(lambda: any(seat.rank is Rank.TRUSTED for seats in served.listener.acceptor._ranks for seat in seats))
        crowd = [await asyncio.open_connection(*served.listener.acceptor.address) for _ in range(20)]
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        for _, other in [*crowd, (reader, writer)]:
            other.close()
        served.listener.close()

    run(main, loop)


# ── what many read ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_shared_work_is_done_for_all_that_asked_before_it_began() -> None:
    async def main() -> None:
        begun = 0
        going = asyncio.Event()

        async def make() -> int:
            nonlocal begun
            begun += 1
            mine = begun
            await going.wait()
            return mine

        shared = Shared(make)
        first = asyncio.gather(*(shared() for _ in range(30)))
        await asyncio.sleep(0.01)
        late = asyncio.gather(*(shared() for _ in range(30)))
        await asyncio.sleep(0.01)
        going.set()
        assert await first == [1] * 30
        assert await late == [2] * 30, "a result is never older than the question"

    run(main, "uvloop")


def test_readers_beyond_the_queue_are_refused_and_the_shared_executor_stays_free(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        threads = ViewerThread()
        import threading

        hold = threading.Event()
        waiting = [asyncio.ensure_future(threads.run(hold.wait)) for _ in range(viewers.QUEUED)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await threads.run(hold.wait)
        assert refused.value.status == 503
        assert await within(asyncio.to_thread(lambda: "an order's thread"), 5)
        hold.set()
        await asyncio.gather(*waiting)
        assert await threads.run(lambda: 1) == 1

    run(main, "uvloop")


def test_a_contract_is_written_once_for_all_viewers() -> None:
    async def main() -> None:
        service = Stand()
        application = Application(service, gate())  # type: ignore[arg-type]
        await asyncio.gather(*(ask(application, "GET", "/admin/v1/contract", known(), query=f"format={form}".encode()) for _ in range(30) for form in FORMS))  # fmt: skip
        assert sorted(form for kind, form in service.asked if kind == "contract") == sorted(FORMS)

    run(main, "uvloop")


def test_the_audit_is_read_from_its_end_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_reader, "BLOCK", 64)
    entries = [json.dumps({"n": number, "why": "é" * (number % 40)}, ensure_ascii=False).encode() for number in range(300)]
    (tmp_path / "audit.jsonl").write_bytes(b"\n".join(entries[200:]) + b"\n" + b'{"torn')
    (tmp_path / "audit.jsonl.1").write_bytes(b"\n".join(entries[100:200]) + b"\n\n[1]\nnot json\n")
    (tmp_path / "audit.jsonl.3").write_bytes(b"\n".join(entries[:100]) + b"\n")
    document = json.loads(audit_reader.newest(tmp_path, 10_000))
    assert [entry["n"] for entry in document["entries"]] == list(reversed(range(300)))
    assert document["complete"]
    assert [entry["n"] for entry in json.loads(audit_reader.newest(tmp_path, 3))["entries"]] == [299, 298, 297]
    monkeypatch.setattr(audit_reader, "MOST_BYTES", 1000)
    few = json.loads(audit_reader.newest(tmp_path, 10_000))
    assert 0 < len(few["entries"]) < 100
    assert not few["complete"]
    assert json.loads(audit_reader.newest(tmp_path / "absent", 3)) == {"entries": [], "complete": True}


def test_a_line_without_an_end_is_not_read_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b"x" * (4 << 20) + b'\n{"n": 1}\n')
    assert json.loads(audit_reader.newest(tmp_path, 10))["entries"] == [{"n": 1}]
