"""KServe 0.21's own server in Python, both protocols: V1 at /v1/models/iris:predict, V2 at /v2/models/iris/infer."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import install
from tests.servers.model_server import INSIDE, ModelServer, folder_with, serving, trained
from tests.servers.process import found


@contextmanager
def kserve() -> Iterator[ModelServer]:
    """The iris model, of rows of four numbers."""
    program = found(install.kserve)
    with folder_with(trained(program, "joblib", "kserve"), "kserve") as (folder, port):
        command = [
            program.path, str(INSIDE / "kserve_iris.py"), "--http_port", str(port), "--enable_grpc", "False",
        ]  # fmt: skip
        with serving(ModelServer(command, folder, port=port, ready="/v1/models/iris", environ=program.environ)) as server:
            yield server
