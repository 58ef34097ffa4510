"""Every messy request of a route, made from its contract, with what must happen to it."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from guard.kit.rehearse import bodies, fields
from guard.kit.rehearse.canaries import Cage
from guard.kit.rehearse.fields import ANSWERED, MessyValue, Scene, Wanted
from guard.kit.rehearse.leaves import ABSENT, Leaf, at, changed, leaves
from guard.kit.rehearse.subject import Subject
from guard.kit.rehearse.values import Request
from guard.kit.request_builder import builder
from guard.kit.request_builder.values import Layout

RANDOM = "whatever is allowed"
REPEATED = "the same request again"


class Case(NamedTuple):
    """One request. `field`: what is messy of it, empty for its whole body. `rows`: so many answers are due."""

    kind: str
    field: str
    sent: str
    request: Request
    wanted: Wanted
    rows: int | None = None
    passes: str = ""


def every(subjects: Sequence[Subject], cage: Cage, wall: float) -> Iterator[tuple[Subject, Case]]:
    """Cases of all routes in turn, so that the time does not end before the last route was tried."""
    for turn in zip_longest(*(_of(subject, cage, wall) for subject in subjects)):
        yield from (pair for pair in turn if pair is not None)


def _of(subject: Subject, cage: Cage, wall: float) -> Iterator[tuple[Subject, Case]]:
    for case in cases(subject, cage, wall):
        yield subject, case


def cases(subject: Subject, cage: Cage, wall: float) -> Iterator[Case]:
    """One case of each class, then the next of each: a rehearsal that runs out of time has seen all of them."""
    rounds = [_field_class(name, subject, cage, wall) for name in fields.CLASSES]
    rounds += [_body_class(name, subject, cage) for name in bodies.CLASSES]
    rounds += [_random(subject), _repeated(subject)]
    for turn in zip_longest(*rounds):
        for case in turn:
            if case is not None and (case.wanted.verdict != "answered" or subject.works):
                yield case


def _field_class(name: str, subject: Subject, cage: Cage, wall: float) -> Iterator[Case]:
    if subject.instance is None or not subject.layouts:
        return
    for layout in subject.layouts[:1]:
        for leaf in leaves(subject.declared.inputs):
            if _reached(subject, leaf, layout):
                scene = Scene(
                    cage, wall, at(subject.instance, leaf.path), layout.positional, layout.textual,
                    subject.route.dialect.tensors, subject.declared.max_body,
                )  # fmt: skip
                for value in fields.CLASSES[name](leaf, scene):
                    yield _case(name, subject, layout, leaf, value)


def _reached(subject: Subject, leaf: Leaf, layout: Layout) -> bool:
    """Whether the field has a place in the request: what is around it is there, and the dialect has it on the wire."""
    if leaf.path[0] in builder(subject.declared).virtual:
        return False
    if layout.positional and leaf.path[0] not in (subject.declared.columns or ()):
        return False
    return len(leaf.path) == 1 or at(subject.instance or {}, leaf.path[:-1]) not in (ABSENT, None)


def _case(name: str, subject: Subject, layout: Layout, leaf: Leaf, value: MessyValue) -> Case:
    carried = layout.carry([changed(subject.instance or {}, leaf.path, value.value)])
    wanted = value.wanted
    if not subject.route.enforce and wanted.verdict in {"denied", "lowered"}:
        wanted = Wanted("free")  # counted, and let through: what the model makes of it is not declared
    request = subject.request(carried.body, carried.content_type)
    return Case(name, leaf.name, value.sent, request, wanted, _rows(layout), value.passes)


def _rows(layout: Layout) -> int | None:
    """The number of answers due for one instance, if it is counted."""
    return 1 if layout.batches else None


def _body_class(name: str, subject: Subject, cage: Cage) -> Iterator[Case]:
    if subject.declared.input is None and name not in bodies.OPAQUE:
        return
    for body in bodies.CLASSES[name](subject, cage):
        if body.wanted.status == 415 and not _typed(subject, body.content_type):
            continue
        request = subject.request(body.body, body.content_type, body.headers, body.query)
        yield Case(name, "", body.sent, request, body.wanted, body.rows)


def _typed(subject: Subject, content_type: str) -> bool:
    """Whether the route refuses that media type."""
    declared = subject.declared
    return declared.input is not None or (declared.content is not None and content_type not in declared.content)


def _random(subject: Subject) -> Iterator[Case]:
    for layout in subject.layouts[:1]:
        for instance in subject.more:
            carried = layout.carry([instance])
            request = subject.request(carried.body, carried.content_type)
            yield Case(RANDOM, "", "an instance that the contract allows", request, ANSWERED, _rows(layout))


def _repeated(subject: Subject) -> Iterator[Case]:
    if subject.base is not None:
        for _ in range(5):
            yield Case(REPEATED, "", "the request that works, again", subject.good(), ANSWERED)
