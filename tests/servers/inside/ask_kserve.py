"""KServe's own client: `ask_kserve.py URL v1|v2 MODEL [TENSOR…]` → its answer for two flowers, as JSON.

MLServer's health has no body, as the protocol allows and this client does not: `v2-infer` does not ask for it.
"""

import asyncio
import json
import sys

from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]


async def ask(url, how, model, tensors):
    """As the client's documentation has it."""
    protocol, _, quiet = how.partition("-")
    async with InferenceRESTClient(RESTConfig(protocol=protocol, timeout=60)) as client:
        if not quiet:
            assert await client.is_model_ready(url, model)
        if protocol == "v1":
            return (await client.infer(url, {"instances": ROWS}, model_name=model))["predictions"]
        if not quiet:
            assert await client.is_server_live(url)
            assert await client.is_server_ready(url)
        inputs = [InferInput("x", [2, 4], "FP64", ROWS)]
        if tensors:
            columns = zip(tensors, zip(*ROWS, strict=True), strict=True)
            inputs = [InferInput(name, [2], "FP64", list(values)) for name, values in columns]
        return (await client.infer(url, InferRequest(model, inputs), model_name=model)).outputs[0].data


url, how, model, *tensors = sys.argv[1:]
print(json.dumps(asyncio.run(ask(url, how, model, tensors))))
