"""CEL as a tree: a lexer and a parser of the language's grammar, without messages (`Name{…}`) and optional syntax.

Guard parses rules itself because it changes their names and numbers before the engine reads them (`cel_text.py`). A change
in the text alone is not safe: only the tree tells a name from a string. Source: the language definition of cel-spec
(doc/langdef.md). Macros stay calls: the engine expands them.
"""

import re
import sys
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

MOST_NESTED: Final = 32
"""Largest nesting depth of an expression, and most operators in a row: the engine's own limit."""

RESERVED: Final = frozenset(
    ["as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
     "namespace", "null", "package", "return", "true", "var", "void", "while"]
)  # fmt: skip
"""Words that may not be identifiers."""

_TOKEN: Final = re.compile(
    r"""[ \t\r\n\f]+|//[^\n]*"""
    r"""|(?P<string>(?:[bB]?[rR]|[rR][bB])(?:'''.*?'''|\"{3}.*?\"{3}|'[^'\r\n]*'|"[^"\r\n]*")"""
    r"""|[bB]?(?:'''(?:\\.|[^\\])*?'''|\"{3}(?:\\.|[^\\])*?\"{3}|'(?:\\.|[^'\\\r\n])*'|"(?:\\.|[^"\\\r\n])*"))"""
    r"""|(?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)"""
    r"""|(?P<uint>(?:0[xX][0-9a-fA-F]+|\d+)[uU])|(?P<int>0[xX][0-9a-fA-F]+|\d+)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<quoted>`[A-Za-z0-9_./ -]+`)"""
    r"""|(?P<sign>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]{}])""",
    re.DOTALL | re.ASCII,
)
_ESCAPE: Final = re.compile(
    r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | {
    sign: sign for sign in "\\?\"'`"
}

_LEVELS: Final[tuple[tuple[str, ...], ...]] = (
    ("<", "<=", ">", ">=", "==", "!=", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
"""Operators with two operands, the weakest first; they associate to the left."""


class ExpressionInvalid(ValueError):  # noqa: N818 — a word of the domain
    """An expression that cannot be compiled; the message is for its author."""


@dataclass(frozen=True, slots=True)
class Literal:
    """`kind`: int, uint, float, string (also of bytes), or word (true, false, null). `text`: as written in the rule."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier that stands alone."""

    text: str


@dataclass(frozen=True, slots=True)
class Member:
    """`operand.name`; a quoted name keeps its quotes."""

    operand: "Node"
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[index]`."""

    operand: "Node"
    index: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`, or `target.function(arguments)`."""

    function: str
    target: "Node | None"
    arguments: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Unary:
    """`!` or `-` before its operand."""

    sign: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between its operands."""

    sign: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Chain:
    """`&&` or `||` between two parts or more."""

    sign: str
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? yes : no`."""

    condition: "Node"
    yes: "Node"
    no: "Node"


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[items]`."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{key: value}`."""

    entries: "tuple[tuple[Node, Node], ...]"


Node: TypeAlias = Literal | Name | Member | Index | Call | Unary | Binary | Chain | Choice | ListOf | MapOf


def parse(text: str) -> Node:
    """The tree of an expression. Raises ExpressionInvalid."""
    return _Parser(text).expression()


def string_value(literal: str) -> str | None:
    """The text that a string literal stands for; None for a bytes literal. Raises ExpressionInvalid."""
    prefix = literal[: min(literal.index(quote) for quote in "'\"" if quote in literal)].lower()
    if "b" in prefix:
        return None
    body = literal[len(prefix) :]
    size = 3 if body[:3] in ("'''", '"""') and len(body) >= 6 else 1
    body = body[size:-size]
    return body if "r" in prefix else _ESCAPE.sub(_unescaped, body)


def _unescaped(match: "re.Match[str]") -> str:
    if code := match[1] or match[2] or match[3]:
        value = int(code, 16)
    elif match[4]:
        value = int(match[4], 8)
    elif match[5] in _LETTERS:
        return _LETTERS[match[5]]
    else:
        raise ExpressionInvalid(f"{match[0]!r} is no escape; write r'...' for a text without escapes")
    if value > sys.maxunicode or 0xD800 <= value < 0xE000:
        raise ExpressionInvalid(f"{match[0]!r} is no character")
    return chr(value)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int]] = []
        self._at = 0
        self._depth = 0
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                self._wrong(f"cannot read {text[position]!r}", position)
            if match.lastgroup is not None:
                self._tokens.append((match.lastgroup, match.group(), position))
            position = match.end()
        self._tokens.append(("end", "", len(text)))

    def expression(self) -> Node:
        node = self._expression()
        if self._tokens[self._at][0] != "end":
            self._unexpected("an operator or the end")
        return node

    def _wrong(self, message: str, position: int) -> NoReturn:
        raise ExpressionInvalid(f"Syntax error at character {position + 1}: {message}")

    def _unexpected(self, expected: str) -> NoReturn:
        kind, token, position = self._tokens[self._at]
        self._wrong(f"{'the end' if kind == 'end' else repr(token)} in place of {expected}", position)

    def _peek(self, *signs: str) -> bool:
        kind, token, _ = self._tokens[self._at]
        return token in signs and (kind == "sign" or token == "in")

    def _take(self, *signs: str) -> str | None:
        if not self._peek(*signs):
            return None
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _need(self, sign: str) -> None:
        if self._take(sign) is None:
            self._unexpected(repr(sign))

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise ExpressionInvalid(f"nested more than {MOST_NESTED} deep")
        node = self._chain("||")
        if self._take("?"):
            yes = self._chain("||")
            self._need(":")
            node = Choice(node, yes, self._expression())
        self._depth -= 1
        return node

    def _chain(self, sign: str) -> Node:
        parts = [self._chain("&&") if sign == "||" else self._binary(0)]
        while self._take(sign):
            parts.append(self._chain("&&") if sign == "||" else self._binary(0))
        return parts[0] if len(parts) == 1 else Chain(sign, tuple(parts))

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node, count = self._binary(level + 1), 0
        while sign := self._take(*_LEVELS[level]):
            count += 1
            if count > MOST_NESTED:
                raise ExpressionInvalid(f"more than {MOST_NESTED} operators in a row")
            node = Binary(sign, node, self._binary(level + 1))
        return node

    def _unary(self) -> Node:
        sign, odd = self._take("!", "-"), True
        while sign is not None and self._take(sign):
            odd = not odd
        kind, token, position = self._tokens[self._at]
        if sign == "-" and odd and kind in ("int", "float"):
            self._tokens[self._at] = (kind, "-" + token, position)
            return self._member()
        node = self._member()
        return Unary(sign, node) if sign is not None and odd else node

    def _member(self) -> Node:
        node, count = self._primary(), 0
        while sign := self._take(".", "["):
            count += 1
            if count > MOST_NESTED:
                raise ExpressionInvalid(f"nested more than {MOST_NESTED} deep")
            if sign == "[":
                node = Index(node, self._expression())
                self._need("]")
                continue
            kind, name, _ = self._tokens[self._at]
            if kind not in ("name", "quoted"):
                self._unexpected("a name")
            self._at += 1
            called = kind == "name" and self._take("(") is not None
            node = Call(name, node, self._items(")")) if called else Member(node, name)
        return node

    def _primary(self) -> Node:
        kind, token, _ = self._tokens[self._at]
        if kind in ("int", "uint", "float", "string"):
            self._at += 1
            return Literal(kind, token)
        if kind == "name" and token != "in":
            return self._named(token)
        if self._take("("):
            node = self._expression()
            self._need(")")
            return node
        if self._take("["):
            return ListOf(self._items("]"))
        if not self._take("{"):
            self._unexpected("a value")
        return MapOf(self._entries())

    def _named(self, name: str) -> Node:
        self._at += 1
        if name in ("true", "false", "null"):
            return Literal("word", name)
        if name in RESERVED:
            self._at -= 1
            self._wrong(
                f'{name!r} is a reserved word of CEL; a field of this name is input["{name}"]', self._tokens[self._at][2]
            )
        if self._peek("{"):
            self._wrong("messages are no part of a rule", self._tokens[self._at][2])
        return Call(name, None, self._items(")")) if self._take("(") else Name(name)

    def _items(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._take(end):
            if items:
                self._need(",")
                if end == "]" and self._take(end):
                    break
            items.append(self._expression())
        return tuple(items)

    def _entries(self) -> tuple[tuple[Node, Node], ...]:
        entries: list[tuple[Node, Node]] = []
        while not self._take("}"):
            if entries:
                self._need(",")
                if self._take("}"):
                    break
            key = self._expression()
            self._need(":")
            entries.append((key, self._expression()))
        return tuple(entries)
