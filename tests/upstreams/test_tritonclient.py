"""tritonclient, unmodified, through guard: binary tensors, which it sends by default, JSON, and both codings.

Before a Triton from its documents, and before KServe's own server, which speaks the same binary extension.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from tests.servers.model_server import ModelServer
from tests.upstreams.front import fronted

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]], np.float32)
SPECIES = ["setosa", "virginica"]
INFER = """
dialect: oip
rows: /{tensor}
columns: [shelf, sepal_length, sepal_width, petal_length, petal_width]
input:
  shelf: {{type: number, min: 0, max: 9, send: false}}
  sepal_length: {{type: number, min: 0, max: 100}}
  sepal_width: {{type: number, min: 0, max: 100}}
  petal_length: {{type: number, min: 0, max: 100}}
  petal_width: {{type: number, min: 0, max: 100}}
output:
  {output}: {{enum: [setosa, versicolor, virginica]}}
fallback: {{{output}: versicolor}}
"""
BREAKER = "{minimum_calls: 1000, consecutive_failures: 1000}"
OF = {"triton": ("features", "species", "FP32"), "kserve": ("x", "output-0", "FP64")}


class Scene:
    """A server, and a client of guard before it."""

    def __init__(self, name: str, client: triton.InferenceServerClient) -> None:
        self.name, self.client = name, client
        self.tensor, self.output, self.datatype = OF[name]

    def input(self, rows: Any, *, binary: bool = True, shelf: float = 3) -> triton.InferInput:
        """Five columns, of which the first is not sent on."""
        data = np.hstack([np.full((len(rows), 1), shelf), rows]).astype(
            np.float32 if self.datatype == "FP32" else np.float64
        )
        tensor = triton.InferInput(self.tensor, list(data.shape), self.datatype)
        tensor.set_data_from_numpy(data, binary_data=binary)
        return tensor

    def infer(self, *inputs: triton.InferInput, **options: Any) -> triton.InferResult:
        return self.client.infer("iris", list(inputs), **options)

    def species(self, result: triton.InferResult) -> list[str]:
        found = result.as_numpy(self.output)
        assert found is not None
        return [item.decode() if isinstance(item, bytes) else str(item) for item in found.ravel()]


@pytest.fixture(scope="module", params=OF)
def scene(request: pytest.FixtureRequest, servers: Callable[[str], ModelServer]) -> Iterator[Scene]:
    tensor, output, _ = OF[request.param]
    infer = INFER.format(tensor=tensor, output=output)
    routes = {
        "POST /v2/models/iris/infer": infer,
        "POST /v2/models/iris/versions/2/infer": infer,
        "GET /v2/*": "",
        "POST /v2/*": "",
    }
    with fronted(servers(request.param), routes, breaker=BREAKER) as guard:
        client = triton.InferenceServerClient(f"127.0.0.1:{guard.port}")
        yield Scene(request.param, client)
        client.close()


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_tensors_in_binary_and_json(scene: Scene, binary_in: bool, binary_out: bool) -> None:
    outputs = [triton.InferRequestedOutput(scene.output, binary_data=binary_out)]
    result = scene.infer(scene.input(ROWS, binary=binary_in), outputs=outputs, request_id="7")
    assert scene.species(result) == SPECIES
    answer = result.get_response()
    assert answer["id"] == "7"
    [output] = answer["outputs"]
    assert ("data" in output) is not binary_out


def test_everything_by_default(scene: Scene) -> None:
    assert scene.species(scene.infer(scene.input(ROWS))) == SPECIES


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_coded_bodies(scene: Scene, coding: str, binary: bool) -> None:
    """Guard undoes the coding, so that also a server that knows none is asked in plain words (KServe knows none)."""
    result = scene.infer(
        scene.input(ROWS, binary=binary), request_compression_algorithm=coding, response_compression_algorithm=coding
    )
    assert scene.species(result) == SPECIES


def test_ten_thousand_rows(scene: Scene) -> None:
    assert scene.species(scene.infer(scene.input(np.tile(ROWS, (5_000, 1))))) == SPECIES * 5_000


def test_a_version_in_the_target(scene: Scene) -> None:
    if scene.name == "kserve":  # 501: "Model versioning not supported yet."
        assert scene.species(scene.infer(scene.input(ROWS), model_version="2")) == ["versicolor"] * 2
    else:
        result = scene.infer(scene.input(ROWS), model_version="2")
        assert scene.species(result) == SPECIES
        assert result.get_response()["model_version"] == "2"


@pytest.mark.parametrize("binary", [True, False])
def test_a_request_that_breaks_the_contract(scene: Scene, binary: bool) -> None:
    with pytest.raises(InferenceServerException) as raised:
        scene.infer(scene.input(ROWS - 10, binary=binary))
    assert raised.value.status() == "422"
    assert raised.value.message().startswith("guard: The request breaks the contract (/inputs/0")
    with pytest.raises(InferenceServerException, match="/inputs/0"):
        scene.infer(scene.input(ROWS, binary=binary, shelf=10))


def test_a_tensor_of_another_shape(scene: Scene) -> None:
    tensor = triton.InferInput(scene.tensor, [2, 4], scene.datatype)
    tensor.set_data_from_numpy(ROWS.astype(np.float32 if scene.datatype == "FP32" else np.float64))
    with pytest.raises(InferenceServerException, match=r"\(/inputs/0/shape shape\)"):
        scene.infer(tensor)


@pytest.mark.parametrize("binary", [True, False])
def test_a_model_that_fails_is_answered_for(scene: Scene, binary: bool) -> None:
    rows = ROWS.astype(np.float64).copy()
    rows[0, 0] = 7.77
    result = scene.infer(scene.input(rows, binary=binary), request_id="7")
    assert scene.species(result) == ["versicolor", "versicolor"]
    assert result.get_response()["id"] == "7"


def test_shared_memory_is_denied(scene: Scene) -> None:
    tensor = triton.InferInput(scene.tensor, [2, 5], scene.datatype)
    tensor.set_shared_memory("region", 40)
    with pytest.raises(InferenceServerException) as raised:
        scene.infer(tensor)
    assert raised.value.status() == "422"
    assert "/inputs/0/parameters/shared_memory_region unknown" in raised.value.message()
    with pytest.raises(InferenceServerException) as registered:
        scene.client.register_system_shared_memory("region", "/region", 40)
    assert registered.value.status() == "404"


def test_what_only_operators_use_is_not_there(scene: Scene) -> None:
    with pytest.raises(InferenceServerException) as raised:
        scene.client.unload_model("iris")
    assert raised.value.status() == "404"
    assert scene.client.is_model_ready("iris")


def test_what_servers_say_of_themselves_passes(scene: Scene) -> None:
    assert scene.client.is_server_live()
    assert scene.client.is_server_ready()
    assert scene.client.get_model_metadata("iris")["name"] == "iris"
