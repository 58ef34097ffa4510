"""KServe's V1 protocol: `POST /v1/models/{model}:predict`, instances in, predictions out, no word of a version.

Source: kserve python/kserve/kserve/protocol, and KServe 0.21 as it ran. Errors are `{"error": text}`; what its predictor
raises is a 500, and so is much that a client sent wrong: a body without instances, another Content-Type than JSON, a row of
another length, an instance that is an object of scalars (its own helper wants lists in it, or positional rows). A contract
that denies these keeps a client from opening the breaker.
"""

from typing import Final

from guard.dialects.common import Instances
from guard.dialects.layout import JsonForm, Members, error_member
from guard.proxy.values import CodecSpec, Problem, RequestLayout, RouteCodec

MEMBERS: Final = Members({"instances": "rows", "inputs": "rows"}, frozenset(("parameters",)))


class KServe(Instances):
    """A Dialect. 503 is a model that is not loaded; 404 and 501 are of a server that does not have what was named."""

    name = "kserve-v1"
    request_layout = RequestLayout(
        "instances", beside=MEMBERS.envelope, notes=("`inputs` may stand in place of `instances`.",)
    )
    management = ("/v2/repository/*",)
    hides_errors = True

    def codec(self, spec: CodecSpec) -> RouteCodec:
        """Instances are rows."""
        return JsonForm(spec, MEMBERS)

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """`{"error": text}`."""
        return error_member(problem)
