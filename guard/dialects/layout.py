"""Reads and writes JSON bodies that hold instances in a member such as `instances` or `inputs`, in any of their layouts.

In every layout a contract sees a list of instances by field name; amended instances are written back in the same layout.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan, nan
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

from guard.dialects.problem import title
from guard.dialects.requested_outputs import envelope_outputs
from guard.proxy.values import (
    CodecSpec,
    Field,
    Head,
    Headers,
    LayoutError,
    Message,
    ParsedAnswer,
    Problem,
    RequestedOutputs,
    StreamParser,
    Violation,
)

Lies: TypeAlias = Literal["rows", "columns", "either", "split"]
"""The layout of a member's value: a list of rows; a mapping of columns; either of them; pandas' "split"."""

NaN: TypeAlias = Literal["none", "read", "both"]
"""Whether the token NaN is read as a missing value; `both`: a missing value is also written as NaN."""

UNDECLARED: Final = "<undeclared>"


class Members(NamedTuple):
    """Members of a dialect's bodies. `instances`: a body has exactly one of them. `envelope`: the others it may have."""

    instances: Mapping[str, Lies]
    envelope: frozenset[str]


class Fields(NamedTuple):
    """The properties of a route's declared fields that a layout needs."""

    names: tuple[str, ...]  # of positional rows, in order
    sole: str  # the only field, whose value a row that is not an object is; empty if there are more
    sent: frozenset[str]
    shared: frozenset[str]  # members of the envelope that fields refer to
    free: bool = False  # nothing is declared, so instances may be anything

    @classmethod
    def of(cls, spec: CodecSpec, envelope: Iterable[str] = ()) -> "Fields":
        """The properties of the fields that `spec` declares, with members of `envelope` shared by all instances."""
        own = [name for name in spec.inputs if name not in envelope]
        return cls(
            names=spec.columns or (),
            sole=own[0] if len(own) == 1 else "",
            sent=frozenset(name for name, field in spec.inputs.items() if field.send),
            shared=referred(spec) & frozenset(envelope),
            free=not spec.inputs,
        )


def referred(spec: CodecSpec) -> frozenset[str]:
    """The members of an instance that hold declared fields."""
    return frozenset(_first(field.at) if field.at else name for name, field in spec.inputs.items())


def _first(at: str) -> str:
    return at.split("/")[1].replace("~1", "/").replace("~0", "~")


def violation(path: Sequence[str | int], code: Any) -> LayoutError:
    """The LayoutError of one violation at a path of the client's document."""
    return LayoutError(Violation(pointer(path), code))


def pointer(path: Sequence[str | int]) -> str:
    """The JSON pointer of a path (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def in_order(tree: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a changed body in the order of the client's document; new members come last."""
    return {**{name: body[name] for name in tree if name in body}, **body}


class BaseMessage:
    """Defaults of a `Message`: it changes no header field, and it asks for all outputs."""

    def headers(self, body: bytes) -> Mapping[bytes, bytes | None]:
        """No changes of header fields; see Message."""
        del body
        return {}

    def requested_outputs(self, outputs: Mapping[str, Field]) -> RequestedOutputs | None:
        """None: the request asks for all outputs; see Message."""
        del outputs
        return None


class Rows(BaseMessage):
    """A Message whose body is JSON, with the instances in one of its members."""

    stream = once = searched = False
    named = ""
    free_model = False

    def __init__(self, tree: object, members: Members, fields: Fields, spec: CodecSpec, *, nan: NaN = "none") -> None:
        """Read the instances of a document. Raises LayoutError."""
        self._fields, self._dumps, self._nan = fields, spec.dumps, nan
        self.chosen = False
        self._envelope, self._member = _opened(tree if nan == "none" else _missing(tree), members, spec.undeclared)
        value = self._envelope[self._member]
        lies = members.instances[self._member]
        if lies == "split":
            instances = self._split(value)
        elif lies == "columns" or (lies == "either" and isinstance(value, dict)):
            instances = self._columns(value)
        else:
            instances = self._rows(value)
        self.document: object = self._sharing(instances, spec.undeclared) if fields.shared else instances
        shared = fields.shared
        self.beside: dict[str, Any] = {name: value for name, value in self._envelope.items() if name not in shared}
        self.beside[self._member] = {"index": value["index"]} if lies == "split" and "index" in value else None

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _sharing(self, instances: Sequence[Mapping[str, Any]], undeclared: str) -> list[dict[str, Any]]:
        """The instances, each with the shared members; an instance's own member of such a name counts as undeclared."""
        names = self._fields.shared
        own = [{name: value for name, value in row.items() if name not in names} for row in instances]
        overlapping = [index for index, row in enumerate(instances) if len(own[index]) < len(row)]
        if overlapping and undeclared != "strip":  # forwarded, it would be read as the shared member
            raise LayoutError(
                *(Violation(pointer((self._member, index, UNDECLARED)), "unknown") for index in overlapping[:64])
            )
        shared = {name: self._envelope[name] for name in names if name in self._envelope}
        return [{**row, **shared} for row in own]

    def _rows(self, value: object) -> list[dict[str, Any]]:
        if not isinstance(value, list):
            raise violation((self._member,), "shape")
        fields = self._fields
        self._names: Sequence[str] = fields.names
        first = value[0] if value else {}
        if isinstance(first, dict):
            self._lies = "objects"
            self._check(value, lambda row: isinstance(row, dict))
            return value
        if fields.names and isinstance(first, list):
            self._lies = "positional"
            self._check(value, lambda row: isinstance(row, list) and len(row) == len(fields.names))
            return [dict(zip(fields.names, row, strict=True)) for row in value]
        if not fields.sole and not fields.free:
            raise violation((self._member, 0), "shape")
        self._lies = "bare"
        self._check(value, lambda row: not isinstance(row, dict))
        return [{fields.sole: row} for row in value]

    def _check(self, rows: Sequence[object], fits: Callable[[object], bool]) -> None:
        wrong = [index for index, row in enumerate(rows) if not fits(row)][:64]
        if wrong:
            raise LayoutError(*(Violation(pointer((self._member, index)), "shape") for index in wrong))

    def _columns(self, value: object) -> list[dict[str, Any]]:
        self._lies = "columns"
        if not isinstance(value, dict):
            raise violation((self._member,), "shape")
        self._names = list(value)
        lengths = {len(column) if isinstance(column, list) else -1 for column in value.values()}
        if len(lengths) > 1 or -1 in lengths:
            raise violation((self._member,), "shape")
        return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]

    def _split(self, value: object) -> list[dict[str, Any]]:
        self._lies = "split"
        known = {"columns", "data", "index"}
        if not isinstance(value, dict) or not value.keys() <= known or not isinstance(value.get("data"), list):
            raise violation((self._member,), "shape")
        names = value.get("columns", list(self._fields.names))
        if self._fields.free and isinstance(names, list):
            names = [str(name) for name in names]  # pandas numbers columns without a name
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise violation((self._member, "columns"), "shape")
        if len(set(names)) != len(names):
            raise violation((self._member, "columns"), "items")
        self._names = names
        rows = value["data"]
        wrong = [i for i, row in enumerate(rows) if not isinstance(row, list) or len(row) != len(names)][:64]
        if wrong:
            raise LayoutError(*(Violation(pointer((self._member, "data", index)), "shape") for index in wrong))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def holds(self, member: str) -> bool:
        """Whether the client's own body has a member of that name beside the instances."""
        return member in self._envelope

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, document: Any) -> bytes:
        """Write the document in the layout of the request; see Message."""
        envelope, rows = self.beside, document
        if names := self._fields.shared:
            envelope = envelope | (
                {name: value for name, value in document[0].items() if name in names} if document else {}
            )
            rows = [{name: value for name, value in row.items() if name not in names} for row in document]
        if self._nan == "both":
            rows = [{name: _token(value) for name, value in row.items()} for row in rows]
        body = {**envelope, self._member: self._laid(rows)}
        if self._nan == "both":
            return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return self._dumps(body)

    def _laid(self, rows: Any) -> object:
        match self._lies:
            case "objects":
                return rows
            case "bare":
                return [row.get(self._fields.sole) for row in rows]
        present = {name for row in rows for name in row}
        columns = [name for name in self._names if name in present or name in self._fields.sent]
        columns += sorted(present.difference(columns))
        if self._lies == "columns":
            return {name: [row.get(name) for row in rows] for name in columns}
        laid = [[row.get(name) for name in columns] for row in rows]
        return (
            laid if self._lies == "positional" else {"columns": columns, "data": laid, **(self.beside[self._member] or {})}
        )

    def requested_outputs(self, outputs: Mapping[str, Field]) -> RequestedOutputs | None:
        """The outputs that the request asks for, None for all; see Message."""
        return envelope_outputs(self._envelope.keys() - {self._member} - self._fields.shared, outputs)

    def locate(self, path: Sequence[str | int]) -> str:
        """The pointer into the client's own document for a path of the contract's document; see Message."""
        if not path:
            return pointer((self._member,))
        row, *below = path
        if below and below[0] in self._fields.shared:
            return pointer(below)
        if not below:
            return pointer((self._member, *(("data",) if self._lies == "split" else ()), row))
        name, *rest = below
        place = self._names.index(str(name)) if self._lies in ("positional", "split") and name in self._names else name
        match self._lies:
            case "bare":
                return pointer((self._member, row, *rest))
            case "columns":
                return pointer((self._member, name, row, *rest))
            case "split":
                return pointer((self._member, "data", row, place, *rest))
        return pointer((self._member, row, place, *rest))


def _opened(tree: object, members: Members, undeclared: str) -> tuple[dict[str, Any], str]:
    """The body, and the name of the member that holds the instances. Raises LayoutError."""
    if not isinstance(tree, dict):
        raise violation((), "shape")
    present = [name for name in members.instances if name in tree]
    if len(present) != 1:
        raise violation((), "missing") if not present else violation((present[1],), "unknown")
    known = members.envelope | {present[0]}
    unknown = tree.keys() - known
    if unknown and undeclared == "reject":
        raise violation((UNDECLARED,), "unknown")
    if unknown and undeclared == "strip":
        tree = {name: value for name, value in tree.items() if name in known}
    return tree, present[0]


def answer_tree(spec: CodecSpec, body: bytes) -> Any:
    """The document of an answer; NaN tokens are missing values. Raises Unreadable."""
    tree = spec.loads_answer(body)
    return _missing(tree) if b"NaN" in body else tree


def _missing(value: Any) -> Any:
    """The value with None in place of each NaN."""
    if isinstance(value, list):
        return [_missing(item) for item in value]
    if isinstance(value, dict):
        return {name: _missing(item) for name, item in value.items()}
    return None if isinstance(value, float) and isnan(value) else value


def _token(value: Any) -> Any:
    if isinstance(value, list):
        return [_token(item) for item in value]
    return nan if value is None else value


class JsonForm:
    """A RouteCodec of JSON bodies with their instances in a member, and of JSON answers."""

    single = False

    def __init__(self, spec: CodecSpec, members: Members, *, nan: NaN = "none") -> None:
        self._spec, self._members, self._nan = spec, members, nan
        self._fields = Fields.of(spec, members.envelope)

    def read(self, head: Head, body: bytes) -> Message | None:
        """Read a request; None for a content type that the route does not take; see RouteCodec."""
        if not self._spec.is_json(head):
            return None
        nan: NaN = self._nan if b"NaN" in body else "none"
        return Rows(self._spec.loads(body, nan != "none"), self._members, self._fields, self._spec, nan=nan)

    def read_answer(self, headers: Headers, body: bytes, without: frozenset[str] = frozenset()) -> ParsedAnswer:
        """Read an answer of the model server; see RouteCodec."""
        del headers, without
        return ParsedAnswer(self._spec.loads(body, False) if self._nan == "none" else answer_tree(self._spec, body))

    def write_answer(self, document: Any, message: object) -> tuple[bytes, bytes]:
        """Write an answer that guard made; see RouteCodec."""
        del message
        return b"application/json", self._spec.dumps(document)

    def inspector(self, message: Message | None, headers: Headers) -> StreamParser | None:
        """None: answers are not streamed."""
        del message, headers
        return None


def error_member(problem: Problem, **also: str) -> tuple[bytes, bytes]:
    """The error body of KServe, Triton, MLServer and TensorFlow Serving, `{"error": text}` with guard's own members."""
    body = {
        "error": f"guard: {one_line(problem)}",
        **also,
        "code": problem.code,
        "request_id": problem.request_id,
        "violations": [{"pointer": item.pointer, "code": item.code} for item in problem.violations],
    }
    return b"application/json", orjson.dumps({**body, "reason": problem.word} if problem.word else body)


def one_line(problem: Problem) -> str:
    """The text of an error in one line; it holds only guard's own words and declared names."""
    violations = ", ".join(f"{item.pointer or '/'} {item.code}" for item in list(problem.violations)[:5])
    return f"{title(problem)} ({violations})" if violations else title(problem)
