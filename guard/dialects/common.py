"""What most dialects say; a dialect overrides what is different with it."""

from collections.abc import Collection, Iterable
from typing import Any

from guard.dialects.problem import CONTENT_TYPE, problem_body
from guard.proxy.values import Answer, Form, Looks, Outcome, Problem, Spec


class Common:
    """A Dialect by HTTP's own words: statuses, RFC 9457, a body that is the document, no word of a version."""

    name: str
    management: Iterable[str] = ()
    tensors = deployed = False
    looks = Looks()

    client_faults: Collection[int] = frozenset((400, 409, 413, 415, 422))
    away: Collection[int] = frozenset((502, 504))

    @property
    def plain(self) -> bool:
        """Where it has no form of its own."""
        return type(self).form is Common.form

    def outcome(self, answer: Answer) -> Outcome:
        """By status (docs/dialects.md#whose-fault-an-error-is)."""
        status = answer.status
        if 200 <= status < 300:
            return "ok"
        if status in self.client_faults:
            return "client_fault"
        if status in (429, 503):
            return "overload"
        return "unavailable" if status in self.away else "model_fault"

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """RFC 9457."""
        return CONTENT_TYPE, problem_body(problem)

    def form(self, spec: Spec) -> Form | None:
        """The body is the document."""
        del spec
        return None

    def place(self, name: str, outputs: Collection[str], *, rows: bool) -> str:
        """Under its name."""
        del outputs
        return f"/predictions/*/{name}" if rows else f"/{name}"

    def version(self, target: bytes) -> str:
        """Nothing says it."""
        del target
        return ""

    def status(self, template: str) -> str:
        """Nowhere."""
        del template
        return ""

    def served(self, page: Any) -> str:
        """None."""
        del page
        return ""


class Instances(Common):
    """A Dialect of the family that says instances and predictions."""

    def place(self, name: str, outputs: Collection[str], *, rows: bool) -> str:
        """The prediction itself, where there is one output; else the prediction's member."""
        del rows
        return "/predictions/*" if len(outputs) == 1 else f"/predictions/*/{name}"
