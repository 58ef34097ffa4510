"""MLflow 3.17's scoring server, by `mlflow models serve --env-manager local`: one uvicorn, a model with a signature."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import install
from tests.servers.model_server import ModelServer, folder_with, serving, trained
from tests.servers.process import found


@contextmanager
def mlflow() -> Iterator[ModelServer]:
    """The iris model; `folder / "model"` has its MLmodel file."""
    program = found(install.mlflow)
    with folder_with(trained(program, "mlflow", "mlflow"), "mlflow") as (folder, port):
        command = [
            program.path, "-m", "mlflow", "models", "serve", "--model-uri", "model", "--env-manager", "local",
            "--host", "127.0.0.1", "--port", str(port),
        ]  # fmt: skip
        with serving(ModelServer(command, folder, port=port, ready="/ping", environ=program.environ)) as server:
            yield server
