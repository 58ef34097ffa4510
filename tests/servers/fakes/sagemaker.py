"""A SageMaker container, from AWS's "Use your own inference code with hosting services", and its XGBoost container.

POST /invocations with text/csv without a header, or `{"instances": [{"features": [...]}]}`; GET /ping is an empty 200. The
platform strips headers and adds its own; answers are CSV lines for CSV, JSON for JSON.
"""

from flowers import species
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route


async def invocations(request):
    """A line, or an instance, is a row of four numbers."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    try:
        if kind == "text/csv":
            lines = (await request.body()).decode().splitlines()
            found = species([[float(cell) for cell in line.split(",")] for line in lines if line])
            return PlainTextResponse("".join(f"{item}\n" for item in found), media_type="text/csv")
        if kind == "application/json":
            instances = (await request.json())["instances"]
            found = species([instance["features"] for instance in instances])
            return JSONResponse({"predictions": [{"predicted_label": item} for item in found]})
    except RuntimeError as error:
        return PlainTextResponse(str(error), 500)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return PlainTextResponse(f"Unable to evaluate payload provided: {error!r}", 400)
    return PlainTextResponse(f"Content type {kind} is not supported.", 415)


async def ping(_request):
    """Health: 200 and nothing, within 2 s."""
    return Response()


app = Starlette(routes=[Route("/invocations", invocations, methods=["POST"]), Route("/ping", ping)])
