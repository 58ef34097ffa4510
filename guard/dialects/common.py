"""What most dialects say; a dialect overrides what is different with it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from guard.dialects.error_words import error_word, hidden_error
from guard.dialects.faults import STATUSES, judge
from guard.dialects.problem import CONTENT_TYPE, problem_body
from guard.proxy.values import (
    Answer,
    CodecSpec,
    ErrorWord,
    Fault,
    ForwardedRequest,
    Outcome,
    Problem,
    RequestLayout,
    RouteCodec,
)


class Common:
    """A Dialect by HTTP's own words: statuses, RFC 9457, a body that is the document, no word of a version."""

    name: str
    management: Iterable[str] = ()
    tensors = deployed = streams = False
    request_layout = RequestLayout()

    faults: Mapping[int, Fault] = STATUSES
    hides_errors = False
    """Whether an error may stand in a 2xx, as an object with `error`."""

    @property
    def plain(self) -> bool:
        """Where it has no form of its own."""
        return type(self).codec is Common.codec

    def errs(self, answer: Answer) -> bool:
        """By its status, and where its servers hide errors by the first bytes of its body."""
        if not 200 <= answer.status < 300:
            return True
        return self.hides_errors and answer.complete and hidden_error(answer.body)

    def outcome(self, answer: Answer, request: ForwardedRequest) -> Outcome:
        """By status, and by its words where the status does not tell (docs/dialects.md#whose-fault-an-error-is)."""
        if 200 <= answer.status < 300:
            return self.hidden_outcome(answer.body, request)
        return judge(self.faults, answer.status, request)

    def hidden_outcome(self, body: bytes, request: ForwardedRequest) -> Outcome:
        """Whose doing an error is that came with a 2xx, or as an event of a stream: as one with status 500."""
        del body, request
        return "model_fault"

    def error_status(self, answer: Answer) -> int:
        """The status that an error means: its own; 400 where it came with a 2xx and does not say."""
        return answer.status if answer.status >= 300 else 400

    def error_word(self, answer: Answer) -> tuple[ErrorWord, int]:
        """By the words that servers of all dialects share."""
        return error_word(answer.body)

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """RFC 9457."""
        return CONTENT_TYPE, problem_body(problem)

    def codec(self, spec: CodecSpec) -> RouteCodec | None:
        """The body is the document."""
        del spec
        return None

    def place(self, name: str, outputs: Collection[str], *, rows: bool) -> str:
        """Under its name."""
        del outputs
        return f"/predictions/*/{name}" if rows else f"/{name}"

    def version(self, template: str) -> str:
        """Nothing says it."""
        del template
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
