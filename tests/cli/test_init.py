"""`guard init` as a user meets it: its own process before a server that speaks HTTP."""

import http.server
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guard.cli.check import compiled
from tests.kit.init.fake import RECORDED
from tests.sidecar import free_port
from tests.threaded import threaded


@contextmanager
def replaying(name: str) -> Iterator[str]:
    """The URL of a server that says what was recorded."""
    pages = json.loads((RECORDED / f"{name}.json").read_text())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(f"{self.command} {self.path}", {"status": 404, "text": ""})
            body = json.dumps(page["json"]).encode() if "json" in page else page["text"].encode()
            self.send_response(page["status"])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128  # more than are asked at once: one that finds no place tries again after a second

    with threaded(Server(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def init(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "guard", "init", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_draft_is_all_of_stdout_and_the_rest_is_told_beside_it(tmp_path: Path) -> None:
    with replaying("fastapi") as url:
        done = init("--upstream", url)
    assert done.returncode == 0
    (tmp_path / "draft.yaml").write_text(done.stdout)
    loaded, _ = compiled(tmp_path / "draft.yaml")
    assert str(loaded.policy.upstream.url) == url
    assert "is iris 2026.11" in done.stderr
    assert "4 inputs, 2 outputs" in done.stderr


def test_a_file_is_not_written_over_but_by_force(tmp_path: Path) -> None:
    file = tmp_path / "draft.yaml"
    with replaying("kserve") as url:
        done = init("--upstream", url, "--output", file)
        assert (done.returncode, done.stdout) == (0, "")
        assert "guard serve" in done.stderr
        file.write_text("mine")
        refused = init("--upstream", url, "--output", file)
        assert refused.returncode == 2
        assert "--force" in refused.stderr
        assert file.read_text() == "mine"
        assert init("--upstream", url, "-o", file, "--force").returncode == 0
    compiled(file)
    assert [path.name for path in tmp_path.iterdir()] == ["draft.yaml"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with replaying("kserve") as url:
        done = init("--upstream", url, "-o", tmp_path / "no" / "draft.yaml")
    assert done.returncode == 1
    assert "cannot write" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--upstream", "x"),
        ("--upstream", "http://h:1/path"),
        ("--upstream", "http://h:1", "--dialect", "klingon"),
        ("--upstream", "http://h:1", "--mlmodel", "/not/there"),
        ("--upstream", "http://h:1", "--timeout", "0"),
    ],
)  # fmt: skip
def test_usage(arguments: tuple[str, ...]) -> None:
    assert init(*arguments).returncode == 2


def test_nobody_there_and_nobody_known() -> None:
    done = init("--upstream", f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not answer" in done.stderr
    with replaying("tei") as url:  # which has nothing of mlflow's
        done = init("--upstream", url, "--dialect", "vertex")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not list what it serves as a server of dialect vertex" in done.stderr


def test_an_mlmodel_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("a: &x b\n")
    (tmp_path / "other").write_text("a: b\n")
    with replaying("mlflow") as url:
        bomb = init("--upstream", url, "--mlmodel", tmp_path)
        other = init("--upstream", url, "--mlmodel", tmp_path / "other")
    assert (bomb.returncode, bomb.stdout) == (1, "")
    assert "not a readable MLmodel file" in bomb.stderr
    assert "is not an MLmodel file" in other.stderr


def test_mlflow_says_that_it_needs_the_file_and_reads_it() -> None:
    with replaying("mlflow") as url:
        bare = init("--upstream", url)
        full = init("--upstream", url, "--mlmodel", RECORDED)
    assert "--mlmodel PATH" in bare.stderr
    assert "sepal" not in bare.stdout
    assert "sepal length (cm): {type: number}  # from MLmodel, signature.inputs: double" in full.stdout


def test_tensorflow_serving_asks_for_the_name_of_a_model() -> None:
    with replaying("tfserving") as url:
        bare = init("--upstream", url)
        full = init("--upstream", url, "--model", "iris")
    assert bare.returncode == 0
    assert "--model NAME" in bare.stderr
    assert '"POST /v1/models/{model}:predict":' in bare.stdout
    assert '"POST /v1/models/iris:predict":' in full.stdout


def test_the_operator_says_the_dialect() -> None:
    with replaying("sagemaker") as url:
        guessed = init("--upstream", url)
        said = init("--upstream", url, "--dialect", "mlflow", "--mlmodel", RECORDED)
    assert "dialect: sagemaker  # only GET /ping answers" in guessed.stdout
    assert "dialect: mlflow  # by --dialect" in said.stdout
    assert "sepal length (cm)" in said.stdout
