"""Plain JSON over HTTP: the dialect of a model server that somebody wrote."""

from collections.abc import Iterable

from guard.dialects.problem import CONTENT_TYPE, problem_body
from guard.proxy.values import Answer, Form, Outcome, Problem, Spec

CLIENT_FAULTS = frozenset((400, 409, 413, 415, 422))


class Json:
    """A Dialect."""

    name = "json"
    management: Iterable[str] = ()

    def outcome(self, answer: Answer) -> Outcome:
        """By status (DESIGN §3)."""
        status = answer.status
        if 200 <= status < 300:
            return "ok"
        if status in CLIENT_FAULTS:
            return "client_fault"
        if status in (429, 503):
            return "overload"
        return "unavailable" if status in (502, 504) else "model_fault"

    def form(self, spec: Spec) -> Form | None:  # noqa: ARG002 — a Dialect
        """The body is the document."""
        return None

    def version(self, target: bytes) -> str:  # noqa: ARG002 — a Dialect
        """Nothing says it."""
        return ""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """RFC 9457."""
        return CONTENT_TYPE, problem_body(problem)
