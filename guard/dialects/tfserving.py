"""TensorFlow Serving's REST API: row and column form, `:predict`, `:classify` and `:regress`, NaN tokens.

Source: tensorflow/serving g3doc/api_rest.md. Answers name no version; the request's target may, and the status page does.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from guard.dialects.layout import JsonForm, Members, error_member, violation
from guard.proxy.values import Answer, Form, Headers, Outcome, Problem, Said, Spec

MEMBERS: Final = Members(
    {"instances": "rows", "inputs": "either", "examples": "rows"}, frozenset(("signature_name", "context"))
)
_VERSION: Final = re.compile(rb"/versions/([0-9]{1,20})(?=[:/?]|\Z)")


class TensorFlowServing:
    """A Dialect."""

    name = "tfserving"
    management: Iterable[str] = ()

    def outcome(self, answer: Answer) -> Outcome:
        """GRPC's codes as statuses: what a graph refuses and what a client sent wrong are both 400."""
        status = answer.status
        if 200 <= status < 300:
            return "ok"
        if status in (400, 413, 415):
            return "client_fault"
        if status in (429, 503):
            return "overload"
        return "unavailable" if status in (404, 412, 502, 504) else "model_fault"

    def form(self, spec: Spec) -> Form:
        """Rows, or columns."""
        return _Form(spec, MEMBERS, nan="both")

    def version(self, target: bytes) -> str:
        """Where the target names one."""
        found = _VERSION.search(target)
        return found[1].decode() if found is not None else ""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """`{"error": text}`."""
        return error_member(problem)


class _Form(JsonForm):
    """Answers in columns (`outputs`), and results of classify and regress, are read as if they were `predictions`."""

    def read_answer(self, headers: Headers, body: bytes) -> Said:
        tree = super().read_answer(headers, body).document
        if not isinstance(tree, dict) or "predictions" in tree:
            return Said(tree)
        for name in ("outputs", "result", "results"):
            if name in tree:
                return Said({"predictions": _rows(tree[name], name)})
        return Said(tree)


def _rows(value: Any, name: str) -> object:
    if not isinstance(value, dict):
        return value
    lengths = {len(column) if isinstance(column, list) else -1 for column in value.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise violation((name,), "shape")
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]
