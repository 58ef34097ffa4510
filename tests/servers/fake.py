"""Servers that cannot be installed here, faked from their specifications: one file each in `fakes`, on uvicorn."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.model_server import ModelServer, serving
from tests.sidecar import free_port

FAKES = Path(__file__).resolve().parent / "fakes"
READY = {
    "triton": "/v2/health/ready",
    "tfserving": "/v1/models/iris",
    "vertex": "/v1/endpoints/1/deployedModels/2",
    "sagemaker": "/ping",
    "openai": "/health",
}


@contextmanager
def fake(name: str) -> Iterator[ModelServer]:
    """One of READY, as a process of its own."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        port = free_port()
        command = [
            sys.executable, "-m", "uvicorn", f"{name}:app", "--app-dir", str(FAKES), "--host", "127.0.0.1", "--port",
            str(port),
        ]  # fmt: skip
        with serving(ModelServer(command, Path(folder), port=port, ready=READY[name])) as server:
            yield server
