"""A Vertex AI custom container, from Google's "Custom container requirements for inference".

`{"instances": [...], "parameters": {...}}` in, `{"predictions": [...]}` out, at the routes that AIP_PREDICT_ROUTE and
AIP_HEALTH_ROUTE would name by default; health is any 200. What a container says of errors is its own affair: this one
says what Google's APIs say.
"""

from flowers import species
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
BASE = "/v1/endpoints/1/deployedModels/2"


def failed(status, word, text):
    """google.rpc.Status."""
    return JSONResponse({"error": {"code": status, "message": text, "status": word}}, status)


async def predict(request):
    """Rows by name, or by position."""
    try:
        instances = (await request.json())["instances"]
        rows = [[row[name] for name in NAMES] if isinstance(row, dict) else row for row in instances]
        return JSONResponse({"predictions": [{"species": specy} for specy in species(rows)]})
    except RuntimeError as error:
        return failed(500, "INTERNAL", str(error))
    except (KeyError, TypeError, ValueError) as error:
        return failed(400, "INVALID_ARGUMENT", f"cannot read the instances: {error!r}")


async def health(_request):
    """A 200."""
    return Response()


app = Starlette(routes=[Route(f"{BASE}:predict", predict, methods=["POST"]), Route(BASE, health)])
