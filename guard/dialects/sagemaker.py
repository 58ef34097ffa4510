"""SageMaker's containers: `/invocations` with rows of CSV or JSON instances, `/ping` for health.

Source: AWS developer guide, "Use your own inference code". The container defines its JSON; guard reads the layouts of
Amazon's own algorithms: `{"instances": [{"features": […]} or rows]}`, and CSV without a header.
"""

import re
from collections.abc import Mapping
from math import inf, isnan
from typing import Any, Final

from guard.dialects.common import Instances
from guard.dialects.delimited import Lines, cells, is_csv, is_number, line
from guard.dialects.faults import STATUSES, judge
from guard.dialects.layout import JsonForm, Members
from guard.proxy.values import (
    Answer,
    CodecSpec,
    Fault,
    ForwardedRequest,
    Head,
    Headers,
    Message,
    Outcome,
    ParsedAnswer,
    RequestLayout,
    RouteCodec,
)

MOST_DIGITS: Final = 310
"""Most digits of an integer that a double may hold."""
MEMBERS: Final = Members({"instances": "rows"}, frozenset(("configuration",)))

_ERRORS: Final = {
    b"ThrottlingException": 503, b"ServiceUnavailable": 503, b"ModelNotReadyException": 503, b"InternalFailure": 500,
    b"InternalDependencyException": 530, b"AccessDeniedException": 403, b"ExpiredTokenException": 403,
    b"IncompleteSignature": 403, b"InvalidClientTokenId": 403, b"MissingAuthenticationToken": 403, b"NotAuthorized": 403,
    b"OptInRequired": 403, b"UnrecognizedClientException": 403, b"InvalidSignatureException": 403,
    b"ValidationError": 400, b"ValidationException": 400, b"ModelError": 424,
}  # fmt: skip
"""The status that means the same as an x-amzn-errortype of the InvokeEndpoint API; the platform sends 400 for most."""
_ORIGINAL: Final = re.compile(rb'"OriginalStatusCode": ?([45][0-9]{2})\b')


class SageMaker(Instances):
    """The Dialect of SageMaker. The container is a custom program; the platform wraps its errors into a ModelError.

    507: a multi-model container has no memory for another model.
    """

    name = "sagemaker"
    request_layout = RequestLayout(
        "instances",
        beside=MEMBERS.envelope,
        content=("application/json", "text/csv"),
        notes=("Also read: CSV without a line of names, its cells in the order of `columns`.",),
    )
    management = ("/models", "/models/*")
    faults: Mapping[int, Fault] = {
        **STATUSES,
        424: Fault("never", "model_fault", "ModelError: by OriginalStatusCode, the container's own status"),
        507: Fault("never", "unavailable", "a multi-model container without memory for one more"),
        530: Fault("never", "unavailable", "InternalDependencyException"),
    }

    def outcome(self, answer: Answer, request: ForwardedRequest) -> Outcome:
        """The party at fault: for the platform's own errors by name, for a ModelError by the container's status."""
        status = answer.status
        name = next((value for field, value in answer.headers if field == b"x-amzn-errortype"), b"").partition(b":")[0]
        status = _ERRORS.get(name, status)
        if status == 424 and (original := _ORIGINAL.search(answer.body[:65536])) is not None:
            status = int(original[1])
        return judge(self.faults, status, request)

    def codec(self, spec: CodecSpec) -> RouteCodec:
        """The codec of JSON instances, and of CSV without a header."""
        return _Codec(spec, MEMBERS)


class _Codec(JsonForm):
    def read(self, head: Head, body: bytes) -> Message | None:
        if is_csv(head.get(b"content-type")) and head.get(b"content-encoding") is None:
            return Lines(body, self._spec, header=False)
        return super().read(head, body)

    def read_answer(self, headers: Headers, body: bytes, without: frozenset[str] = frozenset()) -> ParsedAnswer:
        """Read an answer. Each line of CSV is a prediction; a line of several cells is a list."""
        kind = next((value for name, value in headers if name == b"content-type"), None)
        if is_csv(kind):
            rows = [[_value(item) for item in row] for row in cells(body)]
            if len(rows) == 1 and len(rows[0]) > 1 and len(self._spec.outputs) == 1:
                rows = [[row] for row in rows[0]]  # Amazon's own containers write a batch on one line
            return ParsedAnswer({"predictions": [row[0] if len(row) == 1 else row for row in rows]})
        return super().read_answer(headers, body, without)

    def write_answer(self, document: Any, message: object) -> tuple[bytes, bytes]:
        """Write CSV for a client that sent CSV, if each prediction is one value; else JSON."""
        predictions = document.get("predictions")
        if isinstance(message, Lines) and isinstance(predictions, list) and not any(map(_several, predictions)):
            return b"text/csv", "".join(line([prediction]) for prediction in predictions).encode()
        return super().write_answer(document, message)


def _several(prediction: object) -> bool:
    return isinstance(prediction, dict | list)


def _value(text: str) -> Any:
    """The value of an answer's cell; None if it is empty or NaN."""
    number = text.strip()
    if not is_number(number):
        return str(text) or None
    if number.isascii() and number.lstrip("+-").isdigit():
        return int(number) if len(number) < MOST_DIGITS else inf
    read = float(number)
    return None if isnan(read) else read
