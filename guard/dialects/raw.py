"""What a passthrough route speaks: nothing that guard understands."""

from collections.abc import Iterable

from guard.dialects.problem import CONTENT_TYPE, problem_body
from guard.proxy.values import Answer, Form, Outcome, Problem, Spec


class Raw:
    """A Dialect: whatever the server answers is the answer."""

    name = "raw"
    management: Iterable[str] = ()

    def outcome(self, answer: Answer) -> Outcome:  # noqa: ARG002 — a Dialect
        """Any final status is passed on."""
        return "ok"

    def form(self, spec: Spec) -> Form | None:  # noqa: ARG002 — a Dialect
        """The body is the document."""
        return None

    def version(self, target: bytes) -> str:  # noqa: ARG002 — a Dialect
        """Nothing says it."""
        return ""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """RFC 9457."""
        return CONTENT_TYPE, problem_body(problem)
