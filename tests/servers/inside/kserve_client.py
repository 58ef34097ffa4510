"""KServe's own REST client, as a user has it: `kserve_client.py URL`; prints what it got, as JSON."""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]


async def refused(call):
    """What an answer that is no 2xx becomes in the client."""
    try:
        return await call
    except httpx.HTTPStatusError as error:
        return {"status": error.response.status_code, "message": str(error), "body": error.response.text}


def tensors(rows, *, binary):
    """A request of the second protocol."""
    tensor = InferInput("x", [len(rows), 4], "FP64")
    tensor.set_data_from_numpy(np.array(rows), binary_data=binary)
    outputs = [RequestedOutput("output-0", {"binary_data": binary})]
    return InferRequest("iris", [tensor], request_id="7", request_outputs=outputs)


async def main(url):
    """Both protocols."""
    one = InferenceRESTClient(RESTConfig(protocol="v1"))
    two = InferenceRESTClient(RESTConfig(protocol="v2"))
    by_name = {
        "ready": [await one.is_model_ready(url, "iris"), await two.is_model_ready(url, "iris")],
        "live": await two.is_server_live(url),
        "v1": await refused(one.infer(url, {"instances": ROWS}, "iris")),
        "v1-below": await refused(one.infer(url, {"instances": [[-1.0, 1, 1, 1]]}, "iris")),
        "v1-fault": await refused(one.infer(url, {"instances": [[7.77, 1, 1, 1]]}, "iris")),
        "v2-below": await refused(two.infer(url, tensors([[-1.0, 1, 1, 1]], binary=False), "iris")),
    }
    for name, rows in (("v2", ROWS), ("v2-fault", [[7.77, 1, 1, 1]])):
        for binary in (False, True):
            key = f"{name}-binary" if binary else name
            by_name[key] = answer = await refused(two.infer(url, tensors(rows, binary=binary), "iris"))
            if not isinstance(answer, dict):
                species = [
                    item.decode() if isinstance(item, bytes) else item for item in answer.outputs[0].as_numpy().ravel()
                ]
                by_name[key] = [answer.id, species]
    await one.close()
    await two.close()
    print(json.dumps(by_name, default=str))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
