"""MLflow's scoring server: `/invocations` with a data frame in one of its layouts, tensors, or CSV.

Source: mlflow/pyfunc/scoring_server, and MLflow 3.17 as it ran. It answers 400 both for a client's mistake and for an
exception of the model. Its messages quote the request's data, so guard compares only how they begin, which no client
chooses. NaN tokens are read and written; pandas reads CSV, so cells that pandas reads as missing are missing values here.
"""

import re
from typing import Final

import orjson

from guard.dialects.common import Instances
from guard.dialects.delimited import Lines, is_csv
from guard.dialects.layout import JsonForm, Members, one_line
from guard.proxy.values import (
    Answer,
    CodecSpec,
    ForwardedRequest,
    Head,
    Message,
    Outcome,
    Problem,
    RequestLayout,
    RouteCodec,
)

MEMBERS: Final = Members(
    {"dataframe_split": "split", "dataframe_records": "rows", "instances": "rows", "inputs": "either"},
    frozenset(("params",)),
)
_RAISED: Final = re.compile(
    rb'\s*\{"error_code": ?"\w+", ?"message": ?"'
    rb"(Encountered an unexpected error while evaluating the model|(?P<predicting>Failed to predict data))"
)
_SCHEMA: Final = b"Failed to enforce schema"
MISSING: Final = frozenset((
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
))  # fmt: skip
"""Cells that pandas.read_csv reads as missing (its default `na_values`)."""


class MLflow(Instances):
    """The Dialect of MLflow. No answer has a model version: `/version` is MLflow's own."""

    name = "mlflow"
    request_layout = RequestLayout(
        "dataframe_records",
        rows="instances",
        beside=MEMBERS.envelope,
        content=("application/json", "text/csv"),
        notes=(
            "Also read: `dataframe_split` (columns and data), `instances`, `inputs` (rows or columns); CSV with its names.",
            "`NaN` is a missing value, and `params` reach the model.",
        ),
    )
    hides_errors = True

    def outcome(self, answer: Answer, request: ForwardedRequest) -> Outcome:
        """The party at fault for an error: a 400 is the model's fault unless the input does not match the signature."""
        if answer.status == 400:
            exception = _RAISED.match(answer.body)
            raised = exception is not None and (exception["predicting"] is None or _SCHEMA not in answer.body)
            return "model_fault" if raised else "client_fault"
        return super().outcome(answer, request)

    def codec(self, spec: CodecSpec) -> RouteCodec:
        """The codec of JSON in four layouts, and of CSV with a header."""
        return _Codec(spec, MEMBERS, nan="read")

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """The body of an error, like a serialised MlflowException, and its content type."""
        code = "INTERNAL_ERROR" if problem.status == 500 else "BAD_REQUEST"
        if problem.status in (502, 503, 504):
            code = "TEMPORARILY_UNAVAILABLE"
        body = {
            "error_code": code,
            "message": f"guard: {one_line(problem)}",
            "code": problem.code,
            "request_id": problem.request_id,
            "violations": [{"pointer": violation.pointer, "code": violation.code} for violation in problem.violations],
        }
        return b"application/json", orjson.dumps({**body, "reason": problem.word} if problem.word else body)


class _Codec(JsonForm):
    def read(self, head: Head, body: bytes) -> Message | None:
        if is_csv(head.get(b"content-type")) and head.get(b"content-encoding") is None:
            return Lines(body, self._spec, header=True, missing=MISSING)
        return super().read(head, body)
