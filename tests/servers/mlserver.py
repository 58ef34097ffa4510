"""MLServer 1.7 with its sklearn runtime: the Open Inference Protocol over HTTP, one worker process, as it is by default.

Its worker needs uvloop below 0.22: MLServer 1.7.1 asks for the current event loop where there is none, dies, and starts
again for ever, with its port open and no model.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import install
from tests.servers.model_server import INSIDE, ModelServer, folder_with, serving, trained
from tests.servers.process import found
from tests.sidecar import free_port

FEATURES = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")


@contextmanager
def mlserver() -> Iterator[ModelServer]:
    """Two models: `iris` v3 declares its columns and takes them one by one; `plain` declares nothing and takes a matrix."""
    program = found(install.mlserver)
    with folder_with(trained(program, "joblib", "mlserver"), "mlserver") as (folder, port):
        columns = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in FEATURES]
        model = str(folder / "model.joblib")
        _settings(folder / "iris", {
            "platform": "sklearn", "inputs": columns, "outputs": [{"name": "predict", "datatype": "BYTES", "shape": [-1]}],
            "parameters": {"uri": model, "version": "v3", "content_type": "pd"},
        })  # fmt: skip
        _settings(folder / "plain", {"parameters": {"uri": model}})
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        (folder / "settings.json").write_text(json.dumps({**settings, "debug": False}))
        command = [program.path, "-c", "from mlserver.cli import main; main()", "start", "."]
        environ = {**program.environ, "PYTHONPATH": str(INSIDE)}
        with serving(ModelServer(command, folder, port=port, ready="/v2/health/ready", environ=environ)) as server:
            yield server


def _settings(folder: Path, settings: dict[str, object]) -> None:
    folder.mkdir()
    settings = {"name": folder.name, "implementation": "mlserver_sklearn.SKLearnModel", **settings}
    (folder / "model-settings.json").write_text(json.dumps(settings))
