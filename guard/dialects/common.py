"""Defaults of a dialect; each dialect overrides what differs."""

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
    """A Dialect that follows plain HTTP: statuses, RFC 9457 errors, a body that is the document, no model version."""

    name: str
    management: Iterable[str] = ()
    tensors = deployed = streams = counts_tokens = False
    request_layout = RequestLayout()

    faults: Mapping[int, Fault] = STATUSES
    hides_errors = False
    """Whether an answer with status 2xx may be an error: an object with `error`."""

    @property
    def plain(self) -> bool:
        """Whether the dialect has no codec of its own."""
        return type(self).codec is Common.codec

    def errs(self, answer: Answer) -> bool:
        """Whether an answer is an error: by status, and by the first bytes of its body if `hides_errors`."""
        if not 200 <= answer.status < 300:
            return True
        return self.hides_errors and answer.complete and hidden_error(answer.body)

    def outcome(self, answer: Answer, request: ForwardedRequest) -> Outcome:
        """The party at fault for an error: by status, for a 2xx by body (docs/dialects.md#whose-fault-an-error-is)."""
        if 200 <= answer.status < 300:
            return self.hidden_outcome(answer.body, request)
        return judge(self.faults, answer.status, request)

    def hidden_outcome(self, body: bytes, request: ForwardedRequest) -> Outcome:
        """The party at fault for an error with status 2xx or in an event of a stream: the model, as with status 500."""
        del body, request
        return "model_fault"

    def error_status(self, answer: Answer) -> int:
        """The status that an error means: its own, or 400 if it came with a 2xx."""
        return answer.status if answer.status >= 300 else 400

    def error_word(self, answer: Answer) -> tuple[ErrorWord, int]:
        """The word of an error and the limit in it, by phrases that servers of all dialects share."""
        return error_word(answer.body)

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """The body of an error and its content type: problem details (RFC 9457)."""
        return CONTENT_TYPE, problem_body(problem)

    def codec(self, spec: CodecSpec) -> RouteCodec | None:
        """No codec: the body is the document."""
        del spec
        return None

    def place(self, name: str, outputs: Collection[str], *, rows: bool) -> str:
        """The JSON pointer of an output without `at`: its name."""
        del outputs
        return f"/predictions/*/{name}" if rows else f"/{name}"

    def version(self, template: str) -> str:
        """No version: the path names none."""
        del template
        return ""

    def status(self, template: str) -> str:
        """No path: the server has no status page."""
        del template
        return ""

    def served(self, page: Any) -> str:
        """No version: the server has no status page."""
        del page
        return ""

    def listed(self, page: Any) -> list[str]:
        """No names: the server lists none."""
        del page
        return []


class Instances(Common):
    """A Dialect whose bodies hold `instances` and `predictions`."""

    def place(self, name: str, outputs: Collection[str], *, rows: bool) -> str:
        """The JSON pointer of an output: each prediction if it is the only output, else the prediction's member."""
        del rows
        return "/predictions/*" if len(outputs) == 1 else f"/predictions/*/{name}"
