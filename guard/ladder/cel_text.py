"""Writes the tree of a rule as the text that the engine compiles: names become variables, and every number is a double.

**Names.** A field becomes a variable of guard's own (`field_3_`), so that a field called `type`, `int` or `list` causes no
collision. The name that a macro binds becomes one too (`local_0_`). A bare name is the macro's, else a field, else CEL's.

**Numbers.** A number in a rule is a double, as in JSON: `7 / 2` is 3.5 everywhere. CEL's integers stay only where its
grammar requires them: as an index, as the key of a map literal, as an operand of `%`. An integer result of CEL's functions
(`size(x)`, `t.getHours()`) becomes a double.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, assert_never

from guard.ladder.cel_tree import (
    Binary,
    Call,
    Chain,
    Choice,
    ExpressionInvalid,
    Index,
    ListOf,
    Literal,
    MapOf,
    Member,
    Name,
    Node,
    Unary,
    string_value,
)

INTEGER_FUNCTIONS: Final = frozenset(["int", "size"])
INTEGER_METHODS: Final = frozenset(
    ["getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes",
     "getMonth", "getSeconds", "size"]
)  # fmt: skip
MACROS: Final[Mapping[str, tuple[int, ...]]] = {
    "all": (2,),
    "exists": (2,),
    "exists_one": (2,),
    "existsOne": (2,),
    "filter": (2,),
    "map": (2, 3),
}
"""Methods whose first argument names each element → the possible numbers of arguments."""

INPUT: Final = "input"
OWN: Final = re.compile(r"(?:field|local)_\d+_")
"""Matches the names that this module generates."""

_STRENGTH: Final = {"||": 1, "&&": 2, "in": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "==": 3, "!=": 3, "+": 4, "-": 4}
_TIMES: Final = 5
_UNARY: Final = 6
_PRIMARY: Final = 7


class Writer:
    """Writes the tree of one expression."""

    def __init__(
        self, fields: Mapping[str, object], variable: Callable[[str], str], numeric: Callable[[str], bool]
    ) -> None:
        """`variable`: a field's name → its variable, or raises ExpressionInvalid. `numeric`: whether it is a number."""
        self._fields = fields
        self._variable = variable
        self._numeric = numeric
        self._locals: dict[str, str] = {}
        self._count = 0
        self.used: set[str] = set()
        """The variables of fields that were written."""
        self.nullable: frozenset[str] = frozenset()
        """Fields whose comparison with null becomes one with themselves, so that types are checked without null."""

    def write(self, node: Node, least: int = 0) -> str:
        """The text of a node, in parentheses if it binds weaker than `least`. Raises ExpressionInvalid."""
        text, strength = self._text(node)
        return f"({text})" if strength < least else text

    def field_of(self, node: Node) -> str | None:
        """The field that a node names, bare or as input["name"]; None if it names no field. Raises ExpressionInvalid."""
        if isinstance(node, Name) and node.text not in self._locals and node.text != INPUT and node.text in self._fields:
            return node.text
        if isinstance(node, Index) and node.operand == Name(INPUT) and INPUT not in self._locals:
            if isinstance(node.index, Literal) and node.index.kind == "string":
                return string_value(node.index.text)
            raise ExpressionInvalid('write input["name"], with the name of a field')
        return None

    def _text(self, node: Node) -> tuple[str, int]:
        """The text of a node, and how strongly it binds."""
        match node:
            case Unary():
                text = self.write(node.operand, _PRIMARY)
                literal = node.sign == "-" and text[0] in ".0123456789"  # else the engine reads the sign as the literal's
                return (f"-({text})" if literal else node.sign + text), _UNARY
            case Binary():
                return self._binary(node)
            case Chain():
                strength = _STRENGTH[node.sign]
                return f" {node.sign} ".join(self.write(part, strength + 1) for part in node.parts), strength
            case Choice():
                return f"{self.write(node.condition, 1)} ? {self.write(node.yes, 1)} : {self.write(node.no)}", 0
            case _:
                return self._primary(node), _PRIMARY

    def _primary(self, node: Literal | Name | Member | Index | Call | ListOf | MapOf) -> str:
        if (name := self.field_of(node)) is not None:
            variable = self._variable(name)
            self.used.add(variable)
            return variable
        match node:
            case Literal():
                return _text(node) if node.kind == "string" else _number(node)
            case Name():
                return self._named(node.text)
            case Member():
                return f"{self.write(node.operand, _PRIMARY)}.{node.name}"
            case Index():
                return f"{self.write(node.operand, _PRIMARY)}[{self._index(node.index)}]"
            case Call():
                return self._call(node)
            case ListOf():
                return f"[{', '.join(self.write(item) for item in node.items)}]"
            case MapOf():
                return f"{{{', '.join(f'{self._raw(key)}: {self.write(value)}' for key, value in node.entries)}}}"
            case _:
                assert_never(node)

    def _named(self, name: str) -> str:
        if name in self._locals:
            return self._locals[name]
        if name == INPUT:
            raise ExpressionInvalid('write input["name"], with the name of a field')
        if OWN.fullmatch(name):
            raise ExpressionInvalid(f"undeclared reference to {name!r}")
        return name

    def _binary(self, node: Binary) -> tuple[str, int]:
        if node.sign == "%":
            return f"double({self._integer(node.left)} % {self._integer(node.right)})", _PRIMARY
        strength = _STRENGTH.get(node.sign, _TIMES)
        left, right = node.left, node.right
        if node.sign in ("==", "!="):
            for item, other in ((left, right), (right, left)):
                if item == Literal("word", "null") and self.field_of(other) in self.nullable:
                    left = right = other
        return f"{self.write(left, strength)} {node.sign} {self.write(right, strength + 1)}", strength

    def _call(self, node: Call) -> str:
        if node.target is None:
            if node.function == "timestamp" and len(node.arguments) == 1 and self.is_number(node.arguments[0]):
                return f"timestamp({self._integer(node.arguments[0])})"
            text = f"{node.function}({', '.join(self.write(argument) for argument in node.arguments)})"
            return f"double({text})" if node.function in INTEGER_FUNCTIONS else text
        target = self.write(node.target, _PRIMARY)
        arguments = node.arguments
        if len(arguments) in MACROS.get(node.function, ()) and isinstance(arguments[0], Name):
            return f"{target}.{node.function}({self._bound(arguments[0].text, arguments[1:])})"
        text = f"{target}.{node.function}({', '.join(self.write(argument) for argument in arguments)})"
        return f"double({text})" if node.function in INTEGER_METHODS else text

    def _bound(self, name: str, arguments: tuple[Node, ...]) -> str:
        before = self._locals.get(name)
        self._locals[name] = f"local_{self._count}_"
        self._count += 1
        try:
            return ", ".join([self._locals[name], *(self.write(argument) for argument in arguments)])
        finally:
            if before is None:
                del self._locals[name]
            else:
                self._locals[name] = before

    def _raw(self, node: Node) -> str:
        return node.text if isinstance(node, Literal) and node.kind == "int" else self.write(node)

    def _integer(self, node: Node) -> str:
        """The text of a number as an integer, cut to its whole part. Raises ExpressionInvalid for a fractional literal."""
        if isinstance(node, Literal) and node.kind == "float" and not float(node.text).is_integer():
            raise ExpressionInvalid(f"% takes whole numbers, not {node.text}")
        return node.text if isinstance(node, Literal) and node.kind == "int" else f"int({self.write(node)})"

    def _index(self, node: Node) -> str:
        """The text of an index. A computed number is wrapped in `dyn`: CEL then takes a whole double as an index."""
        if isinstance(node, Literal) and node.kind == "int":
            return node.text
        return f"dyn({self.write(node)})" if self.is_number(node) else self.write(node)

    def is_number(self, node: Node) -> bool:
        """Whether a node is certainly a number."""
        match node:
            case Literal():
                return node.kind in ("int", "float")
            case Unary():
                return node.sign == "-"
            case Binary():
                return node.sign in "*/%" or (
                    node.sign in "+-" and (self.is_number(node.left) or self.is_number(node.right))
                )
            case Call():
                return node.function in (INTEGER_FUNCTIONS | {"double"} if node.target is None else INTEGER_METHODS)
            case _:
                name = self.field_of(node)
                return name is not None and self._numeric(name)


def _text(literal: Literal) -> str:
    r"""The literal of a text, with escapes: the engine misreads some raw literals (`r'\'`). Bytes stay unchanged."""
    value = string_value(literal.text)
    if value is None:
        return literal.text
    escaped = (f"\\u{ord(sign):04x}" if sign < " " or sign in '\\"\x7f' else sign for sign in value)
    return f'"{"".join(escaped)}"'


def _number(literal: Literal) -> str:
    """The text of an integer literal as a double. Raises ExpressionInvalid if no double equals it."""
    if literal.kind != "int":
        return literal.text
    value = int(literal.text, 16 if "x" in literal.text.lower() else 10)
    if len(literal.text) > 300 or int(float(value)) != value:
        raise ExpressionInvalid(f"no double is {literal.text[:40]} exactly; a number of a rule is a double")
    return f"{value}.0"
