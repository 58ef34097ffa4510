"""Makes a reference: each row of a validation set is a request, is judged as a live one is, and goes to the model.

Counted are the values of rows that the contract allows and that the model answered, beside what it answered. The file is
read once, and the model asked once for each row; what is counted waits in a temporary file without a name, because cuts
must be known before anything is counted in them.
"""

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, NamedTuple, TypeAlias

from guard.contract.validators import instant
from guard.kit.reference.rows import Row
from guard.kit.reference.subject import Subject
from guard.kit.rehearse.values import Got, Request
from guard.kit.request_builder import layouts
from guard.monitoring.cells import FieldSpec, Side
from guard.monitoring.reference import CutMaker, Reference
from guard.policy.fields import InputField
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import MODEL, Head, Permit, Refused

IN_MEMORY: Final = 8 << 20
"""Bytes of counted values that are kept out of the temporary file."""
OK: Final = range(200, 300)

Values: TypeAlias = dict[tuple[Side, str], Any]


@dataclass(slots=True)
class Account:
    """The fate of the rows. `denied` and `failed` count by reason; `first` holds the line of each reason's first row."""

    rows: int = 0
    counted: int = 0
    denied: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)

    def note(self, counter: Counter[str], reason: str, line: int) -> None:
        """Count a row that is left out."""
        counter[reason] += 1
        self.first.setdefault(reason, line)


class _Asked(NamedTuple):
    row: Row
    permit: Permit
    values: Values
    answer: Future[Got]


def make(
    subject: Subject,
    rows: Iterable[Row],
    ask: Callable[[Request], Got],
    *,
    connections: int,
    sent: str | None,
    version: str | None,
    progress: Callable[[float, str], None],
) -> tuple[Reference | None, Account]:
    """The reference of these rows, and what became of them; no reference where no row was counted.

    `sent` names the column with the time of each request, of which ages are counted; without it they are left out.
    """
    specs = [spec for spec in subject.specs if spec.kind != "age" or sent is not None]
    account, cuts = Account(), CutMaker(specs)
    with SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8") as spool, ThreadPoolExecutor(connections) as threads:
        waiting: deque[_Asked] = deque()
        for row in rows:
            account.rows += 1
            asked = _begin(subject, specs, row, sent, account, lambda request: threads.submit(ask, request))
            if asked is not None:
                waiting.append(asked)
            if len(waiting) > 2 * connections:
                _count(subject, specs, waiting.popleft(), account, cuts, spool)
            progress(row.share, f"{account.rows} rows")
        while waiting:
            _count(subject, specs, waiting.popleft(), account, cuts, spool)
        if not account.counted:
            return None, account
        maker = cuts.finish()
        spool.seek(0)
        for line in spool:
            maker.add({(spec.side, spec.name): value for spec, value in zip(specs, json.loads(line), strict=True)})
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")  # noqa: TID251 — the command's edge
    return maker.finish(made, version), account


def _begin(
    subject: Subject, specs: Iterable[FieldSpec], row: Row, sent: str | None, account: Account,
    submit: Callable[[Request], Future[Got]],
) -> _Asked | None:  # fmt: skip
    """Judge a row as a request and send it; None where it is left out."""
    inputs = subject.declared.inputs
    wall = _moment(row.values.get(sent)) if sent is not None else time.time()  # noqa: TID251 — the edge of this command
    if wall is None:
        account.note(account.denied, f"no time in {sent}", row.line)
        return None
    instance = {name: value for name, value in row.values.items() if name in inputs}
    carried = layouts(subject.key, subject.declared)[0].carry([instance])
    head = Head(subject.route.method.encode(), subject.path.encode(), [(b"content-type", carried.content_type.encode())])
    context = Context(head, "reference", 0.0)
    try:
        permit = judge(context, subject.route, carried.body, 0.0, wall)
    except Refused as refused:
        places = " ".join(f"{pointer or '/'} {code}" for pointer, code, _ in refused.violations[:1])
        account.note(account.denied, places or refused.code, row.line)
        return None
    body = permit.body if isinstance(permit.body, bytes) else carried.body
    request = Request(subject.route.method, subject.path, (("content-type", carried.content_type),), body)
    values: Values = {
        (spec.side, spec.name): _as_counted(spec, instance.get(spec.name), inputs[spec.name], wall)
        for spec in specs if spec.side == "input"
    }  # fmt: skip
    return _Asked(row, permit, values, submit(request))


def _count(
    subject: Subject, specs: Iterable[FieldSpec], asked: _Asked, account: Account, cuts: CutMaker, spool: IO[str]
) -> None:
    """Take the answer to a row, and keep what is counted of both."""
    got, route = asked.answer.result(), subject.route
    if got.failed or got.status not in OK or got.source not in ("", MODEL):
        account.note(account.failed, got.failed or f"{got.status} {got.source}".strip(), asked.row.line)
        return
    values = asked.values
    if route.output is not None:
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in got.headers.items()]
        verdict = route.output.judge(got.body, asked.permit.rows, headers)
        answers = route.output.measured(verdict.document)
        for measure, column in zip(route.measures, answers, strict=True):
            values["output", measure.name] = column[0] if column else None
    cuts.add(values)
    spool.write(json.dumps([values.get((spec.side, spec.name)) for spec in specs]) + "\n")
    account.counted += 1


def _as_counted(spec: FieldSpec, value: Any, declared: InputField, wall: float) -> Any:
    if spec.kind != "age" or value is None:
        return value
    return wall - instant(value, declared.unit, declared.zone)


def _moment(value: object) -> float | None:
    """Seconds since the epoch of a time: a number of them, or RFC 3339 with its offset."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        text = str(value)
        if text.isascii() and text.replace(".", "", 1).isdigit():
            return float(text)
        return _with_offset(datetime.fromisoformat(text))
    except ValueError:
        return None


def _with_offset(time: datetime) -> float | None:
    return time.timestamp() if time.tzinfo is not None else None


def watched(specs: Iterable[FieldSpec], reference: Reference) -> Iterator[str]:
    """The watched fields that a reference lacks, or has of another kind: they would not be watched."""
    for spec in specs:
        if reference.field(spec) is None:
            yield f"{spec.side} {spec.name}"
