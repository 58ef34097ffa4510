"""Triton's HTTP front, from its documents: server/docs/protocol (binary tensor data, generate), core/src/infer_request.cc.

Model `iris` version 2: `features` FP32 [-1,4] in; `species` BYTES [-1,1] and `share` FP32 [-1] out. What is held to:
- Inference-Header-Content-Length divides the JSON from raw tensors, in requests and answers; 0: no JSON at all.
- Outputs are binary where the request, or the output, asks for it (binary_data_output, binary_data), else flat JSON.
- Content-Encoding gzip and deflate are undone, and the length above is that of the JSON before coding; answers are coded
  where Accept-Encoding asks for it.
- Health answers are empty. Errors are `{"error": text}`: 400 but for INTERNAL 500, NOT_FOUND 404, UNAVAILABLE 503.
- The id is echoed; the version is always named.
"""

import gzip
import json
import struct
import zlib

from flowers import species
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


class Wrong(Exception):
    """INVALID_ARG."""


def unpacked(entry, raw):
    """Rows of four, as infer_request.cc checks them."""
    shape = entry["shape"]
    if entry["datatype"] != "FP32":
        raise Wrong(f"inference input data-type is '{entry['datatype']}', model expects 'FP32' for 'iris'")
    if len(shape) != 2 or shape[1] != 4:
        got = ",".join(map(str, shape))
        raise Wrong(f"unexpected shape for input 'features' for model 'iris'. Expected [-1,4], got [{got}]")
    count = shape[0] * shape[1]
    size = entry.get("parameters", {}).get("binary_data_size")
    if size is not None:
        if size != 4 * count:
            raise Wrong(f"unexpected total byte size {size} for input 'features', expecting {4 * count}")
        flat = [item for (item,) in struct.iter_unpack("<f", raw[:size])]
    else:
        flat = entry["data"]
        while flat and isinstance(flat[0], list):
            flat = [item for row in flat for item in row]
        if len(flat) != count:
            raise Wrong(f"Unable to parse 'data': Shape does not match true shape of 'data' field, {len(flat)}")
    return [[round(character, 4) for character in flat[at : at + 4]] for at in range(0, count, 4)]


def packed(name, values, binary):
    """An output, and its raw part."""
    text = name == "species"
    entry = {"name": name, "datatype": "BYTES" if text else "FP32", "shape": [len(values), 1] if text else [len(values)]}
    if not binary:
        return {**entry, "data": values}, b""
    raw = b"".join(struct.pack("<I", len(value)) + value.encode() if text else struct.pack("<f", value) for value in values)
    return {**entry, "parameters": {"binary_data_size": len(raw)}}, raw


def read(request, body):
    """The request's JSON and what follows it."""
    match request.headers.get("content-encoding", ""):
        case "gzip":
            body = gzip.decompress(body)
        case "deflate":
            body = zlib.decompress(body)
    length = request.headers.get("inference-header-content-length")
    if length == "0":
        tensor = {"name": "features", "datatype": "FP32", "shape": [len(body) // 16, 4]}
        tensor["parameters"] = {"binary_data_size": len(body)}
        return {"inputs": [tensor], "parameters": {"binary_data_output": True}}, body
    end = len(body) if length is None else int(length)
    try:
        return json.loads(body[:end]), body[end:]
    except ValueError as error:
        raise Wrong("failed to parse the request JSON buffer: Invalid value. at 0") from error


def answered(tree, raw):
    """The answer's JSON and raw parts."""
    for member in (tree, *tree.get("inputs", ()), *tree.get("outputs", ())):
        if not isinstance(member.get("parameters", {}), dict):
            raise Wrong("Unable to parse 'parameters': attempt to access JSON non-object as object")
    names = [field["name"] for field in tree.get("inputs", ())]
    if names != ["features"]:
        unknown = [name for name in names if name != "features"]
        if unknown:
            raise Wrong(f"unexpected inference input '{unknown[0]}' for model 'iris'")
        raise Wrong(f"expected 1 inputs but got {len(names)} inputs for model 'iris'")
    found = species(unpacked(tree["inputs"][0], raw))
    everything = tree.get("parameters", {}).get("binary_data_output", False)
    wanted = tree.get("outputs") or [{"name": "species"}, {"name": "share"}]
    outputs, parts = [], []
    for output in wanted:
        if output["name"] not in ("species", "share"):
            raise Wrong(f"unexpected inference output '{output['name']}' for model 'iris'")
        values = found if output["name"] == "species" else [0.75] * len(found)
        entry, part = packed(output["name"], values, output.get("parameters", {}).get("binary_data", everything))
        outputs.append(entry)
        parts.append(part)
    answer = {"model_name": "iris", "model_version": "2", "outputs": outputs}
    return ({"id": tree["id"], **answer} if "id" in tree else answer), b"".join(parts)


def failed(text, status=400):
    """An error as the front says it."""
    return JSONResponse({"error": text}, status)


async def infer(request):
    """POST …/infer."""
    if request.path_params["model"] != "iris":
        return failed(f"Request for unknown model: '{request.path_params['model']}' is not found", 404)
    body = await request.body()
    try:
        tree, raw = read(request, body)
        answer, parts = answered(tree, raw)
    except Wrong as error:
        return failed(f"[request id: <id_unknown>] {error}")
    except RuntimeError as error:
        return failed(f"Failed to process the request(s) for model 'iris_0', message: RuntimeError: {error}", 500)
    text = json.dumps(answer).encode()
    headers, body = {"content-type": "application/json"}, text
    if parts:
        body = text + parts
        headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(text))}
    match request.headers.get("accept-encoding", ""):
        case "gzip":
            body, headers["content-encoding"] = gzip.compress(body), "gzip"
        case "deflate":
            body, headers["content-encoding"] = zlib.compress(body), "deflate"
    return Response(body, headers=headers)


async def generate(request):
    """POST …/generate and …/generate_stream: text in, text out; `boom` is an error inside a 200."""
    tree = await request.json()
    base = {"model_name": "iris", "model_version": "2"}
    words = str(tree["text_input"]).split()
    if request.url.path.endswith("/generate"):
        return JSONResponse({**base, "text_output": " ".join(words)})

    async def events():
        for word in words:
            by_name = {"error": "the decoder broke"} if word == "boom" else {**base, "text_output": word}
            yield f"data: {json.dumps(by_name)}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


async def health(_request):
    """An empty 200."""
    return Response()


async def metadata(_request):
    """GET /v2/models/iris."""
    return JSONResponse({
        "name": "iris", "versions": ["2"], "platform": "onnxruntime_onnx",
        "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "species", "datatype": "BYTES", "shape": [-1, 1]},
                    {"name": "share", "datatype": "FP32", "shape": [-1]}],
    })  # fmt: skip


async def operate(_request):
    """What only operators use, and no client may reach."""
    return JSONResponse({})


app = Starlette(routes=[
    Route("/v2/health/live", health), Route("/v2/health/ready", health),
    Route("/v2/models/{model}/ready", health), Route("/v2/models/{model}/versions/{version}/ready", health),
    Route("/v2/models/{model}", metadata), Route("/v2/models/{model}/versions/{version}", metadata),
    Route("/v2/models/{model}/infer", infer, methods=["POST"]),
    Route("/v2/models/{model}/versions/{version}/infer", infer, methods=["POST"]),
    Route("/v2/models/{model}/generate", generate, methods=["POST"]),
    Route("/v2/models/{model}/generate_stream", generate, methods=["POST"]),
    Route("/v2/repository/models/{model}/unload", operate, methods=["POST"]),
    Route("/v2/systemsharedmemory/region/{region}/register", operate, methods=["POST"]),
])  # fmt: skip
