"""Expressions of rules: CEL, compiled and type-checked against the declared fields when the policy is read.

The engine is Google's C++ CEL (cel-expr-python), imported by the first expression: 30 ms and 16 MB that policies without
rules do not pay. Two things are made easier than CEL has them. Numbers are doubles, as in JSON, so an integer literal
beside a double reads as one (`age < 21`). And a field whose name is no identifier is `input["mean radius"]`, checked like
any other. Mind: the engine evaluates an absent variable to a truthy UNKNOWN, hence `is True` below.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, Protocol

_TOKEN: Final = re.compile(
    r"""\s+|//[^\n]*|(?P<string>[rRbB]{0,2}(?:'''.*?'''|\"{3}.*?\"{3}|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))"""
    r"""|(?P<float>\d+\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+)|(?P<int>0[xX][0-9a-fA-F]+[uU]?|\d+[uU]?)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<operator>&&|\|\||[<>=!]=|.)""",
    re.DOTALL,
)
_OVERLOAD: Final = re.compile(r"<input>:(\d+):(\d+): found no matching overload for '([^']*)' applied to '\((.*?)\)'\n")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "input",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)


class Field(Protocol):
    """What is read of a declared field."""

    @property
    def type(self) -> str: ...
    @property
    def unit(self) -> str | None: ...
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


class ExpressionInvalid(ValueError):  # noqa: N818 — a word of the domain
    """An expression that cannot be compiled; the message is for its author."""


class EvaluationFailed(Exception):  # noqa: N818
    """An expression that had no value for this input."""


class Expression:
    """A compiled expression over one instance."""

    def __init__(self, program: Any, bindings: Sequence[tuple[str, str, Callable[[Any], Any]]]) -> None:
        self._program = program
        self._bindings = bindings

    def __call__(self, instance: Mapping[str, object]) -> object:
        """Its value. Raises EvaluationFailed; no message, for it would quote the input."""
        try:
            data = {variable: read(instance[name]) for variable, name, read in self._bindings}
            value = self._program.eval(data=data)
            kind = value.type().name()
            plain = value.plain_value()
        except Exception:  # noqa: BLE001 — whatever the engine raises: the rung is closed
            raise EvaluationFailed from None
        if kind in ("ERROR", "UNKNOWN", "*error*", "*unknown*") or "UNKNOWN" in kind.upper() or "ERROR" in kind.upper():
            raise EvaluationFailed
        return plain


class Expressions:
    """Compiles expressions over the fields of one route."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self._fields = fields
        self._variables: dict[str, str] = {}  # variable → field
        for index, (name, field) in enumerate(fields.items()):
            if refusal(field) is None:
                bare = _IDENTIFIER.fullmatch(name) is not None and name not in _RESERVED
                self._variables[name if bare else f"field_{index}_"] = name
        self._by_name = {name: variable for variable, name in self._variables.items()}
        self._env: Any = None

    def compile(self, text: str, *, boolean: bool = False) -> Expression:
        """Compile and check. Raises ExpressionInvalid."""
        tokens = self._named(_tokens(text))
        program = self._checked(tokens)
        kind = program.return_type().name()
        if boolean and kind.upper() != "BOOL":
            raise ExpressionInvalid(f"a condition is true or false; this one is a {kind.lower()}")
        used = {token for kind, token in tokens if kind == "name"}
        bindings = [
            (variable, name, reader(self._fields[name])) for variable, name in self._variables.items() if variable in used
        ]
        return Expression(program, bindings)

    def _named(self, tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """input["x"] → its variable; names that a rule may not use are refused."""
        made: list[tuple[str, str]] = []
        index = 0
        while index < len(tokens):
            kind, token = tokens[index]
            after_dot = bool(made) and made[-1][1] == "."
            if token == "input" and kind == "name" and not after_dot:
                if [one for _, one in tokens[index + 1 : index + 4]][:1] != ["["] or tokens[index + 2][0] != "string":
                    raise ExpressionInvalid('write input["name"], with the name of a field')
                made.append(("name", self._variable(tokens[index + 2][1].strip("rRbB").strip("\"'"))))
                index += 4
                continue
            if kind == "name" and token in self._fields and token not in _RESERVED and not after_dot:
                token = self._variable(token)
            made.append((kind, token))
            index += 1
        return made

    def _variable(self, name: str) -> str:
        field = self._fields.get(name)
        if field is None:
            raise ExpressionInvalid(f"no field {name!r} is declared")
        why = refusal(field)
        if why is not None:
            raise ExpressionInvalid(f"the field {name!r} {why}; a rule names only fields that are always there")
        return self._by_name[name]

    def _checked(self, tokens: list[tuple[str, str]]) -> Any:
        from cel_expr_python import cel  # noqa: PLC0415 — only policies with rules pay for it

        if self._env is None:
            kinds = {variable: _type(cel.Type, self._fields[name]) for variable, name in self._variables.items()}
            self._env = cel.NewEnv(variables=kinds)
        while True:
            text = " ".join(token for _, token in tokens)
            try:
                return self._env.compile(text)
            except RuntimeError as error:
                if not _doubled(tokens, str(error)):
                    raise ExpressionInvalid(_readable(str(error))) from None


def refusal(field: Field) -> str | None:
    """Why rules may not name a field."""
    if field.missing == "fall":
        return "may be missing when rules answer (missing: fall)"
    return None if field.required or field.has_default else "is optional and has no default"


def reader(field: Field) -> Callable[[Any], Any]:
    """How a value of a field becomes one of CEL."""
    if field.nullable:
        plain = reader(_NotNull(field))
        return lambda value: None if value is None else plain(value)
    if field.type in ("integer", "number") or (field.type == "timestamp" and field.unit is not None):
        return float
    if field.type == "timestamp":
        return lambda text: datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
    if field.type == "array" and field.items is not None and field.items.type in ("integer", "number"):
        return lambda values: [None if value is None else float(value) for value in values]
    return lambda value: value


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


def _tokens(text: str) -> list[tuple[str, str]]:
    found = [(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(text)]
    return [(kind, token) for kind, token in found if kind]


def _doubled(tokens: list[tuple[str, str]], message: str) -> bool:
    """Make the integer literals beside the operator that has no overload into doubles; False where there is none."""
    match = _OVERLOAD.search(message)
    if match is None or "int" not in match[4] or "double" not in match[4] or match[3] == "_[_]":
        return False
    column, at = int(match[2]) - 1, 0
    for index, (_, token) in enumerate(tokens):
        if at >= column:
            if "list(int)" in match[4]:
                return _double_list(tokens, index)
            return _double_one(tokens, range(index + 1, len(tokens)), "-([") or _double_one(
                tokens, range(index - 1, -1, -1), ")]"
            )
        at += len(token) + 1
    return False


def _double_one(tokens: list[tuple[str, str]], indexes: Any, skipped: str) -> bool:
    for index in indexes:
        kind, token = tokens[index]
        if kind == "int" and token.isascii() and token.isdigit():
            tokens[index] = ("float", f"{token}.0")
            return True
        if token not in skipped:
            return False
    return False


def _double_list(tokens: list[tuple[str, str]], start: int) -> bool:
    changed = False
    for index in range(start, len(tokens)):
        kind, token = tokens[index]
        if kind == "int" and token.isascii() and token.isdigit():
            tokens[index], changed = ("float", f"{token}.0"), True
        if token == "]":
            break
    return changed


def _readable(message: str) -> str:
    """The engine's complaint without its stack of labels and its drawing."""
    line = next((line for line in message.splitlines() if "ERROR" in line), message)
    return re.sub(r"^.*?ERROR: <input>:\d+:\d+: ", "", line).removesuffix(" [INVALID_ARGUMENT]")
