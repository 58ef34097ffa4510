"""A schema file that names another document, before a real process and a server that answers nobody."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

HEAD = "version: guard/v1\nservice: s\nupstream: http://127.0.0.1:9\nroutes:\n  POST /p:\n    input: {schema: in.json}\n"


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("where", ["$schema", "nested $schema", "$ref", "$id and $ref"])
def test_no_command_fetches_anything(tmp_path: Path, command: str, where: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        schemas: dict[str, Any] = {
            "$schema": {"$schema": url + "s", "properties": {"age": {"type": "integer"}}},
            "nested $schema": {"properties": {"a": {"$id": "http://a.test/a", "$schema": url + "s"}}},
            "$ref": {"items": {"$ref": url + "s"}},
            "$id and $ref": {"$id": url, "items": {"$ref": "s"}},
        }
        (tmp_path / "in.json").write_text(json.dumps(schemas[where]))
        (tmp_path / "policy.yaml").write_text(HEAD)
        arguments = [command, str(tmp_path / "policy.yaml")]
        if command == "serve":
            arguments += ["--state-dir", str(tmp_path / "state"), "--listen", "127.0.0.1:0"]
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "guard", *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert time.monotonic() - begun < 15  # a server that hangs held `check` for 31 s
        assert done.returncode == 1
        assert "nothing is" in done.stdout + done.stderr
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
