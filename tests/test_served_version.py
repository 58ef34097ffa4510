"""Which version answers, by a real process before a server of TensorFlow Serving's form: asked, told, changed, disagreeing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from tests.answering import answering
from tests.sidecar import Sidecar, sidecar

POLICY = """
version: guard/v1
service: t
drain: 0s
upstream: http://127.0.0.1:{port}
release: {{version: "3", strict: {strict}}}
routes:
  "POST /v1/models/m:predict":
    dialect: tfserving
    input: {{x: {{type: number}}}}
    output: {{y: {{type: number}}}}
    fallback: {{y: 0}}
  POST /tensors:
    dialect: oip
    input: {{x: {{type: number}}}}
    output: {{y: {{type: number}}}}
    fallback: {{y: 0}}
"""


CHAT = """
version: guard/v1
service: t
drain: 0s
upstream: http://127.0.0.1:{port}
routes:
  POST /v1/chat/completions: {{dialect: openai, input: {{characters: {{type: integer}}}}, output: {{object: {{type: string}}}}}}
"""


class Server:
    """A model of which the status page tells the version, and one whose answers do."""

    def __init__(self) -> None:
        self.page, self.answered, self.asked = "3", "3", 0

    def __call__(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        if head.startswith(b"GET /v1/models/m "):
            self.asked += 1
            states = [{"version": "1", "state": "END"}, {"version": self.page, "state": "AVAILABLE"}]
            return 200, json.dumps({"model_version_status": states}).encode()
        if head.startswith(b"POST /tensors"):
            output = {"name": "y", "shape": [1], "datatype": "FP64", "data": [1]}
            return 200, json.dumps({"model_version": self.answered, "outputs": [output]}).encode()
        return 200, b'{"predictions":[0.5]}'


@contextmanager
def guarded(server: Server, folder: Path, *, strict: str = "false") -> Iterator[Sidecar]:
    with answering(server) as port:
        (folder / "policy.yaml").write_text(POLICY.format(port=port, strict=strict))
        with sidecar("policy.yaml", folder=folder) as guard:
            yield guard


def ask(guard: Sidecar, path: str) -> dict[str, str]:
    """The reply's headers that say who answered."""
    client = guard.connect()
    tensor = {"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}
    body = {"inputs": [tensor]} if path == "/tensors" else {"instances": [1]}
    client.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = client.getresponse()
    response.read()
    return {name: value for name, value in response.getheaders() if name.startswith("x-guard")}


def test_a_server_is_asked_where_its_answers_do_not_say_it(tmp_path: Path) -> None:
    server = Server()
    server.page = "9"
    with guarded(server, tmp_path) as guard:
        answered = (ask(guard, "/v1/models/m:predict")["x-guard-model-version"] for _ in range(5000))
        told_so = list(takewhile(lambda version: version != "9", answered))
        assert set(told_so) <= {"3"}, "the release's, until the server was asked"
        assert len(told_so) < 5000
        told = guard.wait_for("model_version_disagrees")
        assert (told["served"], told["release"]) == ("9", "3")
        assert "guard_model_served{" in guard.probe("/metrics")[1]
    assert server.asked


def test_a_change_is_told_and_another_version_than_the_releases(tmp_path: Path) -> None:
    server = Server()
    with guarded(server, tmp_path) as guard:
        assert ask(guard, "/tensors")["x-guard-model-version"] == "3"
        server.answered = "4\r\nx-injected: 1"
        answer = ask(guard, "/tensors")
        assert answer["x-guard-model-version"] == "4__x-injected: 1"
        assert answer["x-guard-source"] == "model"
        changed = guard.wait_for("model_version_changed")
        assert (changed["before"], changed["after"], changed["target"]) == ("3", "4__x-injected: 1", "model")
        guard.wait_for("model_version_disagrees")


def test_a_strict_release_lets_no_other_version_answer(tmp_path: Path) -> None:
    server = Server()
    with guarded(server, tmp_path, strict="true") as guard:
        assert ask(guard, "/tensors")["x-guard-source"] == "model"
        server.answered = "4"
        answer = ask(guard, "/tensors")
        assert (answer["x-guard-source"], answer["x-guard-reason"]) == ("rules", "version")


def _repeating(head: bytes, body: bytes) -> tuple[int, bytes]:
    """A server that answers with the client's word, as llama.cpp does, or with that word below its own."""
    if head.startswith(b"GET"):
        return 200, b'{"object":"list","data":[{"id":"parrot-1","object":"model"},{"id":7},"x"]}'
    word = json.loads(body)["model"]
    named = word if word.startswith("parrot") else f"vendor/{word}"
    return 200, json.dumps({"object": "chat.completion", "model": named, "choices": []}).encode()


def _chat(guard: Sidecar, model: str) -> str | None:
    client = guard.connect()
    document = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    client.request("POST", "/v1/chat/completions", json.dumps(document), {"Content-Type": "application/json"})
    response = client.getresponse()
    response.read()
    assert response.getheader("x-guard-source") == "model"
    return response.getheader("x-guard-model-version")


def test_a_repeated_name_counts_where_the_server_lists_it_and_only_there(tmp_path: Path) -> None:
    with answering(_repeating) as port:
        (tmp_path / "policy.yaml").write_text(CHAT.format(port=port))
        with sidecar("policy.yaml", folder=tmp_path) as guard:
            assert any(_chat(guard, "parrot-1") == "parrot-1" for _ in range(5000)), "the list was asked for"
            for word in ("Alice-Sokolova", "parrot-2", "parrot-1-Alice"):
                assert _chat(guard, word) is None, word
            page = guard.probe("/metrics")[1]
            assert "guard_model_served{" in page
            assert "parrot-1" in page
            assert "Alice" not in page
            assert "parrot-2" not in page
