"""In what form each value reaches model, log, trace, metric and cache: one function for each place.

They say what `guard.policy.telling`, `guard.contract.scrub`, `guard.contract.profile` and `guard.ladder.cached` do: a
change there is a change here. A part of a field goes where its field goes, but for what is searched in it.
"""

from dataclasses import dataclass
from typing import Final

from guard.kit.privacy.values import Form
from guard.policy import telling
from guard.policy.fields import InputField, OutputField, Shape
from guard.policy.ladder import Cached
from guard.policy.route import Route
from guard.policy.scalars import write_duration, write_size

NEVER: Final = Form("never", "never")
VALUE: Final = Form("value", "value")
SEARCHED: Final = Form("value", "value, searched by every detector")
TYPE_ONLY: Final = Form("type_only", "`<dict>` in its place")
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean", "timestamp"})
_TEXTS: Final = frozenset({"string", "timestamp"})


@dataclass(frozen=True, slots=True)
class Around:
    """What decides the forms besides the field itself."""

    key: str
    route: Route
    hash_key: bool
    traces: bool

    @property
    def observe(self) -> bool:
        """Whether the contract is only looked at."""
        return self.route.enforcement == "observe"

    @property
    def keeps(self) -> bool:
        """Whether answers enter the cache."""
        return not self.observe and not self.route.stream

    def has_place(self, name: str) -> bool:
        """Whether a field can be in a request at all: a positional row holds only its columns."""
        return self.route.columns is None or name in self.route.columns


@dataclass(frozen=True, slots=True)
class Field:
    """A top-level field, or a part of one: `shape` is what is reported, `top` the field that it belongs to."""

    name: str
    top: InputField
    shape: Shape

    @property
    def part(self) -> bool:
        """Whether it is inside another."""
        return self.shape is not self.top


@dataclass(frozen=True, slots=True)
class Answered:
    """A declared output, or a part of one."""

    name: str
    top: OutputField
    shape: Shape

    @property
    def part(self) -> bool:
        """Whether it is inside another."""
        return self.shape is not self.top


def searched(shape: Shape) -> list[str]:
    """The detectors of a shape and of everything inside it, each once."""
    below = [*(shape.fields or {}).values(), *([shape.items] if shape.items is not None else [])]
    found = [*shape.detect, *(one for inner in below for one in searched(inner))]
    return list(dict.fromkeys(found))


def model(field: Field, around: Around) -> Form:
    """What the model server receives of an input."""
    if not around.has_place(field.name):
        return Form("never", "never: no column holds it")
    if not field.top.send:
        return Form("never", "never sent")
    detectors = searched(field.shape)
    if around.observe:
        unsent = any(not one.send for one in around.route.inputs.values())
        text = "the client's own value, as it was sent" if unsent else "the client's own bytes"
        return Form("client_bytes", text + ("; `detect` replaces nothing" if detectors else ""))
    if not detectors:
        return VALUE
    where = "" if field.shape.detect else " in its parts"
    return Form("replaced", f"value with {', '.join(detectors)} replaced{where}")


def log(field: Field, around: Around) -> Form:
    """What a sampled line of the log shows of an input."""
    top, part = field.top, field.part
    if not around.has_place(field.name) or top.sensitivity == "secret":
        return NEVER
    match top.treatment:
        case "mask":
            return Form("never", "never: its field is `[masked]`") if part else Form("masked", "`[masked]`")
        case "hash" if not around.hash_key:
            redacted = "`[redacted]`, no `privacy.hash_key`"
            return Form("never", f"never: its field is {redacted}") if part else Form("redacted", redacted)
        case "hash":
            return Form("hash", ("inside its field's " if part else "") + "keyed hash (HMAC-SHA-256)")
        case None if top.log:
            return _part_shown(field.top, field.shape) if part else shown(top, batch=around.route.rows is not None)
    return NEVER


def shown(shape: Shape, *, batch: bool) -> Form:
    """What the fence makes of a value that may be shown (`guard.privacy.fence`)."""
    if shape.type == "object":
        return TYPE_ONLY
    if shape.type != "array":
        return SEARCHED if shape.type in _TEXTS else VALUE
    if shape.items is not None and shape.items.type not in _SCALARS:
        return Form("type_only", "the name of each item's type")
    several = "; `<list>` where a request has several rows" if batch else ""
    return Form("value", "value, texts searched by every detector" + several)


def _part_shown(top: Shape, part: Shape) -> Form:
    if top.items is part and part.type in _SCALARS:
        return SEARCHED if part.type in _TEXTS else VALUE
    return Form("never", "never: only the type of what holds it")


def trace(around: Around) -> Form:
    """What spans hold of a value."""
    return NEVER if around.traces else Form("never", "never: no traces")


def metric(field: Field, around: Around) -> Form:
    """What is counted of an input."""
    if not around.has_place(field.name):
        return NEVER
    shape, found = field.shape, ["violations"]
    if isinstance(shape, InputField):
        if not shape.required or shape.nullable:
            found.append("defaulted" if shape.has_default else "missing")
        bounds = shape.min is not None or shape.max is not None
        if bounds and shape.type in {"integer", "number"}:
            found.append("at bound")
        if shape.freshness is not None:
            found += ["aging", "age in a histogram"]
    detectors = searched(shape)
    if detectors and not around.observe:
        found.append(f"redactions ({', '.join(detectors)})")
    return Form("counts", f"counts only: {', '.join(found)}" + (", under its field's name" if field.part else ""))


def cached_input(field: Field, around: Around) -> Form | None:
    """What the cache holds of an input; None without a cached rung."""
    cached = around.route.fallback.cached
    if cached is None:
        return None
    if not around.keeps:
        return Form("never", _nothing_kept(around))
    if not field.top.send or not around.has_place(field.name):
        return Form("never", "no")
    if cached.key is not None and field.name not in cached.key:
        return Form("never", "no: not in `key`")
    replaced = ", after replacement" if searched(field.shape) else ""
    return Form("digest", f"in a keyed digest, part of the key{replaced}")


def told(output: Answered, around: Around) -> Form:
    """What a sampled line of the log shows of an output."""
    if around.route.stream:
        return Form("never", "never: a streamed answer is not read")
    if not _measured(output, around):
        return NEVER
    if output.part:
        return _part_shown(output.top, output.shape)
    return shown(output.shape, batch=around.route.rows is not None)


def measured(output: Answered, around: Around) -> Form:
    """What is measured of an output."""
    if around.route.stream:
        return Form("never", "never: a streamed answer is not read")
    if not _measured(output, around):
        return Form("counts", "counts only: violations" + (", under its output's name" if output.part else ""))
    (measure,) = telling.measures({output.name: output.top})
    if output.part:
        return Form("counts", "counts only: violations, under its output's name")
    match measure.kind:
        case "class":
            return Form("classes", "class counts")
        case "number" if measure.low is not None and measure.high is not None:
            return Form("histogram", "histogram within its bounds")
        case "number":
            return Form("histogram", "histogram")
        case "vector":
            return Form("largest", "histogram of the largest value of the vector")
        case _:
            return Form("counts", "counts only: present, missing")


def cached_output(around: Around) -> Form | None:
    """What the cache holds of an answer; None without a cached rung."""
    cached = around.route.fallback.cached
    if cached is None:
        return None
    return Form("kept", kept_text(cached)) if around.keeps else Form("never", _nothing_kept(around))


def kept_text(cached: Cached) -> str:
    """How long and how many answers are kept."""
    age, size = write_duration(cached.max_age), write_size(cached.bytes)
    return f"kept in memory for {age}, at most {cached.entries} answers and {size}"


def _nothing_kept(around: Around) -> str:
    return "no: nothing is kept under observe" if around.observe else "no: a streamed answer is not kept"


def _measured(output: Answered, around: Around) -> bool:
    """As the plan decides it, for the output as a whole."""
    return not around.route.stream and bool(telling.measures({output.name: output.top}))
