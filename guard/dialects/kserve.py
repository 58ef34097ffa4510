"""KServe's V1 protocol: `POST /v1/models/{model}:predict`, instances in, predictions out, no version.

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
    """The Dialect of KServe V1. 503: the model is not loaded; 404 and 501: the server lacks the named model or path."""

    name = "kserve-v1"
    request_layout = RequestLayout(
        "instances", beside=MEMBERS.envelope, notes=("`inputs` may stand in place of `instances`.",)
    )
    management = ("/v2/repository/*",)
    hides_errors = True

    def codec(self, spec: CodecSpec) -> RouteCodec:
        """The codec of bodies whose instances are rows."""
        return JsonForm(spec, MEMBERS)

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """The body of an error, `{"error": text}`, and its content type."""
        return error_member(problem)
