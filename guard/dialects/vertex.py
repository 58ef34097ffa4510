"""Vertex AI's custom containers, whose bodies hold instances, parameters and predictions.

Source: Vertex AI, custom container requirements. No answer names a version; the platform names the deployed model in the
environment (AIP_DEPLOYED_MODEL_ID).
"""

from typing import Final

import orjson

from guard.dialects.common import Instances
from guard.dialects.layout import JsonForm, Members, one_line
from guard.proxy.values import CodecSpec, Problem, RequestLayout, RouteCodec

MEMBERS: Final = Members({"instances": "rows"}, frozenset(("parameters",)))
WORDS: Final = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED",
                503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}  # fmt: skip
"""The google.rpc.Code of each status, as Google's clients print it."""


class Vertex(Instances):
    """The Dialect of Vertex AI. The container is a custom program, so its status alone determines the outcome."""

    name = "vertex"
    request_layout = RequestLayout("instances", beside=MEMBERS.envelope, notes=("`parameters` reach the model.",))
    deployed = True

    def codec(self, spec: CodecSpec) -> RouteCodec:
        """The codec of bodies whose instances are rows."""
        return JsonForm(spec, MEMBERS)

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """The body of an error, a google.rpc.Status in JSON, and its content type."""
        error = {
            "code": problem.status,
            "message": f"guard: {one_line(problem)}",
            "status": WORDS.get(problem.status, "INTERNAL" if problem.status >= 500 else "FAILED_PRECONDITION"),
            "details": [
                {
                    "@type": "urn:guard:error",
                    "code": problem.code,
                    **({"reason": problem.word} if problem.word else {}),
                    "request_id": problem.request_id,
                    "violations": [
                        {"pointer": violation.pointer, "code": violation.code} for violation in problem.violations
                    ],
                }
            ],
        }
        return b"application/json", orjson.dumps({"error": error})
