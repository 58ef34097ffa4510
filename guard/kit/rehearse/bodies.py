"""Classes of messy bodies: broken JSON, other media types, sizes, batches. As in `fields`, the expectation is declared.

A class is one function and one line in CLASSES.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from guard.kit.rehearse.canaries import Cage
from guard.kit.rehearse.fields import ANSWERED, Wanted
from guard.kit.rehearse.subject import Subject
from guard.kit.request_builder import builder
from guard.kit.request_builder.values import JSON, Carried, Layout, written

DEPTH: Final = 80
MOST_ROWS: Final = 1000
MOST_BYTES: Final = 64 << 20


class Body(NamedTuple):
    """A body to send in place of a valid one. `content_type` empty: no such header."""

    body: bytes
    sent: str
    wanted: Wanted
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    rows: int | None = None


Bodies: TypeAlias = Callable[[Subject, Cage], Iterator[Body]]


def _unreadable(*codes: str) -> Wanted:
    return Wanted("denied", 400, codes)


def _refused(subject: Subject, *codes: str) -> Wanted:
    """A body that an enforced contract denies, and an observed one only counts."""
    return Wanted("denied", 422, codes) if subject.route.enforce else Wanted("free")


def truncated(subject: Subject, cage: Cage) -> Iterator[Body]:
    """Cut off on its way."""
    body = _good(subject, cage).body
    for length, words in ((len(body) // 2, "the first half"), (len(body) - 1, "all but the last byte"), (0, "nothing")):
        yield Body(body[:length], words, _unreadable("json_syntax", "json_encoding"))


def twice(subject: Subject, cage: Cage) -> Iterator[Body]:
    """A key that stands twice, which two parsers read differently."""
    word = cage.text("a key twice")
    yield Body(_with(subject, cage, b'"%b": 1, "%b": 2' % (word.encode(), word.encode())), "a key twice",
               _unreadable("json_duplicate"))  # fmt: skip


def deep(subject: Subject, cage: Cage) -> Iterator[Body]:
    """Nested deeper than anything needs."""
    member = b'"%b": %b%b' % (cage.text("deep").encode(), b"[" * DEPTH, b"]" * DEPTH)
    yield Body(_with(subject, cage, member), f"lists in lists, {DEPTH} deep", _unreadable("json_depth"))
    yield Body(b'{"a":' * 100_000, "100,000 objects that never end", _unreadable("json_elements"))


def no_numbers(subject: Subject, cage: Cage) -> Iterator[Body]:
    """Numbers that JSON does not have."""
    name = cage.text("no number").encode()
    yield Body(_with(subject, cage, b'"%b": 1e400' % name), "1e400", _unreadable("json_number"))
    if not builder(subject.declared).nan_is_null:
        yield Body(_with(subject, cage, b'"%b": NaN' % name), "NaN", _unreadable("json_number"))


def no_text(subject: Subject, cage: Cage) -> Iterator[Body]:
    """Bytes that are not UTF-8, and half a surrogate pair."""
    name = cage.text("no text").encode()
    yield Body(_with(subject, cage, b'"%b": "\xff\xfe"' % name), "bytes that are not UTF-8", _unreadable("json_encoding"))
    yield Body(_with(subject, cage, b'"%b": "\\ud800"' % name), "half a surrogate pair", _unreadable("json_surrogate"))


def media_type(subject: Subject, cage: Cage) -> Iterator[Body]:
    """Bodies with a wrong media type or coding."""
    good, wanted = _good(subject, cage).body, Wanted("denied", 415, ("unsupported_media_type",))
    uncoded = Wanted("denied", 415, ("coding_unsupported",))
    for kind in ("text/plain", "application/x-www-form-urlencoded", f"{JSON}; charset=utf-16"):
        yield Body(good, kind, wanted, content_type=kind)
    if not subject.route.dialect.tensors:  # those have a form of their own for these
        yield Body(good, "no media type", wanted, content_type="")
        yield Body(good, "an unknown content coding", uncoded, headers=(("content-encoding", "br"),))


def another_shape(subject: Subject, cage: Cage) -> Iterator[Body]:
    """A good JSON value that is no request."""
    wanted = _refused(subject, "shape", "type", "missing", "items", "null", "length")
    document: Any
    for document in (7, None, cage.text("a word as body"), [[[]]]):
        yield Body(json.dumps(document).encode(), f"a body that is {_kind(document)}", wanted)


def huge(subject: Subject, cage: Cage) -> Iterator[Body]:
    """A byte more than is allowed, and as many as are."""
    most = subject.declared.max_body
    if most > MOST_BYTES:
        return
    good = _good(subject, cage).body
    kind = subject.base.content_type if subject.base is not None else JSON
    too_large = Wanted("denied", 413, ("body_too_large",))
    yield Body(good + b" " * (most + 1 - len(good)), f"{most + 1} bytes", too_large, kind)
    if subject.works and kind == JSON and len(good) <= most:
        yield Body(good + b" " * (most - len(good)), f"{most} bytes, most of them blanks", ANSWERED, kind)


def undeclared(subject: Subject, cage: Cage) -> Iterator[Body]:
    """A member that nobody declared, and its name is a secret."""
    name = cage.text("undeclared name")
    layout = subject.layouts[0] if subject.layouts else None
    if subject.instance is None or layout is None or layout.positional or subject.route.dialect.tensors:
        return
    built = layout.carry([{**subject.instance, name: cage.text("undeclared value")}])
    match subject.declared.undeclared:
        case "reject":
            wanted = _refused(subject, "unknown")
        case "strip" if subject.works and subject.route.enforce:
            wanted = ANSWERED
        case _:
            wanted = Wanted("free")
    yield Body(built.body, "an undeclared member", wanted, built.content_type)


def strangers(subject: Subject, cage: Cage) -> Iterator[Body]:
    """Words of a client where nobody looks for them: query, headers."""
    good = _good(subject, cage)
    secrets = (
        ("x-tenant", cage.text("a header")),
        ("referer", f"http://localhost/{cage.text('referer')}"),
        ("x-request-id", cage.text("request id")),
        ("baggage", f"user={cage.text('baggage')}"),
    )
    query = f"?{cage.text('query name')}={cage.text('query value')}"
    yield Body(good.body, "headers and a query that nobody asked for", Wanted("free"), good.content_type, secrets, query)


def batches(subject: Subject, cage: Cage) -> Iterator[Body]:
    """No instance at all; as many as fit; the same one again and again."""
    for layout in subject.layouts if subject.instance is not None else ():
        if not layout.batches:
            continue
        empty = layout.carry([])
        yield Body(empty.body, f"a batch without rows ({layout.name})", _refused(subject, "items", "shape", "missing"),
                   empty.content_type)  # fmt: skip
        if subject.works:
            most, limit = _most(subject, layout), subject.declared.max_rows
            sizes = [(20, "the same row {} times"), (most, "{} rows")]
            if limit is not None and limit < most:
                built = layout.carry([subject.instance or {}] * (limit + 1))
                yield Body(
                    built.body, f"a row more than max_rows ({layout.name})", _refused(subject, "rows"), built.content_type
                )
                sizes = [(min(20, limit), "the same row {} times"), (limit, "{} rows")]
            for count, words in sizes:
                built = layout.carry([subject.instance or {}] * count)
                yield Body(built.body, f"{words.format(count)} ({layout.name})", ANSWERED, built.content_type, rows=count)
    del cage


def other_layouts(subject: Subject, cage: Cage) -> Iterator[Body]:
    """The same instance as other clients of the dialect write it."""
    for layout in subject.layouts[1:] if subject.works and subject.instance is not None else ():
        built = layout.carry([subject.instance or {}])
        yield Body(built.body, f"the layout {layout.name}", ANSWERED, built.content_type)
        half = built.body[: len(built.body) // 2]
        if built.content_type == JSON:
            yield Body(half, f"half of the layout {layout.name}", _unreadable("json_syntax", "json_encoding"))
    del cage


def _good(subject: Subject, cage: Cage) -> Carried:
    """A body that works, or one that at least is JSON."""
    return subject.base if subject.base is not None else written({cage.text("a body"): 1})


def _with(subject: Subject, cage: Cage, member: bytes) -> bytes:
    """A good body with one more member, of text that need be no JSON."""
    good = _good(subject, cage).body
    place = good.find(b"{")
    if place < 0:
        return b"{%b}" % member  # a body without any object: positional rows
    comma = b"" if good[place + 1 :].lstrip()[:1] == b"}" else b", "
    return good[: place + 1] + member + comma + good[place + 1 :]


def _most(subject: Subject, layout: Layout) -> int:
    row = max(1, len(layout.carry([subject.instance or {}] * 2).body) - len(layout.carry([subject.instance or {}]).body))
    return max(2, min(MOST_ROWS, subject.declared.max_body * 8 // 10 // row))


def _kind(document: Any) -> str:
    return {int: "a number", type(None): "null", str: "a text", list: "lists in lists"}[type(document)]


CLASSES: Final[Mapping[str, Bodies]] = {
    "truncated": truncated,
    "duplicate keys": twice,
    "deep": deep,
    "no numbers": no_numbers,
    "no text": no_text,
    "wrong content type": media_type,
    "another shape": another_shape,
    "huge": huge,
    "undeclared": undeclared,
    "unknown headers": strangers,
    "batches": batches,
    "other layouts": other_layouts,
}
"""Classes by their name in the report."""
OPAQUE: Final = frozenset(("wrong content type", "huge", "unknown headers"))
"""Classes that also apply to routes whose body is not read."""
