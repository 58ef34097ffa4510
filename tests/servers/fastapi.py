"""A model service of ours in FastAPI, as teams write theirs, in the environment of the demo."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.install import Program
from tests.servers.model_server import INSIDE, ModelServer, folder_with, serving, trained


@contextmanager
def fastapi() -> Iterator[ModelServer]:
    """The iris model, at /predict and /predict/batch; /openapi.json tells of both."""
    program = Program(sys.executable, {})
    with folder_with(trained(program, "joblib", "demo"), "fastapi") as (folder, port):
        command = [
            program.path, "-m", "uvicorn", "fastapi_iris:app", "--app-dir", str(INSIDE), "--host", "127.0.0.1",
            "--port", str(port),
        ]  # fmt: skip
        with serving(ModelServer(command, folder, port=port, ready="/health")) as server:
            yield server
