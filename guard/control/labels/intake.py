"""Takes a batch of labels: verifies receipts, notes each row once, and counts. Runs in a thread, in small steps."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from guard.control.labels.ledger import Ledger
from guard.control.labels.seen import Seen
from guard.labels.layout import Layout, Row
from guard.labels.receipt import Keyring, Receipt, drawn, room, unpack

Outcome: TypeAlias = Literal[
    "accepted", "duplicate", "corrected", "expired", "bad_mac", "bad_label", "unknown_key", "not_sampled"
]
OUTCOMES: Final = get_args(Outcome)
SLICE: Final = 16
"""Labels after which the thread lets the event loop go on."""


class Label(NamedTuple):
    """A label as a client sent it."""

    receipt: object
    row: int
    label: object
    at: object = None


class Rules(NamedTuple):
    """The keys, the age of receipts, and the time."""

    keyring: Keyring
    expire: float
    now: float


class Taken(NamedTuple):
    """The outcome of a label. `route` and `version` are empty where its receipt tells nothing; `delay`, of a new one."""

    outcome: Outcome
    route: str = ""
    version: str = ""
    delay: float | None = None


class _Row(NamedTuple):
    """A label whose receipt is valid."""

    receipt: Receipt
    layout: Layout
    slot: int
    prediction: Row
    label: float
    delay: float


def take(labels: Sequence[Label], rules: Rules, ledger: Ledger, seen: Seen) -> list[Taken]:
    """Count a batch. Raises SeenDamaged and OSError before anything is counted."""
    read: list[Taken | _Row] = []
    for number, label in enumerate(labels, 1):
        read.append(_read(label, rules, ledger))
        if number % SLICE == 0:
            time.sleep(0)  # lets the event loop have the interpreter
    before = _mark([each for each in read if isinstance(each, _Row)], seen)
    taken: list[Taken] = []
    for number, each in enumerate(read, 1):
        taken.append(each if isinstance(each, Taken) else _count(each, before, ledger))
        if number % SLICE == 0:
            time.sleep(0)
    return taken


def _read(label: Label, rules: Rules, ledger: Ledger) -> Taken | _Row:
    receipt = rules.keyring.verify(label.receipt)
    if isinstance(receipt, str):
        return Taken(receipt)
    layout = ledger.layouts.get(receipt.layout)
    version = ledger.name(receipt.version)
    route = layout.route if layout is not None else ""
    if rules.now - receipt.issued > rules.expire:
        return Taken("expired", route, version)
    at = moment(label.at, rules.now)
    value = layout.label(label.label) if layout is not None else None
    if layout is None or value is None or at is None or not 0 <= label.row < receipt.rows:
        return Taken("bad_label", route, version)
    place = _place(receipt, layout, label.row)
    if place is None:
        return Taken("not_sampled", route, version)
    try:
        prediction = unpack(receipt, layout)[place]
    except (ValueError, IndexError):
        return Taken("bad_label", route, version)
    delay = max(0.0, min(at, rules.now) - receipt.issued)
    return _Row(receipt, layout, receipt.slot + place, prediction, value, delay)


def _place(receipt: Receipt, layout: Layout, row: int) -> int | None:
    """The place of a batch's row in its receipt; None if it is not among those that were drawn."""
    rows = drawn(receipt.slot, receipt.rows, room(layout))
    if isinstance(rows, range):
        return row
    return rows.index(row) if row in rows else None


def moment(at: object, now: float) -> float | None:
    """Seconds since the epoch of a number or an RFC 3339 text with its offset; now if absent; None if it is neither."""
    if at is None:
        return now
    if isinstance(at, int | float) and not isinstance(at, bool):
        try:
            return float(at) if isfinite(at) else None
        except OverflowError:
            return None
    if not isinstance(at, str):
        return None
    try:
        read = datetime.fromisoformat(at)
        return read.timestamp() if read.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


_Slots: TypeAlias = dict[tuple[int, int], float | None]


def _mark(rows: Sequence[_Row], seen: Seen) -> _Slots:
    """Note the last label of each slot; returns the labels that the slots had before this batch."""
    wanted: dict[tuple[int, bool], dict[int, float]] = {}
    for row in rows:
        wanted.setdefault((row.receipt.process, row.layout.numeric), {})[row.slot] = row.label
    seen.check_named((process, slot, numeric) for (process, numeric), own in wanted.items() for slot in own)
    before: _Slots = {}
    for (process, numeric), own in wanted.items():
        found: Mapping[int, float | None] = seen.mark(process, own, numeric=numeric)
        before.update(((process, slot), label) for slot, label in found.items())
    return before


def _count(row: _Row, before: _Slots, ledger: Ledger) -> Taken:
    receipt, route, version = row.receipt, row.layout.route, ledger.name(row.receipt.version)
    slot = (receipt.process, row.slot)
    last, before[slot] = before[slot], row.label
    if last == row.label:
        return Taken("duplicate", route, version)
    cohort = ledger.of(receipt.layout, receipt.version, receipt.issued)
    cohort.take(row.layout, row.prediction, row.label, last)
    if last is not None:
        cohort.corrected += 1
        return Taken("corrected", route, version)
    cohort.note_delay(row.delay)
    return Taken("accepted", route, version, row.delay)


def outcomes(taken: Sequence[Taken]) -> dict[str, Any]:
    """The answer to a batch: each label's outcome, and their counts."""
    results = [each.outcome for each in taken]
    return {"results": results, "counts": {name: results.count(name) for name in OUTCOMES if name in results}}
