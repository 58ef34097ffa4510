"""The contract of requests: one instance, a list of rows, or positional rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import ValidationError

from guard.contract.absence import absences, settle
from guard.contract.breaches import MOST_VIOLATIONS, Breach
from guard.contract.elements import Budget
from guard.contract.fields import InputField, Part, Shape, join, split
from guard.contract.instances import (
    Lenient,
    Steps,
    by_members,
    by_positions,
    exactly,
    holds_anything,
    names_of,
    path_of,
    rows_of,
)
from guard.contract.media import is_json
from guard.contract.profile import Profile, Read
from guard.contract.reach import ABSENT, reach, replaced, without
from guard.contract.scrub import MAX_FINDS, MAX_SEARCHED, Detect, Found, Scrubbing, Tally, nothing
from guard.contract.single_pass import NESTED, Reader, SinglePassCheck
from guard.contract.strict import LARGEST_EXACT, LEAST_EXACT, MAX_DEPTH, MAX_ELEMENTS, SAFE, Unreadable, dumps
from guard.contract.strict import exact as bounded
from guard.contract.undeclared import Place, UndeclaredTexts, place_of_document, place_of_row
from guard.contract.validators import (
    UNDECLARED,
    Schema,
    Undeclared,
    instant,
    members_schema,
    partial_schema,
    sent_schema,
    violations,
)
from guard.contract.watched import WatchedInputs, row_reader
from guard.proxy.values import Allow, Amend, Deny, Facts, Head, Lower, Reason, Verdict, Violation


class InputContract:
    """A Judge. `fields` by name; `rows` is a JSON pointer to the list of instances, None: the body is the instance."""

    def __init__(
        self,
        fields: Mapping[str, InputField],
        *,
        rows: str | None,
        columns: Sequence[str] | None,
        undeclared: Undeclared,
        enforce: bool,
        detect: Detect,
        elements: int,
        searched: int,
        finds: int,
        exact: bool,
    ) -> None:
        fields = exactly(fields, every=exact)
        self._enforce = enforce
        self._least, self._largest = (LEAST_EXACT, LARGEST_EXACT) if exact else (-SAFE, SAFE)
        self._loose = enforce and (undeclared == "pass" or any(map(holds_anything, fields.values())))
        self._rows: Steps | None = tuple(split(rows)) if rows is not None else None
        self._columns = tuple(columns) if columns is not None else None
        self._paths = {name: path_of(name, field) for name, field in fields.items()}
        self._falls = [(name, self._paths[name]) for name, field in fields.items() if field.missing == "fall"]
        self._fresh = [
            (self._paths[name], field.unit, field.zone, field.freshness)
            for name, field in fields.items()
            if field.freshness is not None
        ]
        self._unsent = [self._paths[name] for name, field in fields.items() if not field.send]
        places = {name: self._place(path) for name, path in self._paths.items()}
        self._timed = bool(self._falls or self._fresh)
        self._scrubbing = Scrubbing(fields, {name: place for name, place in places.items() if place}, detect)
        self._scrubs = enforce and bool(self._scrubbing)
        self._searched, self._finds = searched, finds
        self._all_detectors = detect(self._scrubbing.detectors)
        positions = len(columns) if columns is not None else 0
        located = {name: place for name, place in places.items() if place}
        self._undeclared = place_of_row(fields, located, passes=undeclared == "pass", positions=positions)
        self._around = place_of_document(self._rows or (), passes=undeclared == "pass")
        simple = all(len(place) == 1 and fields[name].type not in NESTED for name, place in places.items())
        self._members = simple and columns is None
        every = dict.values if self._members and undeclared != "pass" else None
        self._profile = Profile(fields, lambda names: row_reader([places[name] for name in names]), every)
        self._places = places
        self.watched: WatchedInputs | None = None
        """Counts the values of sampled requests for monitoring."""
        self._names = frozenset(names_of(fields)).union(*self._paths.values(), self._rows or ())
        depth = len(self._rows) + 1 if self._rows is not None else 0
        self._structure = frozenset(range(depth + 1))
        self._row_depth = depth
        shapes = {name: Lenient(field) if field.missing == "fall" else field for name, field in fields.items()}
        self._absences = absences({self._paths[name][0]: shape for name, shape in shapes.items()}) if self._members else ()
        self._budget = Budget(shapes, self._rows, elements, places)
        self._reader = self._compiled(shapes, undeclared, shown=simple and depth < MAX_DEPTH)

    def judge(self, head: Head, body: bytes, wall: float) -> Verdict:
        """Read a request and judge it by the contract; under enforce, exactly the tree that was judged is forwarded."""
        if not is_json(head):
            return Deny("unsupported_media_type")
        try:
            document, tree, proven = self._reader.read(body)
            if proven and self._loose:
                bounded(document, body, self._least, self._largest)
        except Unreadable as unreadable:
            return Deny(unreadable.code)
        verdict = self._judge_raw(document, tree, wall) if proven else self._broken(tree, document)
        return self.written(verdict, dumps)

    def written(self, verdict: Verdict, write: Callable[[Any], bytes]) -> Verdict:
        """The verdict with its body, which holds only what may be sent; `write` makes the bytes."""
        if type(verdict) is Amend or type(verdict) is Lower:
            verdict.body = write(self._without(verdict.document) if self._unsent else verdict.document)
        return verdict

    def reading(self, names: Sequence[str]) -> Read:
        """A function that reads these fields of a valid row, as sent."""
        return row_reader([self._places[name] for name in names])

    def tally(self) -> Tally | None:
        """A new tally of the characters and finds that one request may cost; None if the route searches nothing."""
        return Tally(self._searched, self._finds) if self._scrubs else None

    def searched(self, members: dict[str, Any], tally: Tally) -> tuple[dict[str, Any], Found]:
        """Undeclared members beside the instances, with a word in place of each find, and the finds.

        If the tally names a field afterwards, the search stopped early, and the members must not be used.
        """
        texts = UndeclaredTexts(self._all_detectors, tally)
        return texts.search(members, Place(UNDECLARED)), texts.redactions

    def bounded(self, members: object, body: bytes) -> None:
        """Prove that every reader reads the integers of undeclared members alike. Raises Unreadable."""
        if self._enforce:
            bounded(members, body, self._least, self._largest)

    def hold(self, tree: object, wall: float, body: bytes, tally: Tally | None = None) -> Verdict:
        """Judge a document that was read from a body; the caller writes the body of the verdict.

        `tally`: the budget that other texts of the same request have left; None: a new one.
        """
        try:
            self._budget.spread(tree)
            document = self._reader.of_tree(tree)
            if self._loose:
                bounded(document, body, self._least, self._largest)
        except Unreadable as unreadable:
            return Deny(unreadable.code)
        except ValidationError as error:
            return self._broken(tree, error)
        return self._judge_raw(document, tree, wall, tally)

    def instances(self, document: object, most: int | None = None) -> list[Mapping[str, object]]:
        """The declared fields that each row has, by name; a row that observe mode let through may lack any of them."""
        return [self._instance(row) for row in self._located(document)[:most]]

    def _compiled(self, shapes: Mapping[str, Shape], undeclared: Undeclared, *, shown: bool) -> Reader:
        """The reader of these fields. `shown`: each field is one value, so a valid document may show all its text."""

        def complete(instance: Schema) -> Schema:
            return rows_of(instance, self._rows, undeclared) if self._rows is not None else instance

        if self._columns is not None:
            check = (
                SinglePassCheck(self._rows, "positions")
                if shown and not any(shape.has_default for shape in shapes.values())
                else None
            )
            return Reader(complete(by_positions(shapes, self._columns, undeclared)), check, None, len(shapes), self._budget)
        if not self._members:
            instance = by_members(shapes, self._paths, undeclared, members_schema)
            return Reader(complete(instance), None, None, len(shapes), self._budget)
        members = {self._paths[name][0]: shape.required for name, shape in shapes.items()}
        check = SinglePassCheck(self._rows, "members", members, closed=undeclared != "pass") if shown else None
        as_sent = self._enforce or not (self._absences or self._unsent)
        text = (
            complete(by_members(shapes, self._paths, undeclared, partial_schema))
            if check is not None and as_sent and not self._budget.dear
            else None
        )
        instance = by_members(shapes, self._paths, undeclared, sent_schema)
        return Reader(complete(instance), check, text, len(shapes), self._budget)

    # ── judging ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _judge_raw(self, document: Any, tree: object, wall: float, tally: Tally | None = None) -> Verdict:
        """The verdict on a document whose types keep the contract: judged by ages, absent fields and texts, as sent."""
        instances = self._located(document)
        rows = len(instances) if self._rows is not None else None
        sent = instances if self._members else self._located(tree)
        facts = self._profile.facts(sent, wall)
        if self.watched is not None and self.watched.watch.looking:
            self.watched.count(sent, wall)
        if self._absences:
            for row in instances:
                settle(row, self._absences)
        if self._scrubs:
            tally = tally or Tally(self._searched, self._finds)
            document, facts = self._scrubbed(document, instances, facts, tally)
            if tally.field:
                return Deny("contract", [Violation(self._unsearched(tally), tally.code)])
        if self._timed:
            verdict = self._timely(tree, document, rows, wall, facts)
            if verdict is not None:
                return verdict
        if not self._enforce:
            return self._observed(tree, (), rows, facts)
        return Amend(document, b"", (), rows, facts)

    def _broken(self, tree: object, error: ValidationError) -> Verdict:
        breaches = self._reader.breaches.of(tree, error)
        denied = violations(breaches, self._names, self._structure)
        if self._columns is not None:
            denied = self._lengths(breaches, denied)
        if any(violation.code == "not_finite" for violation in denied):
            return Deny("json_number")  # a number too large for a double: JSON cannot write the infinity it was read as
        return Deny("contract", denied) if self._enforce else self._observed(tree, denied, None)

    def _lengths(self, breaches: Sequence[Breach], violations: Sequence[Violation]) -> list[Violation]:
        """The violations, with one "shape" for a positional row of the wrong length in place of missing members."""
        fixed: list[Violation] = []
        for (path, kind, _), violation in zip(breaches, violations, strict=True):
            if kind == "missing" and len(path) == self._row_depth + 1:
                path = path[:-1]  # noqa: PLW2901 — the row
            elif kind != "too_long" or len(path) != self._row_depth:
                fixed.append(violation)
                continue
            shape = Violation(join(path), "shape")
            if shape not in fixed:
                fixed.append(shape)
        return fixed

    def _scrubbed(
        self, document: object, rows: Sequence[object], facts: Facts | None, tally: Tally
    ) -> tuple[object, Facts | None]:
        """The document with a word in place of each find in its texts; None if the tally names a field."""
        changed: list[Any] = []
        redactions: Found = []
        texts = UndeclaredTexts(self._all_detectors, tally)
        for index, row in enumerate(rows):
            scrubbed, several = self._scrubbing.row(row, tally)
            redactions += several
            changed.append(texts.search(scrubbed, self._undeclared) if self._undeclared is not None else scrubbed)
            if tally.field:
                tally.row = index
                return None, facts
        if self._around is not None:
            document = texts.search(document, self._around)
            if tally.field:
                tally.row = -1
                return None, facts
        redactions += texts.redactions
        if not redactions:
            return document, facts
        facts = facts or Facts()
        facts.redactions += redactions
        return (replaced(document, self._rows, changed) if self._rows is not None else changed[0]), facts

    def _unsearched(self, tally: Tally) -> str:
        """The pointer to the text at which the search stopped."""
        base = self._base(tally.row) if tally.row >= 0 else ()
        path = self._paths.get(tally.field)
        return self._pointer(base, path) if path is not None else join((*base, UNDECLARED))

    def _timely(self, tree: object, document: object, rows: int | None, wall: float, facts: Facts | None) -> Verdict | None:
        """The verdict on ages and absent fields: a future time is denied, an old or absent one lowers; None: neither."""
        violations: list[Violation] = []
        reason: Reason | None = None
        for index, row in enumerate(self._located(document)):
            base = self._base(index)
            for violation in (*self._aged(row, base, wall), *self._absent(row, base)):
                violations.append(violation)
                if violation.code != "future":
                    reason = reason or ("stale" if violation.code == "stale" else "missing")
        if not violations:
            return None
        violations = violations[:MOST_VIOLATIONS]
        if not self._enforce:
            return self._observed(tree, violations, rows, facts)
        if any(violation.code == "future" for violation in violations):
            return Deny("contract", violations)
        if reason is None:
            return None
        return Lower(reason, document, b"", violations, rows, facts)

    def _aged(self, row: object, base: tuple[Part, ...], wall: float) -> Iterator[Violation]:
        for path, unit, zone, freshness in self._fresh:
            value = self._value(row, path)
            if value is ABSENT or value is None:
                continue
            age = wall - instant(value, unit, zone)
            if age > freshness.stale:
                yield Violation(self._pointer(base, path), "stale")
            elif age < -freshness.skew:
                yield Violation(self._pointer(base, path), "future")

    def _absent(self, row: object, base: tuple[Part, ...]) -> Iterator[Violation]:
        for _, path in self._falls:
            if self._value(row, path) in (ABSENT, None):
                yield Violation(self._pointer(base, path), "missing")

    def _observed(
        self, tree: object, violations: Sequence[Violation], rows: int | None, facts: Facts | None = None
    ) -> Verdict:
        """The verdict in observe mode: it never denies or lowers, but fields with `send: false` are still removed."""
        if not self._unsent:
            return Allow(tree, violations, rows, facts)
        return Amend(tree, b"", violations, rows, facts)

    # ── reading documents; under observe they may have any form ───────────────────────────────────────────────────

    def _located(self, document: object) -> Sequence[Any]:
        if self._rows is None:
            return (document,)
        value = reach(document, self._rows)
        return value if isinstance(value, list) else ()

    def _value(self, row: object, path: Steps) -> object:
        if self._columns is not None:
            position = self._columns.index(path[0]) if path[0] in self._columns else len(self._columns)
            return row[position] if isinstance(row, list | tuple) and position < len(row) else ABSENT
        return reach(row, path)

    def _place(self, path: Steps) -> tuple[Part, ...]:
        """The path of a field in a row; empty if a positional row has no place for it."""
        if self._columns is None:
            return path
        return (self._columns.index(path[0]),) if path[0] in self._columns else ()

    def _base(self, row: int) -> tuple[Part, ...]:
        """The path to the instance of this row."""
        return (*self._rows, row) if self._rows is not None else ()

    def _pointer(self, base: tuple[Part, ...], path: Steps) -> str:
        return join((*base, self._columns.index(path[0])) if self._columns is not None else (*base, *path))

    def _instance(self, row: object) -> dict[str, object]:
        values = ((name, self._value(row, path)) for name, path in self._paths.items())
        return {name: value for name, value in values if value is not ABSENT}

    def _without(self, document: object) -> object:
        """The document without fields that are not sent; it shares everything else with the original."""
        if not self._unsent:
            return document
        if self._rows is None:
            return self._row_without(document)
        rows = self._located(document)
        return replaced(document, self._rows, [self._row_without(row) for row in rows]) if rows else document

    def _row_without(self, row: object) -> object:
        if self._columns is not None and isinstance(row, list | tuple):
            dropped = {self._columns.index(path[0]) for path in self._unsent if path[0] in self._columns}
            return [value for index, value in enumerate(row) if index not in dropped]
        for path in self._unsent:
            row = without(row, path)
        return row


def compile_input(
    fields: Mapping[str, InputField],
    *,
    rows: str | None,
    columns: Sequence[str] | None,
    undeclared: Undeclared,
    enforce: bool,
    detect: Detect = nothing,
    elements: int = MAX_ELEMENTS,
    searched: int = MAX_SEARCHED,
    finds: int = MAX_FINDS,
    exact: bool = False,
) -> InputContract:
    """Compile the contract of a route's requests. Raises ContractInvalid with a path from `fields`. `detect` makes scrubs.

    `elements`: most elements of one document, see `strict.limit`. `searched`, `finds`: most characters and finds in it.
    `exact`: integers have all 64 bits; otherwise integers that a double may round are refused.
    """
    return InputContract(
        fields,
        rows=rows,
        columns=columns,
        undeclared=undeclared,
        enforce=enforce,
        detect=detect,
        elements=elements,
        searched=searched,
        finds=finds,
        exact=exact,
    )
