"""The contract of answers, and the documents of answers that guard makes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from pydantic_core import ValidationError
from pydantic_core import core_schema as core

from guard.contract.breaches import MOST_VIOLATIONS, Breaches
from guard.contract.elements import ABSENT, Budget
from guard.contract.fields import ContractInvalid, OutputField, Shape, join, split
from guard.contract.instances import exactly
from guard.contract.single_pass import NESTED, Reader, SinglePassCheck
from guard.contract.strict import MAX_DEPTH, MAX_ELEMENTS, Unreadable
from guard.contract.validators import Schema, list_schema, members_schema, validator, value_schema, violations
from guard.proxy.values import Allow, Deny, Headers, Message, Values, Violation, ViolationCode

EVERY: Final = "*"
NONE: Final[Headers] = []


class _Output:
    """One declared output, with its path in the document and its schema."""

    def __init__(self, name: str, field: OutputField) -> None:
        self.name = name
        self.field = field
        at = field.at if field.at is not None else f"/{name}"
        self.path = tuple(split(at))
        if self.path.count(EVERY) > 1:
            raise ContractInvalid("more than one *", (name, "at"))
        self.before = self.path[: self.path.index(EVERY)] if EVERY in self.path else self.path
        self.after = self.path[self.path.index(EVERY) + 1 :] if EVERY in self.path else ()
        self.repeated = EVERY in self.path

    def schema(self) -> Schema:
        """The schema of one value of the output."""
        schema = value_schema(self.field, "strip", (self.name,))
        optional = self.field.nullable or not self.field.required
        return core.nullable_schema(schema) if optional else schema


class OutputContract:
    """An AnswerJudge. Undeclared members pass unchanged; declared outputs must be present and valid."""

    def __init__(self, fields: Mapping[str, OutputField], measured: Collection[str], elements: int) -> None:
        self._elements = elements
        self._parts: dict[str, OutputContract] = {}
        self._outputs = [_Output(name, field) for name, field in exactly(fields, every=True).items()]
        self._names = frozenset(part for output in self._outputs for part in output.path).union(
            *map(_names, fields.values())
        )
        schema = _document([(output.path, output) for output in self._outputs])
        budget = _budget(self._outputs, elements)
        self._reader = Reader(
            schema, _single_pass_check(self._outputs), None if budget.dear else schema, len(fields), budget
        )
        self._lists = sorted({output.before for output in self._outputs if output.repeated})
        own = [(output.path, output if output.field.from_ is None else _Null(output)) for output in self._outputs]
        own_schema = _document(own)
        self._own, self._own_breaches = validator(own_schema), Breaches(own_schema)
        self._measure = _measurements([output for output in self._outputs if output.name in measured])

    def judge(self, body: bytes, rows: int | None = None, headers: Headers = NONE) -> Allow | Deny:  # noqa: ARG002
        """Read an answer of a model server and judge it. `rows`: the number of answers that are due, None if unknown."""
        try:
            _, tree, proven = self._reader.read(body)
        except Unreadable as unreadable:
            return Deny(unreadable.code, unread(unreadable))
        return self._counted(tree, rows) if proven else self._broken(self._reader.breaches, tree)

    def hold(self, document: object, rows: int | None) -> Allow | Deny:
        """Judge a document that was read elsewhere. `rows`: the number of answers that are due, None if unknown."""
        return self._held(self._reader.of_tree, self._reader.breaches, document, rows)

    def judge_own(self, document: object, rows: int | None = None) -> Allow | Deny:
        """Judge an answer that guard made; outputs that only the model gives may be null."""
        return self._held(self._own.validate_python, self._own_breaches, document, rows)

    def excuse(
        self, denied: Deny, document: object, body: bytes | None, rows: int | None, headers: Headers, message: Message
    ) -> Allow | Deny:
        """The denial, unchanged: a plain document has no request that selects outputs."""
        del document, body, rows, headers, message
        return denied

    def part(self, name: str) -> "OutputContract":
        """The contract of one output alone, compiled at first use."""
        contract = self._parts.get(name)
        if contract is None:
            field = next(output.field for output in self._outputs if output.name == name)
            contract = self._parts[name] = OutputContract({name: field}, (), self._elements)
        return contract

    @property
    def names(self) -> list[str]:
        """The names of the declared outputs."""
        return [output.name for output in self._outputs]

    def build(self, answers: Sequence[Mapping[str, object]]) -> object:
        """The document that holds these outputs, given by name, one mapping for each instance; an absent output is null."""
        document: Any = None
        for output in self._outputs:
            values = [answer.get(output.name) for answer in answers]
            document = _put(document, output.path, values if output.repeated else values[0])
        return document

    def measured(self, document: object) -> Values:
        """The values of the measured outputs in any document, also one that breaks the contract."""
        return self._measure(document)

    def _held(
        self, validate: Callable[[object], Any], breaches: Breaches, document: object, rows: int | None
    ) -> Allow | Deny:
        try:
            validate(document)
        except ValidationError:
            return self._broken(breaches, document)
        return self._counted(document, rows)

    def _broken(self, breaches: Breaches, document: object) -> Deny:
        return Deny("contract", violations(breaches.of(document), self._names), document)

    def _counted(self, document: object, rows: int | None) -> Allow | Deny:
        """The verdict on the lengths of lists, for an answer with valid values: each list has `rows` items."""
        if rows is not None and self._lists:
            lists = ((path, _value_at(document, path)) for path in self._lists)  # a list of optional outputs may be absent
            short = [
                Violation(join(path), "items") for path, elements in lists if elements is not None and len(elements) != rows
            ]
            if short:
                return Deny("contract", short[:MOST_VIOLATIONS], document)
        return Allow(document)


class _Null:
    """An output that only the model gives, as it stands in an answer of guard: null is valid."""

    def __init__(self, output: _Output) -> None:
        self._output = output
        self.field = output.field

    def schema(self) -> Schema:
        return core.nullable_schema(self._output.schema())


def compile_output(
    fields: Mapping[str, OutputField], measured: Collection[str] = (), elements: int = MAX_ELEMENTS
) -> OutputContract:
    """Compile the contract of answers. Raises ContractInvalid with a path from `fields`. `measured`: outputs to report.

    `elements`: most elements of one answer, see `strict.limit`.
    """
    return OutputContract(fields, measured, elements)


def unread(error: Unreadable) -> list[Violation]:
    """The violations of an answer that cannot be read."""
    code: ViolationCode = "shape"
    if error.code in ("json_number", "json_elements"):
        code = "not_finite" if error.code == "json_number" else "items"
    return [Violation("", code)]


def _single_pass_check(outputs: Sequence[_Output]) -> SinglePassCheck | None:
    """The check, if each output is one value: of the document, of each element of one list, or the elements; else None."""
    lists = {output.before if output.repeated else None for output in outputs}
    if len(lists) != 1 or any(output.field.type in NESTED for output in outputs):
        return None
    steps, paths = lists.pop(), [output.after if output.repeated else output.path for output in outputs]
    if steps is not None and (len(steps) + 2 > MAX_DEPTH or not any(output.field.required for output in outputs)):
        return None  # the output lies too deep, or the list may be absent
    if all(len(path) == 1 for path in paths):
        return SinglePassCheck(
            steps, "members", {path[0]: output.field.required for path, output in zip(paths, outputs, strict=True)}
        )
    return SinglePassCheck(steps, "value") if steps is not None and paths == [()] else None


def _budget(outputs: Sequence[_Output], elements: int) -> Budget:
    """The bounds of an answer whose elements may each lack every optional output."""
    absent = sum(not output.field.required for output in outputs)
    places = {output.name: tuple(None if step == EVERY else step for step in output.path) for output in outputs}
    fields = {output.name: output.field for output in outputs}
    return Budget(fields, None, elements // max(1, absent // ABSENT), places)


def _measurements(outputs: Sequence[_Output]) -> Callable[[object], Values]:
    """A function that reads the values of each output from any document."""
    readers = [_values_of(output) for output in outputs]
    names = [output.path[0] for output in outputs if len(output.path) == 1 and not output.repeated]
    if len(names) < len(outputs):
        return lambda document: [tell(document) for tell in readers]

    def tell(document: object) -> Values:
        values = []
        for name in names:  # a comprehension is a function of its own and costs 600 instructions more
            values.append((document.get(name) if isinstance(document, dict) else None,))  # noqa: PERF401
        return values

    return tell


def _values_of(output: _Output) -> Callable[[object], Sequence[object]]:
    """A function that reads the values of one output from any document."""
    before, after = output.before, output.after
    if not output.repeated:
        return lambda document: (_value_at(document, before),)

    def tell(document: object) -> Sequence[object]:
        elements = _value_at(document, before)
        if not isinstance(elements, list):
            return ()
        if len(after) == 1:  # a call for each row would cost twice as much
            name = after[0]
            return [item.get(name) if isinstance(item, dict) else None for item in elements]
        return [_value_at(item, after) for item in elements]

    return tell


def _value_at(value: Any, path: tuple[str, ...]) -> Any:
    """The value at a path; None if there is none."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _document(outputs: Sequence[tuple[tuple[str, ...], "_Output | _Null"]]) -> Schema:
    """The schema of one place of the document, from the outputs at and below it. Raises ContractInvalid."""
    here = [output for path, output in outputs if not path]
    if here:
        if len(outputs) > 1:
            raise ContractInvalid(
                "two outputs share a place, or one stands inside of the other; give each its own `at`", ()
            )
        return here[0].schema()
    steps: dict[str, list[tuple[tuple[str, ...], _Output | _Null]]] = {}
    for path, output in outputs:
        steps.setdefault(path[0], []).append((path[1:], output))
    if EVERY in steps:
        if len(steps) > 1:
            named = ", ".join(sorted(steps.keys() - {EVERY}))
            raise ContractInvalid(
                f"one place is a list (`*`) and has the member {named}: write one of them in each `at`", ()
            )
        return list_schema(_document(steps[EVERY]))
    members: dict[str, tuple[Shape | None, Schema]] = {}
    for name, below in steps.items():
        optional = all(not output.field.required for _, output in below)
        members[name] = (_Optional() if optional else None, _document(below))
    return members_schema(members, "strip")  # the result is discarded: the client gets the answer unchanged


class _Optional:
    """The shape of a member that holds only optional outputs: it may be absent or null."""

    required = False
    nullable = True
    has_default = False

    def __getattr__(self, name: str) -> Any:
        return None


def _put(value: Any, path: tuple[str, ...], new: Any) -> Any:
    if not path:
        return new
    if path[0] == EVERY:
        old = value if isinstance(value, list) else [None] * len(new)
        return [_put(item, path[1:], each) for item, each in zip(old, new, strict=True)]
    result = value if isinstance(value, dict) else {}
    result[path[0]] = _put(result.get(path[0]), path[1:], new)
    return result


def _names(shape: Shape) -> frozenset[str]:
    names: frozenset[str] = frozenset(shape.fields or ())
    for below in (shape.fields or {}).values():
        names |= _names(below)
    return names | _names(shape.items) if shape.items is not None else names
