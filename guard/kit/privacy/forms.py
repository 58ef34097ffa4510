"""Forms in which each value reaches model, log, trace, metric and cache: one function for each place.

They say what `guard.policy.disclosure`, `guard.contract.scrub`, `guard.contract.profile` and `guard.ladder.cached` do: a
change there is a change here. A part of a field goes where its field goes, but for what is searched in it.
"""

from typing import Final

from guard.kit.description import ContractDescription, Value
from guard.kit.privacy.values import Form
from guard.policy import disclosure
from guard.policy.fields import InputField, OutputField, Shape
from guard.policy.ladder import Cached
from guard.policy.scalars import write_duration, write_size

NEVER: Final = Form("never", "never")
VALUE: Final = Form("value", "value")
SEARCHED: Final = Form("value", "value, searched by every detector")
TYPE_ONLY: Final = Form("type_only", "`<dict>` in its place")
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean", "timestamp"})
_TEXTS: Final = frozenset({"string", "timestamp"})


def model(field: Value, around: ContractDescription) -> Form:
    """The form in which the model server receives an input."""
    if not around.has_place(field.full_name):
        return Form("never", "never: no column holds it")
    if not _field(field).send:
        return Form("never", "never sent")
    detectors = field.detectors
    if around.observe:
        unsent = any(not field.send for field in around.contract.inputs.values())
        text = "the client's own value, as it was sent" if unsent else "the client's own bytes"
        return Form("client_bytes", text + ("; `detect` replaces nothing" if detectors else ""))
    if not detectors:
        return VALUE
    where = "" if field.shape.detect else " in its parts"
    return Form("replaced", f"value with {', '.join(detectors)} replaced{where}")


def log(field: Value, around: ContractDescription) -> Form:
    """The form of an input in a sampled log line."""
    top, part = _field(field), field.part
    if not around.has_place(field.full_name) or top.sensitivity == "secret":
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
            return _part_shown(top, field.shape) if part else shown(top, batch=around.contract.rows is not None)
    return NEVER


def shown(shape: Shape, *, batch: bool) -> Form:
    """The form that the fence gives a value that may be shown (`guard.privacy.fence`)."""
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


def trace(around: ContractDescription) -> Form:
    """The form of a value in spans."""
    return NEVER if around.policy.privacy.traces != "off" else Form("never", "never: no traces")


def metric(field: Value, around: ContractDescription) -> Form:
    """The form of an input in metrics."""
    if not around.has_place(field.full_name):
        return NEVER
    shape, forms = field.shape, ["violations"]
    if isinstance(shape, InputField):
        if not shape.required or shape.nullable:
            forms.append("defaulted" if shape.has_default else "missing")
        bounds = shape.min is not None or shape.max is not None
        if bounds and shape.type in {"integer", "number"}:
            forms.append("at bound")
        if shape.freshness is not None:
            forms += ["aging", "age in a histogram"]
    detectors = field.detectors
    if detectors and not around.observe:
        forms.append(f"redactions ({', '.join(detectors)})")
    return Form("counts", f"counts only: {', '.join(forms)}" + (", under its field's name" if field.part else ""))


def cached_input(field: Value, around: ContractDescription) -> Form | None:
    """The form of an input in the cache; None without a cached rung."""
    cached = around.contract.fallback.cached
    if cached is None:
        return None
    if not around.keeps:
        return Form("never", _nothing_kept(around))
    if not _field(field).send or not around.has_place(field.full_name):
        return Form("never", "no")
    if cached.key is not None and field.full_name not in cached.key:
        return Form("never", "no: not in `key`")
    replaced = ", after replacement" if field.detectors else ""
    return Form("digest", f"in a keyed digest, part of the key{replaced}")


def output_log(output: Value, around: ContractDescription) -> Form:
    """The form of an output in a sampled log line."""
    if around.contract.stream:
        return Form("never", "never: a streamed answer is not read")
    if not _measured(output, around):
        return NEVER
    if output.part:
        return _part_shown(output.top, output.shape)
    return shown(output.shape, batch=around.contract.rows is not None)


def measured(output: Value, around: ContractDescription) -> Form:
    """The form of an output in metrics."""
    if around.contract.stream:
        return Form("never", "never: a streamed answer is not read")
    if not _measured(output, around):
        return Form("counts", "counts only: violations" + (", under its output's name" if output.part else ""))
    (measure,) = disclosure.measures({output.full_name: _output(output)})
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


def cached_output(around: ContractDescription) -> Form | None:
    """The form of an output in the cache; None without a cached rung."""
    cached = around.contract.fallback.cached
    if cached is None:
        return None
    return Form("kept", kept_text(cached)) if around.keeps else Form("never", _nothing_kept(around))


def kept_text(cached: Cached) -> str:
    """The lifetime and number of cached answers, in words."""
    age, size = write_duration(cached.max_age), write_size(cached.bytes)
    return f"kept in memory for {age}, at most {cached.entries} answers and {size}"


def _nothing_kept(around: ContractDescription) -> str:
    return "no: nothing is kept under observe" if around.observe else "no: a streamed answer is not kept"


def _measured(output: Value, around: ContractDescription) -> bool:
    """Whether the plan measures the output as a whole."""
    return not around.contract.stream and bool(disclosure.measures({output.full_name: _output(output)}))


def _field(value: Value) -> InputField:
    """The field that a value is, or is a part of."""
    assert isinstance(value.top, InputField)
    return value.top


def _output(value: Value) -> OutputField:
    """The output that a value is, or is a part of."""
    assert isinstance(value.top, OutputField)
    return value.top
