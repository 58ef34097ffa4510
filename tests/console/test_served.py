"""The console of a real guard, by HTTP: the page, its headers, signing in, orders, conditional requests."""

import gzip
import hashlib
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guard.control.console import files
from tests.sidecar import WITHIN, Sidecar, sidecar
from tests.test_operators import model  # noqa: F401 — a fixture
from tests.test_serve import Model

ROOT = Path(__file__).resolve().parents[2]
POLICY = """version: guard/v1
service: risk
upstream: UPSTREAM
admin: {console: CONSOLE}
drain: 0s
webhooks: [{url: 'https://hooks.example/services/T0/k4n4r1e'}]
routes:
  POST /predict:
    input: {age: {type: integer, min: 18}}
    output: {label: {enum: [a, b]}}
    fallback: {label: a}
"""


class Browser:
    """A browser's requests, each with a connection of its own, as the listener wants it."""

    def __init__(self, guard: Sidecar) -> None:
        self.address = guard.wait_for("admin")["listen"]
        self.cookie = ""

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One request of this page."""
        client = http.client.HTTPConnection(self.address, timeout=WITHIN)
        sent = {"sec-fetch-site": "same-origin", "content-type": "application/json", "cookie": self.cookie}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        client.request(method, path, None if body is None else json.dumps(body), sent)
        answer = client.getresponse()
        content = answer.read()
        client.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content

    def sign_in(self, token: str) -> int:
        """Sign in and keep the cookie."""
        status, headers, _ = self.ask("POST", "/console/session", {"token": token})
        self.cookie = headers.get("set-cookie", "").partition(";")[0]
        return status

    def read(self, path: str) -> Any:
        """A document."""
        status, _, content = self.ask("GET", path)
        assert status == 200, content
        return json.loads(content)


@pytest.fixture
def guard(model: Model, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sidecar]:  # noqa: F811
    console = getattr(request, "param", "true")
    text = POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}").replace("CONSOLE", console)
    (tmp_path / "policy.yaml").write_text(text)
    with sidecar("policy.yaml", folder=tmp_path) as running:
        running.wait_for("admin")
        yield running


def token(folder: Path) -> str:
    (file,) = folder.rglob("admin.token")
    return file.read_text().strip()


def test_the_page_its_files_and_their_headers(guard: Sidecar) -> None:
    browser = Browser(guard)
    assert browser.ask("GET", "/")[:1] == (307,)
    status, headers, content = browser.ask("GET", "/console/", accept_encoding="gzip")
    assert status == 200
    assert gzip.decompress(content).startswith(b"<!doctype html>")
    policy = headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"):
        assert part in policy
    assert "unsafe" not in policy
    total = 0
    for name in set(files.read()) - {""}:
        status, headers, content = browser.ask("GET", f"/console/{name}", accept_encoding="gzip")
        assert (status, headers["x-content-type-options"]) == (200, "nosniff"), name
        assert browser.ask("GET", f"/console/{name}", if_none_match=headers["etag"])[0] == 304
        total += len(content) if not name.endswith(".txt") else 0
    assert total <= 150_000
    for path in ("/console/../admin.token", "/console/%2e%2e/application.py", "/console/none.mjs"):
        assert browser.ask("GET", path)[0] in {401, 404}


def test_a_session_reads_and_orders_and_ends(guard: Sidecar, tmp_path: Path) -> None:
    browser = Browser(guard)
    assert browser.ask("GET", "/admin/v1/status")[0] == 401
    assert browser.sign_in(token(tmp_path)) == 200
    cookie = browser.ask("POST", "/console/session", {"token": token(tmp_path)})[1]["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert browser.read("/console/session") == {"name": "local", "role": "operator", "service": "risk"}
    order = {"mode": "rules", "reason": "by the console"}
    assert browser.ask("PUT", "/admin/v1/mode", order, sec_fetch_site="cross-site")[0] == 403
    assert browser.ask("PUT", "/admin/v1/mode", order, origin="http://evil.test")[0] == 403
    assert browser.ask("PUT", "/admin/v1/mode", order, content_type="text/plain")[0] == 415
    assert browser.ask("GET", "/admin/v1/mode")[0] == 405
    assert browser.read("/admin/v1/status")["mode"] == "normal"
    assert browser.ask("PUT", "/admin/v1/mode", order)[0] == 200
    status = browser.read("/admin/v1/status")
    assert (status["mode"], status["who"], status["reason"]) == ("rules", "local", "by the console")
    back = {"mode": "normal", "reason": "done"}
    assert browser.ask("PUT", "/admin/v1/mode", back, if_match='"0"')[0] == 412
    assert browser.ask("PUT", "/admin/v1/mode", back, if_match=f'"{status["epoch"]}"')[0] == 200
    assert browser.ask("DELETE", "/console/session")[0] == 200
    assert browser.ask("GET", "/admin/v1/status")[0] == 401


def test_wrong_tokens_are_limited_and_a_right_one_is_not(guard: Sidecar, tmp_path: Path) -> None:
    browser = Browser(guard)
    assert [browser.sign_in("guard_wrong") for _ in range(7)] == [401] * 5 + [429] * 2
    assert browser.sign_in(token(tmp_path)) == 200


def test_the_documents_of_the_page(guard: Sidecar, tmp_path: Path) -> None:
    browser = Browser(guard)
    browser.sign_in(token(tmp_path))
    client = guard.connect()
    for age in (40, 7):
        client.request("POST", "/predict", json.dumps({"age": age}), {"content-type": "application/json"})
        client.getresponse().read()
    while True:  # records wait in a batch for some milliseconds
        history = browser.read("/admin/v1/history")
        counts = {tuple(line["of"]): sum(line["points"]) for line in history["series"]}
        if counts.get(("POST /predict", "refused", "contract")):
            break
    assert counts["POST /predict", "source", "model"] == 1
    assert counts["POST /predict", "violation", "request", "/age", "min"] == 1
    assert browser.read("/admin/v1/incidents")["open"] == []
    policy = browser.read("/admin/v1/policy")
    assert policy["service"] == "risk"
    assert "POST /predict" in policy["text"]
    assert "k4n4r1e" not in policy["text"]
    for name in ("status", "history", "incidents", "policy"):
        etag = browser.ask("GET", f"/admin/v1/{name}")[1]["etag"]
        assert etag
    etag = browser.ask("GET", "/admin/v1/policy")[1]["etag"]
    assert browser.ask("GET", "/admin/v1/policy", if_none_match=etag)[::2] == (304, b"")


@pytest.mark.parametrize("guard", ["false"], indirect=True)
def test_where_it_is_off_the_root_says_so(guard: Sidecar) -> None:
    browser = Browser(guard)
    status, _, content = browser.ask("GET", "/")
    assert status == 404
    assert b"admin: {console: true}" in content
    assert browser.ask("GET", "/console/")[0] == 401


def test_the_vendored_files_are_those_that_are_documented() -> None:
    page = (ROOT / "docs/dependencies.md").read_text()
    vendor = files.FOLDER / "vendor"
    for file in sorted(vendor.iterdir()):
        if file.suffix in {".mjs", ".css"}:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            assert re.search(rf"{re.escape(file.name)} \|.*{digest}", page), file.name
    assert {file.name for file in vendor.glob("LICENSE.*")} == {
        "LICENSE.htm.txt",
        "LICENSE.preact.txt",
        "LICENSE.uplot.txt",
    }


def test_no_file_of_the_page_names_another_origin_or_a_way_around_escaping() -> None:
    for file in sorted(files.FOLDER.glob("*.*")):
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        for word in ("http://", "https://", "innerHTML", "dangerouslySet", "eval(", 'style="', "onclick="):
            assert word not in text, (file.name, word)
