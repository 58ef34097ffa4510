"""What a passthrough route speaks: nothing that guard understands."""

from guard.dialects.problem import CONTENT_TYPE, problem_body
from guard.proxy.values import Answer, Outcome, Problem


class Raw:
    """A Dialect: whatever the server answers is the answer."""

    name = "raw"

    def outcome(self, answer: Answer) -> Outcome:  # noqa: ARG002 — a Dialect
        """Any final status is passed on."""
        return "ok"

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """RFC 9457."""
        return CONTENT_TYPE, problem_body(problem)
