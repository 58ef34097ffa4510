"""Vertex AI's custom containers, and the family that says instances, parameters and predictions.

Source: Vertex AI, custom container requirements. The platform names the deployed model in the environment.
"""

from collections.abc import Iterable
from typing import Final

import orjson

from guard.dialects.layout import JsonForm, Members, told
from guard.proxy.values import Answer, Form, Outcome, Problem, Spec

MEMBERS: Final = Members({"instances": "rows"}, frozenset(("parameters",)))
WORDS: Final = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED",
                503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}  # fmt: skip
"""google.rpc.Code of a status, as Google's clients print it."""


class Vertex:
    """A Dialect."""

    name = "vertex"
    management: Iterable[str] = ()

    def outcome(self, answer: Answer) -> Outcome:
        """By status; the container is somebody's own program."""
        status = answer.status
        if 200 <= status < 300:
            return "ok"
        if status in (400, 409, 413, 415, 422):
            return "client_fault"
        if status in (429, 503):
            return "overload"
        return "unavailable" if status in (502, 504) else "model_fault"

    def form(self, spec: Spec) -> Form:
        """Instances are rows."""
        return JsonForm(spec, MEMBERS)

    def version(self, target: bytes) -> str:
        """Only the environment names it (AIP_DEPLOYED_MODEL_ID)."""
        del target
        return ""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """google.rpc.Status, as Google's APIs write it in JSON."""
        error = {
            "code": problem.status,
            "message": f"guard: {told(problem)}",
            "status": WORDS.get(problem.status, "INTERNAL" if problem.status >= 500 else "FAILED_PRECONDITION"),
            "details": [
                {
                    "@type": "urn:guard:error",
                    "code": problem.code,
                    "request_id": problem.request_id,
                    "violations": [{"pointer": one.pointer, "code": one.code} for one in problem.violations],
                }
            ],
        }
        return b"application/json", orjson.dumps({"error": error})
