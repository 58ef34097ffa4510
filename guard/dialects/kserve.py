"""KServe's V1 protocol: `POST /v1/models/{model}:predict`, instances in, predictions out, no word of a version.

Source: kserve python/kserve/kserve/protocol. Errors are `{"error": text}`; what its predictor raises is a 500.
"""

from collections.abc import Iterable
from typing import Final

from guard.dialects.layout import JsonForm, Members, error_member
from guard.proxy.values import Answer, Form, Outcome, Problem, Spec

MEMBERS: Final = Members({"instances": "rows", "inputs": "rows"}, frozenset(("parameters",)))


class KServe:
    """A Dialect."""

    name = "kserve-v1"
    management: Iterable[str] = ("/v2/repository/*",)

    def outcome(self, answer: Answer) -> Outcome:
        """503 is a model that is not loaded; 501 is asked of the wrong server."""
        status = answer.status
        if 200 <= status < 300:
            return "ok"
        if status in (429, 503):
            return "overload"
        if status in (400, 413, 415, 422):
            return "client_fault"
        return "unavailable" if status in (404, 501, 502, 504) else "model_fault"

    def form(self, spec: Spec) -> Form:
        """Instances are rows."""
        return JsonForm(spec, MEMBERS)

    def version(self, target: bytes) -> str:
        """V1 has none."""
        del target
        return ""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """`{"error": text}`."""
        return error_member(problem)
