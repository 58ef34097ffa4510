"""Warnings for rules that may meet a value which they cannot use: a null, an absent member or an absent item.

CEL's `&&` is false if one part is false, and `||` is true if one part is true, even if another part fails. So a part is
guarded by each other part, on either side: by its being true in `&&`, by its being false in `||`.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, Protocol, TypeAlias

from guard.ladder.cel_text import INPUT, MACROS
from guard.ladder.cel_tree import (
    Binary,
    Call,
    Chain,
    Choice,
    ExpressionInvalid,
    Index,
    ListOf,
    MapOf,
    Member,
    Name,
    Node,
    Unary,
    parse,
    string_value,
)
from guard.ladder.cel_tree import Literal as LiteralNode

Path: TypeAlias = tuple[str, ...]
Fact: TypeAlias = tuple[Literal["there", "long"], Path]
_TAKES_NULL: Final = frozenset(["dyn", "type"])
_RELATIONS: Final = frozenset(["<", "<=", ">", ">=", "==", "!="])


class Shape(Protocol):
    """A declared value: its type, and whether it may be null or absent."""

    @property
    def nullable(self) -> bool: ...
    @property
    def required(self) -> bool: ...
    @property
    def has_default(self) -> bool: ...
    @property
    def type(self) -> str: ...
    @property
    def min_items(self) -> int | None: ...
    @property
    def fields(self) -> "Mapping[str, Shape] | None": ...


def doubts(text: str, fields: Mapping[str, Shape]) -> list[str]:
    """One sentence for each value that the declarations allow and the expression cannot use, with the guard to write.

    Empty for an expression that does not parse: the compiler of rules reports that error.
    """
    try:
        tree = parse(text)
        return list(dict.fromkeys(_Reader(fields).doubts(tree, frozenset(), takes_null=True)))
    except ExpressionInvalid:
        return []  # the compiler of rules reports it


class _Reader:
    def __init__(self, fields: Mapping[str, Shape]) -> None:
        self._fields = fields
        self._bound: tuple[str, ...] = ()

    def doubts(self, node: Node, known: frozenset[Fact], *, takes_null: bool = False) -> Iterator[str]:
        if (path := self._path(node)) is not None:
            yield from self._of_path(path, known, takes_null=takes_null)
            return
        match node:
            case Chain():
                for number, part in enumerate(node.parts):
                    others = (other for index, other in enumerate(node.parts) if index != number)
                    learnt = (fact for other in others for fact in self._facts(other, truth=node.sign == "&&"))
                    yield from self.doubts(part, known.union(learnt))
            case Choice():
                yield from self.doubts(node.condition, known)
                for branch, truth in ((node.yes, True), (node.no, False)):
                    facts = self._facts(node.condition, truth=truth)
                    yield from self.doubts(branch, known.union(facts), takes_null=takes_null)
            case Call():
                yield from self._of_call(node, known)
            case Index():
                yield from self._of_item(node, known)
            case _:
                for below, null in _below(node):
                    yield from self.doubts(below, known, takes_null=null)

    def _of_call(self, node: Call, known: frozenset[Fact]) -> Iterator[str]:
        arguments = node.arguments
        if node.target is None and node.function == "has":
            return
        if node.target is not None:
            yield from self.doubts(node.target, known)
            if len(arguments) in MACROS.get(node.function, ()) and isinstance(arguments[0], Name):
                self._bound = (*self._bound, arguments[0].text)
                for argument in arguments[1:]:
                    yield from self.doubts(argument, known)
                self._bound = self._bound[:-1]
                return
        for argument in arguments:
            yield from self.doubts(argument, known, takes_null=node.function in _TAKES_NULL)

    def _of_item(self, node: Index, known: frozenset[Fact]) -> Iterator[str]:
        yield from self.doubts(node.operand, known)
        yield from self.doubts(node.index, known)
        path = self._path(node.operand)
        shape = self._shape(path) if path is not None else None
        if path is None or shape is None or shape.type != "array" or ("long", path) in known:
            return
        number = int(node.index.text, 0) if isinstance(node.index, LiteralNode) and node.index.kind == "int" else None
        if number is None or (shape.min_items or 0) <= number:
            name = _shown(path)
            bound = number if number is not None else "…"
            yield f"{name} may have fewer items, and the rule does not apply then; write size({name}) > {bound} && …"

    def _of_path(self, path: Path, known: frozenset[Fact], *, takes_null: bool) -> Iterator[str]:
        for length in range(1, len(path) + 1):
            part, shape = path[:length], self._shape(path[:length])
            last = length == len(path)
            if ("there", part) in known:
                continue
            if length > 1 and (shape is None or not (shape.required or shape.has_default)):
                name = _shown(part)
                yield f"{name} may be absent, and the rule does not apply then; write has({name}) && …"
                return
            if shape is not None and shape.nullable and not (last and takes_null):
                name = _shown(part)
                yield f"{name} may be null, and the rule does not apply then; write {name} != null && …"
                return

    def _facts(self, node: Node, *, truth: bool) -> Iterator[Fact]:
        """The facts that hold when a condition has this truth value."""
        match node:
            case Unary(sign="!"):
                yield from self._facts(node.operand, truth=not truth)
            case Chain() if (node.sign == "&&") is truth:
                for part in node.parts:
                    yield from self._facts(part, truth=truth)
            case Call(function="has", target=None) if truth and node.arguments:
                if (path := self._path(node.arguments[0])) is not None:
                    yield "there", path
            case Binary() if node.sign in _RELATIONS:
                yield from self._compared(node, truth=truth)
            case Binary(sign="in") if truth and isinstance(node.left, LiteralNode) and node.left.kind == "string":
                path, name = self._path(node.right), string_value(node.left.text)
                if path is not None and name is not None:
                    yield "there", (*path, name)
            case _:
                pass

    def _compared(self, node: Binary, *, truth: bool) -> Iterator[Fact]:
        for item, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(item, Call) and item.function == "size":
                measured = item.target if item.target is not None else (item.arguments or (None,))[0]
                if measured is not None and (path := self._path(measured)) is not None:
                    yield "long", path
            is_null = other == LiteralNode("word", "null")
            if (path := self._path(item)) is not None:
                equal = (node.sign == "==") is truth if node.sign in ("==", "!=") else truth
                if is_null is not equal:  # it differs from null, or equals a value other than null
                    yield "there", path

    def _path(self, node: Node) -> Path | None:
        """The field that a node names and the members below it; None if the node names no field."""
        match node:
            case Name() if node.text in self._fields and node.text not in self._bound and node.text != INPUT:
                return (node.text,)
            case Member():
                above = self._path(node.operand)
                return None if above is None else (*above, node.name.strip("`"))
            case Index() if isinstance(node.index, LiteralNode) and node.index.kind == "string":
                name = string_value(node.index.text)
                if name is None:
                    return None
                if node.operand == Name(INPUT) and INPUT not in self._bound:
                    return (name,) if name in self._fields else None
                above = self._path(node.operand)
                return None if above is None else (*above, name)
            case _:
                return None

    def _shape(self, path: Path) -> Shape | None:
        shape = self._fields.get(path[0])
        for name in path[1:]:
            shape = (shape.fields or {}).get(name) if shape is not None else None
        return shape


def _below(node: Node) -> Iterator[tuple[Node, bool]]:
    """The parts of a node, each with whether it may be null there."""
    match node:
        case Unary() | Member():
            yield node.operand, False
        case Binary():
            yield node.left, node.sign in ("==", "!=", "in")
            yield node.right, node.sign in ("==", "!=")
        case ListOf():
            yield from ((item, True) for item in node.items)
        case MapOf():
            for key, value in node.entries:
                yield key, False
                yield value, True
        case _:
            pass


def _shown(path: Path) -> str:
    first, *below = path
    text = first if first.isidentifier() and first.isascii() else f'input["{first}"]'
    return "".join([text, *(f".{name}" if name.isidentifier() and name.isascii() else f".`{name}`" for name in below)])
