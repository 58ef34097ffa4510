"""A request of the Open Inference Protocol: reads its tensors as instances, and writes them back with correct lengths."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from math import prod
from typing import Any, Final

from guard.dialects.layout import pointer, violation
from guard.dialects.requested_outputs import tensor_outputs
from guard.dialects.tensors import (
    DATATYPES,
    MOST_RANK,
    TEXT,
    Tensor,
    decoded,
    encoded,
    flat,
    hold,
    holds,
    is_nested,
    position,
    settled,
    slices,
)
from guard.proxy.values import CodecSpec, Field, Head, LayoutError, RequestedOutputs, Violation

ENVELOPE: Final = frozenset(("id", "parameters", "inputs", "outputs"))
SAID_TWICE: Final = frozenset(("model_name",))
"""Members that KServe's own client adds. They are not part of the protocol and not forwarded: the path names the model."""
MEMBERS: Final = frozenset(("name", "shape", "datatype", "parameters", "data"))
MOST_ELEMENTS: Final = 1 << 28
MOST_EMPTY: Final = 10_000
"""Largest dimension of a tensor that has another dimension of 0, because its instances cost no bytes to send."""
_MODEL: Final = re.compile(rb"/v2/models/([^/?]{1,128})")
_WIRE: Final = {"integer": "INT64", "number": "FP64", "boolean": "BOOL", "string": "BYTES"}


class TensorMessage:
    """A Message. Instances are rows of tensors: `{tensor: value}`, or by column where a tensor holds the rows."""

    stream = chosen = searched = False
    named = ""
    free_model = False

    def __init__(
        self,
        spec: CodecSpec,
        tree: dict[str, Any],
        tensors: list[Tensor],
        *,
        model: str,
        raw: bool,
        framed: bool,
        typed: bool,
    ) -> None:
        """Count and check the instances of the tensors. Raises LayoutError.

        `raw`: the body is one tensor and nothing else. `framed`: the head has its JSON's length. `typed`: and its type.
        """
        self._spec, self._tree, self._raw, self._framed, self._typed = spec, tree, raw, framed, typed
        self.model, self.id = model, tree.get("id")
        check_envelope(tree)
        parameters = tree.get("parameters")
        self.once = isinstance(parameters, dict) and "sequence_id" in parameters  # Triton's extension for stateful models
        self._tensors = tensors
        self._place = {tensor.name: index for index, tensor in enumerate(tensors)}
        self._json_length = 0
        self._one_instance = False  # nothing is declared, and the tensors differ in their first dimension
        self._rows = spec.rows[1:] if spec.rows and spec.columns else ""
        self.count = self._counted()
        self.document: object = self._instances()
        self.beside: dict[str, Any] = {name: value for name, value in tree.items() if name != "inputs"}
        own = [tensor.rest for tensor in tensors]
        if tree:
            self.beside["inputs"] = own if any(own) else None

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _counted(self) -> int:
        """The number of instances: the first dimension of every tensor that they do not share. Raises LayoutError."""
        counts = {}
        for index, tensor in enumerate(self._tensors):
            self._fits(tensor, index)
            if not self._is_shared(tensor.name):
                counts[index] = tensor.shape[0] if tensor.shape else 1
        if not counts:
            return 1
        count = next(iter(counts.values()))
        wrong = [Violation(pointer(("inputs", index, "shape")), "shape") for index, item in counts.items() if item != count]
        if wrong and not self._spec.inputs:
            self._one_instance = True
            return 1
        if wrong:
            raise LayoutError(*wrong)
        return count

    def _fits(self, tensor: Tensor, index: int) -> None:
        """Prove that a tensor has its declared datatype and shape. Raises LayoutError."""
        if tensor.name == self._rows:
            if len(tensor.shape) != 2 or tensor.shape[1] != len(self._spec.columns or ()):
                raise violation(("inputs", index, "shape"), "shape")
            return
        field = self._field(tensor.name)
        if field is None:
            return
        if field.datatype is not None and tensor.datatype != field.datatype:
            raise violation(("inputs", index, "datatype"), "type")
        declared = field.shape
        if declared is None:
            if field.type != "array" and tensor.shape[1:] not in ((), (1,)):
                raise violation(("inputs", index, "shape"), "shape")
        elif len(declared) != len(tensor.shape) or any(
            want not in (-1, got) for want, got in zip(declared, tensor.shape, strict=True)
        ):
            raise violation(("inputs", index, "shape"), "shape")

    def _field(self, name: str) -> Field | None:
        return self._spec.inputs.get(name)

    def _is_shared(self, name: str) -> bool:
        """Whether all instances share a tensor: its first declared dimension is a number and no batch."""
        field = self._field(name)
        return self._one_instance or (field is not None and bool(field.shape) and field.shape[0] != -1)  # type: ignore[index]

    def _scalar(self, name: str) -> bool:
        field = self._field(name)
        if field is not None:
            return field.type != "array"
        return self._tensors[self._place[name]].shape[1:] in ((), (1,))

    def _instances(self) -> list[dict[str, Any]]:
        instances: list[dict[str, Any]] = [{} for _ in range(self.count)]
        for tensor in self._tensors:
            if tensor.name == self._rows:
                for row, values in zip(instances, slices(tensor, scalar=False, shared=False), strict=True):
                    row.update(zip(self._spec.columns or (), values, strict=True))
                continue
            shared = self._is_shared(tensor.name)
            values = slices(tensor, scalar=self._scalar(tensor.name), shared=shared)
            if shared and self._scalar(tensor.name):
                values = tensor.data[:1]
            for index, row in enumerate(instances):
                row[tensor.name] = values[0 if shared else index]
        return instances

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, document: Any) -> bytes:
        """Write the document in the layout of the request; see Message."""
        written = list(self._written(document))
        for tensor in written:
            if not holds(tensor.data, tensor.datatype):  # a default that this tensor's datatype cannot hold
                raise violation(("inputs", self._place.get(tensor.name, "-"), "datatype"), "type")
        if self._raw:
            return encoded(written[0].data, written[0].datatype)
        inputs, parts = [], []
        for tensor in written:
            rest = dict(tensor.rest)
            entry: dict[str, Any] = {"name": tensor.name, "shape": list(tensor.shape), "datatype": tensor.datatype}
            if tensor.binary:
                part = encoded(tensor.data, tensor.datatype)
                parts.append(part)
                rest["parameters"] = {**(rest.get("parameters") or {}), "binary_data_size": len(part)}
            else:
                rest["data"] = tensor.data
            inputs.append({**entry, **rest})
        text = self._spec.dumps({**self.beside, "inputs": inputs})
        self._json_length = len(text)
        return b"".join((text, *parts))

    def _written(self, document: Sequence[Mapping[str, Any]]) -> Iterator[Tensor]:
        """The tensors that hold the document's values; one that no instance has any more is left out."""
        columns = self._spec.columns or ()
        rests: Sequence[dict[str, Any]] = self.beside.get("inputs") or [{}] * len(self._tensors)
        renamed: list[Tensor] = []
        for tensor, rest in zip(self._tensors, rests, strict=True):
            if tensor.name == self._rows:
                sent = [name for name in columns if self._spec.inputs[name].send]
                data = [row.get(name) for row in document for name in sent]
                places = [at for at, name in enumerate(columns) if self._spec.inputs[name].send]
                old = [tensor.data[row * len(columns) + at] for row in range(len(document)) for at in places]
                data = settled(old, data, tensor.datatype)
                yield tensor._replace(data=data, shape=(len(document), len(sent)), rest=rest)
            elif any(tensor.name in row for row in document):
                data = settled(tensor.data, self._gathered(tensor, document), tensor.datatype)
                yield tensor._replace(data=data, rest=rest)
            elif tensor.name not in self._spec.inputs:
                renamed.append(tensor._replace(rest=rest))
        known = self._place.keys() | (set(columns) if self._rows else set())
        for name in dict.fromkeys(name for row in document for name in row if name not in known):
            if name in self._spec.inputs:
                yield self._tensor_of(name, [row.get(name) for row in document])
            else:  # a part of an undeclared tensor's name was replaced; members keep their order
                tensor = renamed.pop(0)
                data = self._gathered(tensor, [{tensor.name: row[name]} for row in document])
                yield tensor._replace(name=name, data=data)

    def _gathered(self, tensor: Tensor, document: Sequence[Mapping[str, Any]]) -> list[Any]:
        shared, scalar = self._is_shared(tensor.name), self._scalar(tensor.name)
        if shared:
            value = document[0][tensor.name]
            return [value] if scalar else value
        if scalar:
            return [row.get(tensor.name) for row in document]
        return list(chain.from_iterable(row[tensor.name] for row in document if tensor.name in row))

    def _tensor_of(self, name: str, values: list[Any]) -> Tensor:
        """The tensor of a default, which the client did not send."""
        field = self._spec.inputs[name]
        nested = isinstance(values[0], list)
        shape: tuple[int, ...] = (len(values), len(values[0])) if nested else (len(values),)
        if field.shape is not None:
            shape = tuple(len(values) if size == -1 and not index else size for index, size in enumerate(field.shape))
        data = list(chain.from_iterable(values)) if nested else values
        return Tensor(name, field.datatype or default_datatype(field, "BYTES"), shape, data, False, {})

    def headers(self, body: bytes) -> Mapping[bytes, bytes | None]:
        """Header fields of the written body: its JSON's length, no content coding, and a type if the client sent none.

        tritonclient sends none, and KServe refuses JSON without one.
        """
        del body
        changes: dict[bytes, bytes | None] = {b"content-encoding": None}
        if not self._typed and not self._framed:
            changes[b"content-type"] = b"application/json"
        if self._framed and not self._raw:
            changes[b"inference-header-content-length"] = b"%d" % self._json_length
        return changes

    def requested_outputs(self, outputs: Mapping[str, Field]) -> RequestedOutputs | None:
        """The outputs that the request asks for, None for all; see Message."""
        return tensor_outputs(self._tree, outputs)

    def locate(self, path: Sequence[str | int]) -> str:
        """The pointer to a value; see Message. An absent tensor is `-` (RFC 6901); in raw bytes it ends at the tensor."""
        if len(path) < 2:
            return pointer(("inputs",))
        row, name, *rest = path
        columns = self._spec.columns or ()
        if self._rows and name in columns:
            index = self._place.get(self._rows)
            element = int(row) * len(columns) + columns.index(str(name))
        else:
            index = self._place.get(str(name))
            tensor = self._tensors[index] if index is not None else None
            size = prod(tensor.shape[1:]) if tensor is not None and not self._is_shared(str(name)) else 0
            element = int(row) * size + (int(rest[0]) if rest and isinstance(rest[0], int) else 0)
            if not rest and not (tensor is not None and self._scalar(str(name))):
                return pointer(("inputs", "-" if index is None else index))
        if index is None:
            return pointer(("inputs", "-"))
        tensor = self._tensors[index]
        return (
            pointer(("inputs", index))
            if tensor.binary
            else pointer(("inputs", index, "data", *self._nested(index, element)))
        )

    def _nested(self, index: int, element: int) -> Sequence[int]:
        """The position of an element in the client's data, flat or nested."""
        inputs = self._tree.get("inputs", [])
        data = inputs[index].get("data") if index < len(inputs) else None
        return position(element, self._tensors[index].shape, is_nested(data))


def default_datatype(field: Field, otherwise: str) -> str:
    """The datatype of a field, for a tensor that guard makes; `otherwise` if the field's type has none."""
    if field.type == "timestamp":
        return "BYTES" if field.unit is None else "FP64"
    return _WIRE.get(field.type, otherwise)


def opened(spec: CodecSpec, head: Head, body: bytes, length: bytes | None) -> TensorMessage:
    """Read a body, of which `length` bytes are JSON. Raises LayoutError or Unreadable."""
    match = _MODEL.search(head.target)
    model = match[1].decode("ascii", "replace") if match is not None else ""
    if length is not None and length.strip() == b"0":
        return TensorMessage(spec, {}, [_raw(spec, body)], model=model, raw=True, framed=True, typed=True)
    text, raw = split_body(body, length)
    tree = spec.loads(text, True)
    if not isinstance(tree, dict):
        raise violation((), "shape")
    unknown = tree.keys() - ENVELOPE
    if unknown - SAID_TWICE and spec.undeclared == "reject":
        raise violation(("<undeclared>",), "unknown")
    if unknown and spec.undeclared != "pass":
        tree = {name: value for name, value in tree.items() if name in ENVELOPE}
    _deny_shared_memory(tree)
    tensors = list(read_tensors(tree, "inputs", raw))
    for index, tensor in enumerate(tensors):
        hold(tensor, ("inputs", index), is_nested(tree["inputs"][index].get("data")))
    names = [tensor.name for tensor in tensors]
    if len(set(names)) != len(names):
        raise violation(("inputs",), "items")
    typed = head.get(b"content-type") is not None
    return TensorMessage(spec, tree, tensors, model=model, raw=False, framed=length is not None, typed=typed)


def _raw(spec: CodecSpec, body: bytes) -> Tensor:
    """The only declared tensor, sent without JSON; its variable dimension follows from its bytes. Raises LayoutError."""
    if len(spec.inputs) != 1:
        raise violation((), "missing")
    [(name, field)] = spec.inputs.items()
    if field.datatype is None or field.datatype not in DATATYPES:
        raise violation((), "missing")
    if field.datatype in TEXT:
        return Tensor(name, field.datatype, (1,), decoded(body, field.datatype, 1, ()), True, {})
    shape = list(field.shape or (-1,))
    known = prod(size for size in shape if size != -1)
    size = len(encoded([0], field.datatype)) * known
    if shape.count(-1) > 1 or not size or len(body) % size:
        raise violation((), "shape")
    shape = [len(body) // size if item == -1 else item for item in shape]
    return Tensor(name, field.datatype, tuple(shape), decoded(body, field.datatype, prod(shape), ()), True, {})


def split_body(body: bytes, length: bytes | None) -> tuple[bytes, bytes]:
    """The JSON of a body and the raw tensors behind it; `length` is that of the JSON in bytes. Raises LayoutError."""
    if length is None:
        return body, b""
    text = length.strip()
    if not text.isdigit() or len(text) > 12 or int(text) > len(body):
        raise violation((), "shape")
    return body[: int(text)], body[int(text) :]


def check_envelope(tree: Mapping[str, Any]) -> None:
    """Raise LayoutError if `parameters` or `outputs` of a request are not what the Open Inference Protocol calls them.

    A server that fails on them would answer 500, and a client could open its breaker.
    """
    if not isinstance(tree.get("parameters") or {}, dict):
        raise violation(("parameters",), "type")
    outputs = tree.get("outputs")
    if outputs is None:
        return
    if not isinstance(outputs, list):
        raise violation(("outputs",), "type")
    for index, output in enumerate(outputs):
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            raise violation(("outputs", index), "type")
        if not isinstance(output.get("parameters") or {}, dict):
            raise violation(("outputs", index, "parameters"), "type")


def read_tensors(tree: Mapping[str, Any], member: str, raw: bytes) -> Iterator[Tensor]:
    """The tensors of a document; binary ones take their bytes from `raw`, in order and without rest. Raises LayoutError."""
    entries = tree.get(member)
    if not isinstance(entries, list):
        raise violation((member,), "missing" if entries is None else "shape")
    at = 0
    for index, entry in enumerate(entries):
        path = (member, index)
        name, datatype, shape = _declared(entry, path)
        parameters = entry.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            raise violation((*path, "parameters"), "type")
        size = None if parameters is None else parameters.get("binary_data_size")
        rest = {key: value for key, value in entry.items() if key not in ("name", "datatype", "shape", "data")}
        if size is None:
            if datatype in ("FP16", "BF16"):
                raise violation((*path, "datatype"), "type")  # JSON can hold neither
            yield Tensor(name, datatype, shape, flat(entry.get("data"), shape, path), False, rest)
            continue
        if "data" in entry or type(size) is not int or size < 0 or at + size > len(raw):
            raise violation((*path, "parameters", "binary_data_size"), "shape")
        yield Tensor(name, datatype, shape, decoded(raw[at : at + size], datatype, prod(shape), path), True, rest)
        at += size
    if at != len(raw):
        raise violation((), "shape")


def _declared(entry: object, path: Sequence[str | int]) -> tuple[str, str, tuple[int, ...]]:
    if not isinstance(entry, dict) or not entry.keys() <= MEMBERS:
        raise violation(path, "shape")
    name, datatype, shape = entry.get("name"), entry.get("datatype"), entry.get("shape")
    if not isinstance(name, str):
        raise violation((*path, "name"), "missing" if name is None else "type")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise violation((*path, "datatype"), "missing" if datatype is None else "type")
    if not isinstance(shape, list) or len(shape) > MOST_RANK or not all(type(size) is int and size >= 0 for size in shape):
        raise violation((*path, "shape"), "missing" if shape is None else "type")
    if prod(shape) > MOST_ELEMENTS or (0 in shape and max(shape) > MOST_EMPTY):
        raise violation((*path, "shape"), "max")
    return name, datatype, tuple(shape)


def _deny_shared_memory(tree: Mapping[str, Any]) -> None:
    for member in ("inputs", "outputs"):
        entries = tree.get(member)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            parameters = entry.get("parameters") if isinstance(entry, dict) else None
            if isinstance(parameters, dict) and any(str(key).startswith("shared_memory_") for key in parameters):
                raise violation((member, index, "parameters", "shared_memory_region"), "unknown")
