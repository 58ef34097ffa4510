"""Finds the route of a raw request target, in time that does not depend on the number of routes.

A key is `METHOD /path`. `{x}` is one non-empty raw part of a segment, at most one in each, and `{+x}` one that may hold
`%2F`; `/*`, only last, is everything below. Exact beats template beats wildcard; of two templates (or wildcards) that
could match the same target the one that is narrower in every segment wins, and where neither is, the policy is refused.

Nothing is decoded: what is matched is what is forwarded. A target whose percent-decoded form would match another route
is refused, for a model server that decodes would serve it past the contract of that route. So is one whose `%2F` a
decoding server would read as an empty or a dot segment.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes

from guard.policy.errors import shown
from guard.proxy.values import Refused

T = TypeVar("T")

MAX_SEGMENTS: Final = 64

_KEY = re.compile(r"([A-Z][A-Z-]{0,31}) (/[!-~]*)\Z", re.ASCII)
_PART = re.compile(r"([^{}]*)\{(\+?)[A-Za-z_][A-Za-z0-9_]*\}([^{}]*)\Z", re.ASCII)
_NAMED = re.compile(r"\{\+?[A-Za-z_][A-Za-z0-9_]*\}", re.ASCII)
_DIRTY = re.compile(
    rb"//|/\.\.?(?:/|\Z)"  # a server may merge or remove them
    rb"|%(?:2[eE]|5[cC]|[01][0-9A-Fa-f]|7[fF])|%(?![0-9A-Fa-f]{2})"  # dots, backslashes, controls; no encoding
    rb"|;|[^A-Za-z0-9._~!$&'()*+,=:@/%-]"  # parameters; what is no character of a path (RFC 3986 §3.3)
)  # fmt: skip
_SLASH = re.compile(rb"%2[fF]")
_DIRTY_QUERY = re.compile(rb"[#\x00-\x20\x7f-\xff]")
_NO_ROUTE: Final = frozenset({"CONNECT", "TRACE"})


class Part(NamedTuple):
    """A segment with a `{x}`: what stands before and after it, and whether `%2F` may be in it."""

    prefix: bytes
    suffix: bytes
    slashes: bool = False


Segment: TypeAlias = bytes | Part


class Template(NamedTuple):
    """A parsed route key. `rest`: whether `/*` follows."""

    method: bytes
    segments: tuple[Segment, ...]
    rest: bool

    @property
    def exact(self) -> bytes | None:
        """The one path it matches, if it is one."""
        plain = [segment for segment in self.segments if isinstance(segment, bytes)]
        return None if self.rest or len(plain) != len(self.segments) else b"/" + b"/".join(plain)


class RouteInvalid(ValueError):  # noqa: N818 — a word of the domain
    """A route's key is invalid; `expected` describes a valid one."""

    def __init__(self, message: str, expected: str = "") -> None:
        super().__init__(message)
        self.expected = expected


def template(key: str) -> Template:
    """Read `METHOD /path`. Raises RouteInvalid."""
    match = _KEY.match(key)
    if not match:
        raise RouteInvalid(f"{shown(key)} is not a route", "METHOD /path such as POST /predict")
    method, path = match[1], match[2]
    if method in _NO_ROUTE:
        raise RouteInvalid(f"{method} cannot be routed")
    if method == "HEAD":
        raise RouteInvalid("HEAD uses the GET route", f"GET {path}")
    rest = path.endswith("/*")
    base = path[:-2] if rest else path
    plain = _NAMED.sub("x", path)
    if _DIRTY.search(plain.encode()) or _SLASH.search(plain.encode()):
        raise RouteInvalid(
            f"the path {shown(path)} would never match",
            "no query, //, dot segments, %2e %2f %5c, encoded controls or ; in a path, and only what RFC 3986 §3.3 has",
        )
    segments = tuple(_segment(text) for text in base.split("/")[1:])
    if len(segments) > MAX_SEGMENTS:
        raise RouteInvalid(f"more than {MAX_SEGMENTS} segments")
    return Template(method.encode(), segments, rest)


def _segment(text: str) -> Segment:
    if "*" in text:
        raise RouteInvalid("* stands only last, after a slash", "/* at the end, or {x} for one part of a segment")
    if "{" not in text and "}" not in text:
        return text.encode()
    if match := _PART.match(text):
        return Part(match[1].encode(), match[3].encode(), bool(match[2]))
    raise RouteInvalid(f"cannot read the segment {shown(text)}", "at most one {name} in a segment")


def _within(segment: Segment, other: Segment) -> bool:
    """Whether everything that `segment` matches, `other` matches."""
    if isinstance(other, bytes):
        return segment == other
    if isinstance(segment, bytes):
        return _holds(other, segment)
    narrower = segment.slashes <= other.slashes
    return narrower and segment.prefix.startswith(other.prefix) and segment.suffix.endswith(other.suffix)


def _holds(part: Part, segment: bytes) -> bool:
    return (
        len(segment) > len(part.prefix) + len(part.suffix)
        and segment.startswith(part.prefix)
        and segment.endswith(part.suffix)
        and (part.slashes or _SLASH.search(segment) is None)
    )


def _meet(segment: Segment, other: Segment) -> bool:
    """Whether some segment matches both."""
    if isinstance(segment, bytes) or isinstance(other, bytes):
        return _within(segment, other) or _within(other, segment)
    return (segment.prefix.startswith(other.prefix) or other.prefix.startswith(segment.prefix)) and (
        segment.suffix.endswith(other.suffix) or other.suffix.endswith(segment.suffix)
    )


def _tie(item: Template, other: Template) -> bool:
    if item.exact is not None or other.exact is not None:
        return item[1:] == other[1:]
    if item.rest != other.rest or (not item.rest and len(item.segments) != len(other.segments)):
        return False
    pairs = list(zip(item.segments, other.segments, strict=False))
    if not all(_meet(a, b) for a, b in pairs):
        return False
    if item.segments == other.segments:
        return True
    narrower = len(item.segments) >= len(other.segments) and all(_within(a, b) for a, b in pairs)
    wider = len(item.segments) <= len(other.segments) and all(_within(b, a) for a, b in pairs)
    return not (narrower or wider)


class _Node(Generic[T]):
    __slots__ = ("end", "literals", "parts", "rest")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node[T]] = {}
        self.parts: dict[Part, _Node[T]] = {}
        self.end: T | None = None
        self.rest: T | None = None

    def reach(self, segments: Iterable[Segment]) -> "_Node[T]":
        """The node of a template, made where it is not there yet."""
        node = self
        for segment in segments:
            children: dict[Segment, _Node[T]] = node.literals if isinstance(segment, bytes) else node.parts  # type: ignore[assignment]
            node = children.setdefault(segment, _Node())
        return node

    def seal(self) -> None:
        """Narrow before wide, so that the first match is the right one."""
        self.parts = dict(
            sorted(self.parts.items(), key=lambda item: (-len(item[0].prefix) - len(item[0].suffix), item[0].slashes))
        )
        for child in (*self.literals.values(), *self.parts.values()):
            child.seal()

    def meeting(self, segment: Segment) -> Iterator["_Node[T]"]:
        """Children that could match a segment which `segment` matches."""
        if isinstance(segment, bytes):
            yield from self.below(segment)
            return
        yield from (node for literal, node in self.literals.items() if _holds(segment, literal))
        yield from (node for part, node in self.parts.items() if _meet(segment, part))

    def below(self, segment: bytes) -> Iterator["_Node[T]"]:
        """Children that match a segment, the narrowest first."""
        if (literal := self.literals.get(segment)) is not None:
            yield literal
        for part, node in self.parts.items():
            if _holds(part, segment):
                yield node


def _ended(node: _Node[T], segments: list[bytes], index: int) -> T | None:
    if index == len(segments):
        return node.end
    for below in node.below(segments[index]):
        if (value := _ended(below, segments, index + 1)) is not None:
            return value
    return None


def _under(node: _Node[T], segments: list[bytes], index: int) -> T | None:
    """The deepest wildcard. The slash before `*` must be there, so a segment is always left for it."""
    if index == len(segments):
        return None
    for below in node.below(segments[index]):
        if (value := _under(below, segments, index + 1)) is not None:
            return value
    return None if node.rest is None or _SLASH.search(b"/".join(segments[index:])) else node.rest


class _Table(Generic[T]):
    __slots__ = ("exact", "open", "tree")

    def __init__(self) -> None:
        self.exact: dict[bytes, T] = {}
        self.tree: _Node[T] = _Node()
        self.open = False  # has templates or wildcards

    def find(self, path: bytes) -> T | None:
        if (value := self.exact.get(path)) is not None or not self.open:
            return value
        segments = path.split(b"/")
        ended = _ended(self.tree, segments, 1)
        return _under(self.tree, segments, 1) if ended is None else ended


def ties(templates: Mapping[str, Template]) -> Iterator[tuple[str, str]]:
    """Pairs of keys (later, earlier) of which neither is narrower though some target matches both."""
    exact: dict[tuple[bytes, bytes], str] = {}
    trees: dict[bytes, _Node[str]] = {}
    for key, item in templates.items():
        if (path := item.exact) is not None:
            if (first := exact.setdefault((item.method, path), key)) != key:
                yield key, first
            continue
        tree = trees.setdefault(item.method, _Node())
        for earlier in _meeting(tree, item, 0):
            if _tie(item, templates[earlier]):
                yield key, earlier
        node = tree.reach(item.segments)
        if item.rest:
            node.rest = node.rest or key
        else:
            node.end = node.end or key


def _meeting(node: "_Node[str]", item: Template, index: int) -> Iterator[str]:
    """Templates of the tree below `node` that could match what `item` does from segment `index` on."""
    if item.rest and node.rest is not None:
        yield node.rest
    if index < len(item.segments):
        for child in node.meeting(item.segments[index]):
            yield from _meeting(child, item, index + 1)
    elif item.rest:
        for child in (*node.literals.values(), *node.parts.values()):
            yield from _meeting(child, item, index)
    elif node.end is not None:
        yield node.end


class RouteTable(Generic[T]):
    """Compiled routes. Entries may be anything but None."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        """Compile `(METHOD /path, entry)`. Raises RouteInvalid for a bad key or a tie."""
        self._tables: dict[bytes, _Table[T]] = {}
        read: dict[str, Template] = {}
        for key, entry in entries:
            read[key] = parsed = template(key)
            table = self._tables.setdefault(parsed.method, _Table())
            if (path := parsed.exact) is not None:
                table.exact[path] = entry
                continue
            node, table.open = table.tree.reach(parsed.segments), True
            if parsed.rest:
                node.rest = entry
            else:
                node.end = entry
        for later, earlier in ties(read):
            raise RouteInvalid(f"{shown(later)} and {shown(earlier)} could match the same request")
        for table in self._tables.values():
            table.tree.seal()
        if b"GET" in self._tables:
            self._tables[b"HEAD"] = self._tables[b"GET"]
        self._exact = {(method, path): e for method, table in self._tables.items() for path, e in table.exact.items()}

    def match(self, method: bytes, target: bytes) -> T:
        """The entry for a raw target. Raises Refused: bad_request, not_found, method_not_allowed (with `allow`)."""
        # A registered exact path is clean by construction, so the usual request pays one look-up.
        route = self._exact.get((method, target))
        return self._search(method, target) if route is None else route

    def _search(self, method: bytes, target: bytes) -> T:
        path, _, query = target.partition(b"?")
        if path[:1] != b"/" or _DIRTY.search(path) or (query and _DIRTY_QUERY.search(query)):
            raise Refused("bad_request")
        table = self._tables.get(method)
        route = None if table is None else table.find(path)
        if b"%" in path:
            self._decoded(path, slashes=_SLASH.search(path) is not None)
        if route is not None:
            return route
        allowed = sorted(name for name, other in self._tables.items() if other.find(path) is not None)
        if allowed:
            raise Refused("method_not_allowed", allow=b", ".join(allowed))
        raise Refused("not_found")

    def _decoded(self, path: bytes, *, slashes: bool) -> None:
        """Raises Refused where a server that decodes a path would read another route in it, or another path."""
        decoded = _SLASH.sub(b"%252F", unquote_to_bytes(path))  # encoded twice, it is none to who decodes once
        if slashes and (decoded.endswith(b"/") or _DIRTY.search(_SLASH.sub(b"/", path))):
            raise Refused("bad_request")
        changed = False
        for table in self._tables.values():
            raw, read = table.find(path), table.find(decoded)
            changed = changed or raw is not None
            if raw is not read and not (slashes and read is None):
                raise Refused("bad_request")
        if slashes and not changed:
            raise Refused("bad_request")
