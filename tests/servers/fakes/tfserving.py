"""TensorFlow Serving's REST API, from serving/g3doc/api_rest.md and util/json_tensor.cc.

Model `iris` version 7: four DT_FLOAT inputs by name, one DT_STRING output. What is held to: exactly one of instances and
inputs; row form in, `predictions`; column form in, `outputs`; a single output goes without its name; NaN tokens are
JSON here; the status page is the only one that names a version; errors are `{"error": text}`. What a graph raises is
INVALID_ARGUMENT as often as not, so 400; an internal error is 500.
"""

import json

from flowers import species
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def failed(text, status=400):
    """An error as the server says it."""
    return JSONResponse({"error": text}, status)


def rows_of(tree):
    """Rows of four, and whether columns were sent. ValueError with the server's words."""
    if ("instances" in tree) == ("inputs" in tree):
        known = "Request JSON object must have one of the keys: 'inputs' 'instances'"
        raise ValueError(f"JSON Value: {json.dumps(tree)} {known}" if "inputs" not in tree else "Not formatted correctly")
    if "inputs" in tree:
        missing = [name for name in NAMES if name not in tree["inputs"]]
        if missing:
            raise ValueError(f"Missing named input: {missing[0]} in 'inputs' object.")
        return [list(row) for row in zip(*(tree["inputs"][name] for name in NAMES), strict=True)], True
    for index, row in enumerate(tree["instances"]):
        extra = [name for name in row if name not in NAMES]
        if extra:
            said = f"Failed to process element: {index} key: {extra[0]} of 'instances' list."
            raise ValueError(f"{said} Error: INVALID_ARGUMENT: JSON object: does not have named input: {extra[0]}")
        if len(row) < len(NAMES):
            raise ValueError("Failed to process element: missing inputs in 'instances' list")
    return [[row[name] for name in NAMES] for row in tree["instances"]], False


async def predict(request):
    """POST …:predict."""
    try:
        tree = json.loads(await request.body())  # Python's reader takes NaN, as rapidjson does with kParseNanAndInfFlag
    except ValueError:
        return failed("JSON Parse error: Invalid value. at offset: 0")
    try:
        rows, columns = rows_of(tree)
        found = species(rows)
    except RuntimeError as error:
        return failed(f"{error}\n\t [[{{{{node Scale}}}}]]", 500)
    except (ValueError, TypeError) as error:
        return failed(str(error))
    body = json.dumps({"outputs" if columns else "predictions": found}, indent=4)
    return Response(body, media_type="application/json")


async def status(_request):
    """GET /v1/models/iris."""
    fine = {"error_code": "OK", "error_message": ""}
    return JSONResponse({"model_version_status": [{"version": "7", "state": "AVAILABLE", "status": fine}]})


async def metadata(_request):
    """GET /v1/models/iris/metadata; sizes are strings."""
    tensor = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}}
    inputs = {name: {**tensor, "name": f"serving_default_{name}:0"} for name in NAMES}
    outputs = {"species": {**tensor, "dtype": "DT_STRING", "name": "StatefulPartitionedCall:0"}}
    signature = {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}
    return JSONResponse({
        "model_spec": {"name": "iris", "signature_name": "", "version": "7"},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    })  # fmt: skip


app = Starlette(routes=[
    Route("/v1/models/iris:predict", predict, methods=["POST"]),
    Route("/v1/models/iris/versions/7:predict", predict, methods=["POST"]),
    Route("/v1/models/iris", status), Route("/v1/models/iris/metadata", metadata),
])  # fmt: skip
