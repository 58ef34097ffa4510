"""Expressions of rules: CEL, compiled and type-checked against the declared fields when the policy is read.

The engine is Google's C++ CEL (cel-expr-python). The first expression imports it: 30 ms and 16 MB that policies without
rules do not pay. Every number is a double, as in JSON (`age < 21`), and a field whose name is not an identifier is
`input["mean radius"]`, checked like any other: `cel_text.py` writes the text that the engine compiles from the parsed tree.
The engine evaluates an absent variable to UNKNOWN, which Python takes as true; so `Rules` compares with `is True`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

from guard.ladder.cel_text import Writer
from guard.ladder.cel_tree import ExpressionInvalid, Node, parse

_OWN_FIELD: Final = re.compile(r"field_(\d+)_")


class Field(Protocol):
    """A declared field: its type, and whether it may be null, absent or defaulted."""

    @property
    def type(self) -> str: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def zone(self) -> str | None: ...
    @property
    def required(self) -> bool: ...
    @property
    def nullable(self) -> bool: ...
    @property
    def has_default(self) -> bool: ...
    @property
    def missing(self) -> Literal["deny", "fall"]: ...
    @property
    def items(self) -> Any: ...


class EvaluationFailed(Exception):  # noqa: N818
    """The failure of an expression that has no value for this input."""


class Expression:
    """A compiled expression over one instance."""

    def __init__(
        self, program: Any, bindings: Sequence[tuple[str, str, Callable[[Any], Any]]], *, integral: bool = False
    ) -> None:
        self._program = program
        self._bindings = bindings
        self._integral = integral

    def __call__(self, instance: Mapping[str, object]) -> object:
        """The value for one instance. Raises EvaluationFailed, without a message, which would quote the input."""
        try:
            data = {variable: read(instance[name]) for variable, name, read in self._bindings}
            value = self._program.eval(data=data)
            kind = value.type().name()
            plain = value.plain_value()
        except Exception:  # noqa: BLE001 — any error of the engine: there is no value
            raise EvaluationFailed from None
        if kind in ("ERROR", "UNKNOWN", "*error*", "*unknown*") or "UNKNOWN" in kind.upper() or "ERROR" in kind.upper():
            raise EvaluationFailed
        return int(plain) if self._integral and isinstance(plain, float) and plain.is_integer() else plain


class Expressions:
    """Compiles expressions over the fields of one route."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self._fields = fields
        self._names = list(fields)
        self._variables = {name: f"field_{number}_" for number, name in enumerate(fields)}
        self._env: Any = None
        self._env_without_null: Any = None

    def compile(self, text: str, *, boolean: bool = False, integral: bool = False) -> Expression:
        """Compile and type-check an expression. `boolean`: it must be a condition. `integral`: 2.0 becomes the integer 2.

        Raises ExpressionInvalid.
        """
        tree = parse(text)
        writer = self._writer()
        program = self._checked(writer.write(tree))
        kind = program.return_type().name()
        if boolean and kind.upper() != "BOOL":
            raise ExpressionInvalid(f"a condition is true or false; this one is a {kind.lower()}")
        bindings = [
            (variable, name, reader(self._fields[name]))
            for name, variable in self._variables.items()
            if variable in writer.used
        ]
        if any(self._fields[name].nullable for _, name, _ in bindings):
            self._check_without_null(tree)
        return Expression(program, bindings, integral=integral)

    def _writer(self) -> Writer:
        return Writer(self._fields, self._variable, lambda name: _is_number(self._fields[name]))

    def _variable(self, name: str) -> str:
        field = self._fields.get(name)
        if field is None:
            raise ExpressionInvalid(f"no field {name!r} is declared")
        why = refusal(field)
        if why is not None:
            raise ExpressionInvalid(f"the field {name!r} {why}; a rule names only fields that are always there")
        return self._variables[name]

    def _checked(self, text: str) -> Any:
        if self._env is None:
            self._env = self._environment(nullable=True)
        return self._compiled(self._env, text)

    def _check_without_null(self, tree: Node) -> None:
        """Check the types again as if no field were null: the engine checks no type of a field that may be null.

        Raises ExpressionInvalid.
        """
        if self._env_without_null is None:
            self._env_without_null = self._environment(nullable=False)
        writer = self._writer()
        writer.nullable = frozenset(name for name, field in self._fields.items() if field.nullable)
        self._compiled(self._env_without_null, writer.write(tree))

    def _environment(self, *, nullable: bool) -> Any:
        from cel_expr_python import cel  # noqa: PLC0415 — only policies with rules pay for it

        fields = {name: field for name, field in self._fields.items() if refusal(field) is None}
        kinds = {
            self._variables[name]: _type(cel.Type, field if nullable or not field.nullable else _NotNull(field))
            for name, field in fields.items()
        }
        return cel.NewEnv(variables=kinds)

    def _compiled(self, env: Any, text: str) -> Any:
        try:
            return env.compile(text)
        except RuntimeError as error:
            raise ExpressionInvalid(self._readable(str(error))) from None

    def _readable(self, message: str) -> str:
        """The engine's error message without its prefix and its drawing, and with the fields' own names."""
        line = next((line for line in message.splitlines() if "ERROR" in line), message.partition("\n")[0])
        line = re.sub(r"^.*?ERROR: <input>:-?\d+:-?\d+: ", "", line).removesuffix(" [INVALID_ARGUMENT]")
        return _OWN_FIELD.sub(lambda match: self._names[int(match[1])], line)


def refusal(field: Field) -> str | None:
    """The reason that rules may not name a field, as the end of a sentence; None if they may."""
    if field.missing == "fall":
        return "may be missing when rules answer (missing: fall)"
    return None if field.required or field.has_default else "is optional and has no default"


def reader(field: Field) -> Callable[[Any], Any]:
    """A function that converts a value of a field to the value that CEL takes."""
    if field.nullable:
        plain = reader(_NotNull(field))
        return lambda value: None if value is None else plain(value)
    if _is_number(field):
        return float
    if field.type == "timestamp":
        zone = field.zone
        return lambda text: _time(text, zone)
    return _doubles if field.type in ("array", "object") else _same


def _time(text: str, zone: str | None) -> datetime:
    """The time that a text means, read as `guard.contract.validators.moment` reads it; a local time is in `zone`."""
    time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
    return time.replace(tzinfo=ZoneInfo(zone)) if time.tzinfo is None and zone is not None else time


def _same(value: Any) -> Any:
    return value


def _doubles(value: Any) -> Any:
    """A list or an object with every number in it as a double."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dict):
        return {name: _doubles(member) for name, member in value.items()}
    return [_doubles(item) for item in value] if isinstance(value, list) else value


def _is_number(field: Field) -> bool:
    return field.type in ("integer", "number") or (field.type == "timestamp" and field.unit is not None)


class _NotNull:
    def __init__(self, field: Field) -> None:
        self._field = field
        self.nullable = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._field, name)


def _type(kinds: Any, field: Field) -> Any:
    if field.nullable:
        return kinds.DYN
    match field.type:
        case "integer" | "number":
            return kinds.DOUBLE
        case "boolean":
            return kinds.BOOL
        case "string":
            return kinds.STRING
        case "timestamp":
            return kinds.TIMESTAMP if field.unit is None else kinds.DOUBLE
        case "array":
            item = _type(kinds, field.items) if field.items is not None else kinds.DYN
            return kinds.List(item)
        case _:
            return kinds.Map(kinds.STRING, kinds.DYN)
