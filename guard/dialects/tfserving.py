"""TensorFlow Serving's REST API: row and column form, `:predict`, `:classify` and `:regress`, NaN tokens.

Source: tensorflow/serving g3doc/api_rest.md. Answers name no version; the route's path may, and the status page does.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from guard.dialects.common import Instances
from guard.dialects.faults import STATUSES
from guard.dialects.layout import JsonForm, Members, Rows, error_member, violation
from guard.proxy.values import CodecSpec, Fault, Head, Headers, Message, ParsedAnswer, Problem, RequestLayout, RouteCodec

MEMBERS: Final = Members(
    {"instances": "rows", "inputs": "either", "examples": "rows"}, frozenset(("signature_name", "context"))
)
_MODEL: Final = re.compile(r"(/v1/models/[^/:{}*]+)(?:/(?:versions|labels)/[^/:{}*]+)?:")
_VERSION: Final = re.compile(r"/versions/([0-9]{1,20})(?=[:/?]|\Z)")


class TensorFlowServing(Instances):
    """The Dialect of TensorFlow Serving. Statuses map gRPC's codes: errors of the graph and of the client are both 400."""

    name = "tfserving"
    request_layout = RequestLayout(
        "instances",
        beside=MEMBERS.envelope,
        notes=("`inputs` may stand in place of `instances`: rows, or an object of columns. `NaN` is a missing value.",),
    )
    hides_errors = True
    faults: Mapping[int, Fault] = {
        **STATUSES,
        404: Fault("names", "unavailable", "the path's model or version, or `signature_name`, is the client's"),
        408: Fault("never", "unavailable", "DEADLINE_EXCEEDED: the server's own batching queue"),
        409: Fault("never", "model_fault", "ABORTED: the server's own transaction"),
        412: Fault("names", "unavailable", "FAILED_PRECONDITION: a model that is not ready, or as 404"),
        416: Fault("content", "model_fault", "OUT_OF_RANGE: an index in the request's values"),
    }  # fmt: skip

    def codec(self, spec: CodecSpec) -> RouteCodec:
        """The codec of bodies in rows or columns."""
        return _Codec(spec, MEMBERS, nan="both")

    def version(self, template: str) -> str:
        """The version that the path names; empty if it names none."""
        match = _VERSION.search(template)
        return match[1] if match is not None else ""

    def status(self, template: str) -> str:
        """The path of the status page, `/v1/models/{model}`, without the version or label that a target may name."""
        match = _MODEL.match(template)
        return match[1] if match is not None else ""

    def served(self, page: Any) -> str:
        """The newest available version in a status page; empty if there is none."""
        states = page.get("model_version_status") if isinstance(page, dict) else None
        versions = [
            state["version"] for state in states or () if isinstance(state, dict) and state.get("state") == "AVAILABLE"
        ]
        return max(
            (item for item in versions if isinstance(item, str) and item.isascii() and item.isdigit()), key=int, default=""
        )

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """The body of an error, `{"error": text}`, and its content type."""
        return error_member(problem)


class _Codec(JsonForm):
    """A RouteCodec that reads answers in columns (`outputs`) and results of classify and regress as `predictions`."""

    def read(self, head: Head, body: bytes) -> Message | None:
        """Read a request; a `signature_name` may change its outputs; see RouteCodec."""
        message = super().read(head, body)
        if isinstance(message, Rows):
            message.chosen = message.holds("signature_name")
        return message

    def read_answer(self, headers: Headers, body: bytes, without: frozenset[str] = frozenset()) -> ParsedAnswer:
        tree = super().read_answer(headers, body, without).document
        if not isinstance(tree, dict) or "predictions" in tree:
            return ParsedAnswer(tree)
        for name in ("outputs", "result", "results"):
            if name in tree:
                return ParsedAnswer({"predictions": _rows(tree[name], name)})
        return ParsedAnswer(tree)


def _rows(value: Any, name: str) -> object:
    if not isinstance(value, dict):
        return value
    lengths = {len(column) if isinstance(column, list) else -1 for column in value.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise violation((name,), "shape")
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]
