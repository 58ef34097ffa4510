"""Rows are asked through the contract, as guard sends them: the request is judged, and so are both answers.

Nothing of a row is kept but what the comparison needs: whether an answer came and is valid, its time, label and score.
"""

import math
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from guard.contract.output import compile_output
from guard.kit.candidate.rows import as_label
from guard.kit.rehearse.client import Client
from guard.kit.rehearse.subject import subject
from guard.kit.rehearse.values import Got, Request
from guard.kit.request_builder import layouts
from guard.policy.route import Route as Declared
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import Allow, Head, Refused, Route

UNREAD: Final = "a body that guard does not hold"


class RowRefused(Exception):  # noqa: N818
    """The contract denies this row; the message is a code."""


class RowAnswer(NamedTuple):
    """One server's answer to one row. `failed`: none came, or the server's error. `invalid`: it breaks the contract."""

    failed: bool
    invalid: bool
    seconds: float
    label: str | None = None
    score: float | None = None
    code: str = ""
    """The cause of a failure or violation, in words of the contract; never a value."""

    @property
    def usable(self) -> bool:
        """Whether it may be given to a client."""
        return not self.failed and not self.invalid


class RowAsker:
    """Asks servers of one route about rows."""

    def __init__(self, key: str, declared: Declared, route: Route, label: str | None, score: str | None) -> None:
        self._key, self._declared, self._route = key, declared, route
        self._layout = layouts(key, declared)[0]
        self._target = subject(key, declared, route).target
        self._wanted = [name for name in (label, score) if name is not None]
        self._label, self._score = label, score
        self._read = compile_output(declared.outputs, self._wanted, declared.max_elements) if self._wanted else None
        self._order = [name for name in self._read.names if name in self._wanted] if self._read is not None else []

    def request(self, instance: Mapping[str, Any]) -> Request:
        """The request that a model server gets for a row. Raises RowRefused."""
        carried = self._layout.carry([instance])
        kind = carried.content_type.encode()
        head = Head(self._route.method.encode(), self._target.encode(), [(b"content-type", kind)])
        try:
            permit = judge(Context(head, "evaluate", 0.0), self._route, carried.body, 0.0, time.time())  # noqa: TID251
        except Refused as refused:
            codes = dict.fromkeys(f"{self._field(pointer)} {code}" for pointer, code, _ in refused.violations)
            raise RowRefused(", ".join(codes) or refused.code) from None
        if permit.lowered is not None:
            raise RowRefused(permit.lowered)  # guard does not ask the model about such a row
        if not isinstance(permit.body, bytes):
            raise RowRefused(UNREAD)
        sent = tuple((name.decode(), value.decode("latin-1")) for name, value in permit.forward)
        return Request(self._route.method, self._target, sent, permit.body)

    def ask(self, client: Client, request: Request) -> RowAnswer:
        """One server's answer."""
        return self.read(client.ask(request))

    def read(self, got: Got) -> RowAnswer:
        """An answer as the contract and the comparison see it."""
        if got.failed or not 200 <= got.status < 300:
            return RowAnswer(True, False, got.seconds, code=got.failed or str(got.status))
        output = self._route.output
        if output is None:
            return RowAnswer(False, False, got.seconds)
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in got.headers.items()]
        verdict = output.judge(got.body, 1, headers)
        if not isinstance(verdict, Allow):
            codes = ", ".join(f"{violation.pointer or '/'} {violation.code}" for violation in verdict.violations)
            return RowAnswer(False, True, got.seconds, code=codes or verdict.code)
        values = self._values(verdict.document)
        label, score = values.get(self._label), values.get(self._score)
        number = isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
        return RowAnswer(
            False, False, got.seconds,
            label=as_label(label) if label is not None else None,
            score=float(score) if number and isinstance(score, int | float) else None,
        )  # fmt: skip

    def _values(self, document: Any) -> dict[str | None, Any]:
        if self._read is None:
            return {}
        found = self._read.measured(document)
        return {name: next(iter(values), None) for name, values in zip(self._order, found, strict=True)}

    def _field(self, pointer: str) -> str:
        return self._route.field_of(pointer, False) or "the body"
