"""The contract of requests: one instance, a list of rows, or positional rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pydantic_core import ValidationError
from pydantic_core import core_schema as core

from guard.contract.fields import ContractInvalid, InputField, Part, Shape, join, split
from guard.contract.media import is_json
from guard.contract.profile import Profile, Read
from guard.contract.proof import NESTED, Prove, by_members, by_rows, by_text
from guard.contract.scrub import Detect, Scrubbing, nothing
from guard.contract.strict import Unreadable, dumps, parse
from guard.contract.validators import (
    MOST_VIOLATIONS,
    Schema,
    Undeclared,
    instant,
    members_schema,
    nullable,
    validator,
    value_schema,
    violations,
)
from guard.proxy.values import Allow, Amend, Deny, Facts, Head, Lower, Reason, Verdict, Violation

_ABSENT: Final = object()
_Steps: TypeAlias = tuple[str, ...]


class _Step:
    """A pointer's step on the way to fields."""

    def __init__(self) -> None:
        self.below: dict[str, _Step | tuple[str, InputField]] = {}


class InputContract:
    """A Judge. `fields` by name; `rows` a JSON pointer to the list of instances, None where the body is the instance."""

    def __init__(
        self,
        fields: Mapping[str, InputField],
        *,
        rows: str | None,
        columns: Sequence[str] | None,
        undeclared: Undeclared,
        enforce: bool,
        detect: Detect,
    ) -> None:
        self._enforce = enforce
        self._rows: _Steps | None = tuple(split(rows)) if rows is not None else None
        self._columns = tuple(columns) if columns is not None else None
        self._paths = {name: _path(name, field) for name, field in fields.items()}
        self._falls = [(name, self._paths[name]) for name, field in fields.items() if field.missing == "fall"]
        self._fresh = [
            (self._paths[name], field.unit, field.freshness)
            for name, field in fields.items()
            if field.freshness is not None
        ]
        self._unsent = [self._paths[name] for name, field in fields.items() if not field.send]
        places = {name: self._place(path) for name, path in self._paths.items()}
        self._timed = bool(self._falls or self._fresh)
        self._scrubbing = Scrubbing(fields, {name: place for name, place in places.items() if place}, detect)
        self._scrubs = enforce and bool(self._scrubbing)
        simple = all(len(place) == 1 and fields[name].type not in NESTED for name, place in places.items())
        self._prove = self._proof(fields) if simple else by_text
        every = dict.values if simple and columns is None and undeclared != "pass" else None
        self._profile = Profile(fields, lambda names: _reader([places[name] for name in names]), every)
        self._names = frozenset(_names(fields)).union(*self._paths.values(), self._rows or ())
        depth = len(self._rows) + 1 if self._rows is not None else 0
        self._structure = frozenset(range(depth + 1))
        self._row_depth = depth
        instance = self._positional(fields, undeclared) if columns is not None else _instance(fields, undeclared)
        self._validate: Callable[[object], Any] = validator(self._document(instance, undeclared)).validate_python

    def judge(self, head: Head, body: bytes, wall: float) -> Verdict:
        """Read and hold against the contract; under enforce, what is forwarded is the tree that was judged."""
        if not is_json(head):
            return Deny("unsupported_media_type")
        try:
            tree = parse(body)
            verdict = self.hold(tree, wall)
            self._prove(tree, body, type(verdict) is not Deny and not verdict.violations)
        except Unreadable as error:
            return Deny(error.code)
        return self.written(verdict, dumps)

    def written(self, verdict: Verdict, write: Callable[[Any], bytes]) -> Verdict:
        """The verdict with the body that says what may be sent."""
        if type(verdict) is Amend or type(verdict) is Lower:
            verdict.body = write(self._without(verdict.document) if self._unsent else verdict.document)
        return verdict

    def hold(self, tree: object, wall: float) -> Verdict:
        """Hold a document that was read against the contract; the body of the verdict is still to be written."""
        try:
            document = self._validate(tree)
        except ValidationError as error:
            return self._broken(tree, error)
        instances: Sequence[object]
        sent: Sequence[object]
        rows: int | None
        if self._rows is None:
            instances, sent, rows = (document,), (tree,), None
        else:
            instances, sent = self._located(document), self._located(tree)
            rows = len(instances)
        facts = self._profile.facts(instances, sent, wall)
        if self._scrubs:
            document, facts = self._scrubbed(document, instances, facts)
        if self._timed:
            verdict = self._timely(tree, document, rows, wall, facts)
            if verdict is not None:
                return verdict
        if not self._enforce:
            return self._observed(tree, (), rows, facts)
        return Amend(document, b"", (), rows, facts)

    def instances(self, document: object, most: int | None = None) -> list[Mapping[str, object]]:
        """For each row the declared fields that are there, by name; what observe mode let through may lack any."""
        return [self._instance(row) for row in self._located(document)[:most]]

    # ── compiling ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _positional(self, fields: Mapping[str, InputField], undeclared: Undeclared) -> Schema:
        shapes = []
        for name in self._columns or ():
            field = fields[name]  # null is the one way in which a position can be missing
            schema = nullable(_Lenient(field) if field.missing == "fall" else field, undeclared, (name,))
            if fields[name].has_default and not fields[name].nullable:
                schema = core.no_info_after_validator_function(_defaulting(fields[name].default), schema)
            shapes.append(schema)
        return core.tuple_schema(shapes)

    def _proof(self, fields: Mapping[str, InputField]) -> Prove:
        """Each field is one value of its row."""
        there = {self._paths[name][0]: field.required and field.missing != "fall" for name, field in fields.items()}
        if self._rows is not None:
            return by_rows(self._rows, there if self._columns is None else None)
        return by_members(there, refused=self._enforce) if self._columns is None else by_text

    def _document(self, instance: Schema, undeclared: Undeclared) -> Schema:
        if self._rows is None:
            return instance
        schema: Schema = core.list_schema(instance, strict=True, min_length=1)
        for name in reversed(self._rows):
            schema = members_schema({name: (None, schema)}, undeclared)
        return schema

    # ── judging ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _broken(self, tree: object, error: ValidationError) -> Verdict:
        found = violations(error, self._names, (), self._structure)
        if self._columns is not None:
            found = self._lengths(error, found)
        if any(violation.code == "not_finite" for violation in found):
            return Deny("json_number")  # JSON has no such number: it was written too large for a double
        return Deny("contract", found) if self._enforce else self._observed(tree, found, None)

    def _lengths(self, error: ValidationError, found: list[Violation]) -> list[Violation]:
        """A positional row of another length is one mistaken shape, not a missing member."""
        fixed: list[Violation] = []
        for detail, violation in zip(error.errors(include_url=False), found, strict=False):
            path = detail["loc"]
            if detail["type"] == "missing" and len(path) == self._row_depth + 1:
                path = path[:-1]
            elif detail["type"] != "too_long" or len(path) != self._row_depth:
                fixed.append(violation)
                continue
            shape = Violation(join(path), "shape")
            if shape not in fixed:
                fixed.append(shape)
        return fixed

    def _scrubbed(self, document: object, rows: Sequence[object], facts: Facts | None) -> tuple[object, Facts | None]:
        """The document with words in place of what its texts should not hold."""
        scrubbed = [self._scrubbing.row(row) for row in rows]
        found = [one for _, several in scrubbed for one in several]
        if not found:
            return document, facts
        facts = facts or Facts()
        facts.redactions += found
        changed = [row for row, _ in scrubbed]
        return (_replaced(document, self._rows, changed) if self._rows is not None else changed[0]), facts

    def _timely(self, tree: object, document: object, rows: int | None, wall: float, facts: Facts | None) -> Verdict | None:
        """Ages and absences: in the future denies, too old or absent lowers."""
        found: list[Violation] = []
        reason: Reason | None = None
        for index, row in enumerate(self._located(document)):
            base: tuple[Part, ...] = (*self._rows, index) if self._rows is not None else ()
            for violation in (*self._aged(row, base, wall), *self._absent(row, base)):
                found.append(violation)
                if violation.code != "future":
                    reason = reason or ("stale" if violation.code == "stale" else "missing")
        if not found:
            return None
        found = found[:MOST_VIOLATIONS]
        if not self._enforce:
            return self._observed(tree, found, rows, facts)
        if any(violation.code == "future" for violation in found):
            return Deny("contract", found)
        if reason is None:
            return None
        return Lower(reason, document, b"", found, rows, facts)

    def _aged(self, row: object, base: tuple[Part, ...], wall: float) -> Iterator[Violation]:
        for path, unit, freshness in self._fresh:
            value = self._value(row, path)
            if value is _ABSENT or value is None:
                continue
            age = wall - instant(value, unit)
            if age > freshness.stale:
                yield Violation(self._pointer(base, path), "stale")
            elif age < -freshness.skew:
                yield Violation(self._pointer(base, path), "future")

    def _absent(self, row: object, base: tuple[Part, ...]) -> Iterator[Violation]:
        for _, path in self._falls:
            if self._value(row, path) in (_ABSENT, None):
                yield Violation(self._pointer(base, path), "missing")

    def _observed(self, tree: object, found: Sequence[Violation], rows: int | None, facts: Facts | None = None) -> Verdict:
        """Nothing is denied, amended or lowered; but what is not to be sent is not."""
        if not self._unsent:
            return Allow(tree, found, rows, facts)
        return Amend(tree, b"", found, rows, facts)

    # ── reading documents; under observe they may have any form ───────────────────────────────────────────────────

    def _located(self, document: object) -> Sequence[object]:
        if self._rows is None:
            return (document,)
        found = _reach(document, self._rows)
        return found if isinstance(found, list) else ()

    def _value(self, row: object, path: _Steps) -> object:
        if self._columns is not None:
            position = self._columns.index(path[0]) if path[0] in self._columns else len(self._columns)
            return row[position] if isinstance(row, list | tuple) and position < len(row) else _ABSENT
        return _reach(row, path)

    def _place(self, path: _Steps) -> tuple[Part, ...]:
        """Where a field stands in a row; empty where a positional row has no place for it."""
        if self._columns is None:
            return path
        return (self._columns.index(path[0]),) if path[0] in self._columns else ()

    def _pointer(self, base: tuple[Part, ...], path: _Steps) -> str:
        return join((*base, self._columns.index(path[0])) if self._columns is not None else (*base, *path))

    def _instance(self, row: object) -> dict[str, object]:
        values = ((name, self._value(row, path)) for name, path in self._paths.items())
        return {name: value for name, value in values if value is not _ABSENT}

    def _without(self, document: object) -> object:
        """The document without what is not to be sent; shares everything else with it."""
        if not self._unsent:
            return document
        if self._rows is None:
            return self._row_without(document)
        rows = self._located(document)
        return _replaced(document, self._rows, [self._row_without(row) for row in rows]) if rows else document

    def _row_without(self, row: object) -> object:
        if self._columns is not None and isinstance(row, list | tuple):
            dropped = {self._columns.index(path[0]) for path in self._unsent if path[0] in self._columns}
            return [value for index, value in enumerate(row) if index not in dropped]
        for path in self._unsent:
            row = _dropped(row, path)
        return row


def compile_input(
    fields: Mapping[str, InputField],
    *,
    rows: str | None,
    columns: Sequence[str] | None,
    undeclared: Undeclared,
    enforce: bool,
    detect: Detect = nothing,
) -> InputContract:
    """Compile. Raises ContractInvalid, its path counted from `fields`. `detect` makes what searches texts."""
    return InputContract(fields, rows=rows, columns=columns, undeclared=undeclared, enforce=enforce, detect=detect)


def _reader(places: Sequence[tuple[Part, ...]]) -> Read:
    """Reads what stands there in a row that keeps its contract; None where nothing does."""
    names = [place[0] for place in places if len(place) == 1 and isinstance(place[0], str)]
    if len(names) < len(places):
        return lambda row: [_standing(row, place) for place in places]
    return lambda row: [*map(row.get, names)]


def _standing(row: object, place: tuple[Part, ...]) -> object:
    match place:
        case ():
            return None
        case (int(position),):
            return row[position] if isinstance(row, list | tuple) and position < len(row) else None
    found = _reach(row, tuple(str(part) for part in place))
    return None if found is _ABSENT else found


def _defaulting(default: object) -> Callable[[object], object]:
    return lambda value: default if value is None else value


def _path(name: str, field: InputField) -> _Steps:
    if field.at is None:
        return (name,)
    path = tuple(split(field.at))
    if not path:
        raise ContractInvalid("a field is a part of its instance, not the whole", (name, "at"))
    return path


def _instance(fields: Mapping[str, InputField], undeclared: Undeclared) -> Schema:
    root = _Step()
    for name, field in fields.items():
        step = root
        *way, last = _path(name, field)
        for part in way:
            below = step.below.setdefault(part, _Step())
            if not isinstance(below, _Step):
                raise ContractInvalid(f"its pointer goes through the field {below[0]}", (name, "at"))
            step = below
        if last in step.below:
            raise ContractInvalid("another field has the same place", (name, "at"))
        step.below[last] = (name, field)
    return _step_schema(root, undeclared)


def _step_schema(step: _Step, undeclared: Undeclared) -> Schema:
    members: dict[str, tuple[Shape | None, Schema]] = {}
    for name, below in step.below.items():
        if isinstance(below, _Step):
            members[name] = (None, _step_schema(below, undeclared))
        else:
            declared, field = below
            schema = value_schema(field, undeclared, (declared,))
            members[name] = (_Lenient(field) if field.missing == "fall" else field, schema)
    return members_schema(members, undeclared)


class _Lenient:
    """A field whose absence lowers instead of denying: optional for the validator."""

    def __init__(self, field: Shape) -> None:
        self._field = field
        self.required = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._field, name)


def _names(fields: Mapping[str, Shape]) -> Iterator[str]:
    for name, field in fields.items():
        yield name
        yield from _below(field)


def _below(shape: Shape) -> Iterator[str]:
    if shape.fields is not None:
        yield from _names(shape.fields)
    if shape.items is not None:
        yield from _below(shape.items)


def _reach(value: object, path: _Steps) -> object:
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _replaced(value: object, path: _Steps, by: object) -> object:
    if not path:
        return by
    assert isinstance(value, dict)
    return {**value, path[0]: _replaced(value[path[0]], path[1:], by)}


def _dropped(value: object, path: _Steps) -> object:
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {name: one for name, one in value.items() if name != path[0]}
    return {**value, path[0]: _dropped(value[path[0]], path[1:])}
