"""The Open Inference Protocol V2 (KServe, Triton, MLServer, OpenVINO, Seldon): tensors in JSON or in Triton's binary form.

Source: kserve/open-inference-protocol, Triton's docs/protocol (extension_binary_data, extension_shared_memory,
extension_generate). Shared memory is denied, because guard cannot judge data outside of the body.
Seen with MLServer 1.7.1 and KServe 0.21: MLServer's worker turns what a model raises into a 500, an InferenceError of its
own runtimes into a 400, and a body that pydantic refuses into a 422 that repeats it; both answer 500 to a tensor whose data
is not as long as its shape says; MLServer takes no binary tensors and answers [N,1] where [N] was meant; KServe takes no
content coding, writes `"parameters": null` and `"model_version": null`, and answers 501 to a version in the target.
"""

import re
from collections.abc import Collection
from math import prod
from typing import Any, Final

from guard.dialects.common import Common
from guard.dialects.faults import judge
from guard.dialects.layout import answer_tree, error_member, violation
from guard.dialects.oip_message import TensorMessage, default_datatype, opened, read_tensors, split_body
from guard.dialects.single_instance import SingleInstance
from guard.dialects.sse import Events, StreamFacts, is_events
from guard.dialects.tensors import Tensor, hold, slices
from guard.proxy.values import (
    Answer,
    CodecSpec,
    ForwardedRequest,
    Head,
    Headers,
    Message,
    Outcome,
    ParsedAnswer,
    Problem,
    RequestLayout,
    RouteCodec,
    StreamParser,
)

_METADATA: Final = re.compile(r"(/v2/models/[^/{}*]+)(?:/versions/[^/{}*]+)?/infer\Z")
_VERSION: Final = re.compile(r"/v2/models/[^/?]+/versions/([0-9]{1,20})(?=[/?]|\Z)")
"""The version in a path: a number, as Triton has it. Another text is the client's; the answer must name its version."""
_CLIENTS: Final = re.compile(
    rb"unexpected|expect(?:ed|s|ing) |must |invalid|only supports|unable to (?:find|parse)|fail(?:ed)? to parse"
    rb"|missing|not supported|unsupported|no codec|does not match|mismatch|batch-size|malformed|attempt to access|exceed"
    rb"|out of range|duplicate",
    re.IGNORECASE,
)
"""Words in errors of Triton and MLServer that put the fault on the request; a fault of the model is a 400 too."""
_QUOTED: Final = re.compile(rb"'[^']*'")
"""Quoted names and values, which a client may have chosen: they do not count as evidence of the fault."""
_AWAY: Final = re.compile(rb"not ready|no available versions|unknown model|is not found", re.IGNORECASE)


class OpenInference(Common):
    """The Dialect of the Open Inference Protocol V2."""

    name = "oip"
    streams = True
    request_layout = RequestLayout(
        content=("application/json", "application/octet-stream"),
        notes=(
            "A shape of -1 is any length; where it stands first it counts the instances, which all tensors agree on.",
            "Binary tensors are read. Shared memory is refused.",
        ),
    )
    tensors = True
    hides_errors = True
    management = (
        "/v2/repository/*", "/v2/systemsharedmemory/*", "/v2/cudasharedmemory/*", "/v2/trace/*", "/v2/logging",
        "/v2/models/{model}/trace/*",
    )  # fmt: skip

    def outcome(self, answer: Answer, request: ForwardedRequest) -> Outcome:
        """The party at fault. MLServer's models fail with 400: a 400 is the model's unless its words blame the request."""
        if answer.status == 400:
            return self.hidden_outcome(answer.body, request)
        return super().outcome(answer, request)

    def hidden_outcome(self, body: bytes, request: ForwardedRequest) -> Outcome:
        """The party at fault by the words of an error. A missing model is the client's fault if the client named it."""
        words = _QUOTED.sub(b"", body[:4096])
        if _CLIENTS.search(words):  # first: a name with a quote in it is not removed whole, and may hold the other words
            return "client_fault"
        return judge(self.faults, 404, request) if _AWAY.search(words) else "model_fault"

    def codec(self, spec: CodecSpec) -> RouteCodec:
        """The codec of tensors; for a path of the generate extension, the codec of text."""
        if spec.template.endswith(("/generate", "/generate_stream")):
            return _Generate(spec)
        return _Tensors(spec)

    def place(self, name: str, outputs: Collection[str], *, rows: bool) -> str:
        """The JSON pointer of an output: each value of a tensor, or the one text of the generate extension."""
        del rows
        return f"/{name}" if "text_output" in outputs else f"/{name}/*"

    def version(self, template: str) -> str:
        """The version that the path names; empty if it names none."""
        match = _VERSION.search(template)
        return match[1] if match is not None else ""

    def status(self, template: str) -> str:
        """The path of the model's metadata, for servers whose answers have no version; empty if there is none."""
        match = _METADATA.match(template)
        return match[1] if match is not None else ""

    def served(self, page: Any) -> str:
        """The version in a metadata page; empty if it lists several, because only the answer can name the right one."""
        versions = page.get("versions") if isinstance(page, dict) else None
        return versions[0] if isinstance(versions, list) and len(versions) == 1 and isinstance(versions[0], str) else ""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """The body of an error, `{"error": text}`, and its content type."""
        return error_member(problem)


class _Tensors:
    """A RouteCodec of tensors."""

    single = False

    def __init__(self, spec: CodecSpec) -> None:
        self._spec = spec

    def read(self, head: Head, body: bytes) -> Message | None:
        """Read a request; None for a content type that the route does not take; see RouteCodec."""
        length = head.get(b"inference-header-content-length")
        coded = head.get(b"content-encoding") not in (None, b"identity")
        if coded or (length is None and head.get(b"content-type") is not None and not self._spec.is_json(head)):
            return None
        return opened(self._spec, head, body, length)

    def read_answer(self, headers: Headers, body: bytes, without: frozenset[str] = frozenset()) -> ParsedAnswer:
        """The answer as lists of values by output name; see RouteCodec."""
        length = next((value for name, value in headers if name == b"inference-header-content-length"), None)
        text, raw = split_body(body, length)
        tree = self._spec.loads_answer(text)
        if not isinstance(tree, dict):
            raise violation((), "shape")
        document: dict[str, object] = {}
        for index, tensor in enumerate(read_tensors(tree, "outputs", raw)):
            if tensor.name in self._spec.outputs and tensor.name not in without:
                hold(tensor, ("outputs", index))
                document[tensor.name] = self._values(tensor, index)
        version = tree.get("model_version")
        return ParsedAnswer(document, version if isinstance(version, str) else "")

    def _values(self, tensor: Tensor, index: int) -> list[Any]:
        field = self._spec.outputs[tensor.name]
        scalar = field.type != "array"
        if scalar and tensor.shape[1:] not in ((), (1,)):
            raise violation(("outputs", index, "shape"), "shape")
        if field.datatype is not None and tensor.datatype != field.datatype:
            raise violation(("outputs", index, "datatype"), "type")
        return slices(tensor, scalar=scalar, shared=False)

    def write_answer(self, document: Any, message: object) -> tuple[bytes, bytes]:
        """Write the answer in JSON, which every client reads, also one that asked for binary data; see RouteCodec."""
        answer: dict[str, object] = {}
        if isinstance(message, TensorMessage):
            answer = {key: value for key, value in (("model_name", message.model), ("id", message.id)) if value}
        answer["outputs"] = [
            {"name": name, "shape": self._shape(name, values), "datatype": self._datatype(name), "data": _flat(values)}
            for name, values in document.items()
        ]
        return b"application/json", self._spec.dumps(answer)

    def _shape(self, name: str, values: list[Any]) -> list[int]:
        """The shape of an output that guard answers itself: the declared one, as far as the values fit it."""
        shape = _natural(values)
        declared = self._spec.outputs[name].shape
        if not declared or (declared[0] != -1 and declared[0] != shape[0]):
            return shape
        each, size = prod([item for item in declared[1:] if item != -1]), prod(shape[1:])
        free = declared[1:].count(-1)
        if free > 1 or each <= 0 or (size % each if free else size != each):
            return shape
        return [shape[0], *[size // each if item == -1 else item for item in declared[1:]]]

    def _datatype(self, name: str) -> str:
        field = self._spec.outputs[name]
        return field.datatype or default_datatype(field, "FP64")

    def inspector(self, message: Message | None, headers: Headers) -> StreamParser | None:
        """None: tensors are not streamed."""
        del message, headers
        return None


def _natural(values: list[Any]) -> list[int]:
    first = values[0] if values else None
    return [len(values), len(first)] if isinstance(first, list) else [len(values)]


def _flat(values: list[Any]) -> list[Any]:
    return [item for value in values for item in value] if values and isinstance(values[0], list) else values


class _Generate:
    """A RouteCodec of Triton's generate extension: text in, text out, whole or as events."""

    single = True

    def __init__(self, spec: CodecSpec) -> None:
        self._spec = spec
        self._stream = spec.template.endswith("_stream")

    def read(self, head: Head, body: bytes) -> Message | None:
        """Read a request; None for a content type that the route does not take; see RouteCodec."""
        if not self._spec.is_json(head):
            return None
        return SingleInstance(self._spec.loads(body, False), self._spec.dumps, stream=self._stream)

    def read_answer(self, headers: Headers, body: bytes, without: frozenset[str] = frozenset()) -> ParsedAnswer:
        """Read an answer of the model server; see RouteCodec."""
        del headers, without
        tree = answer_tree(self._spec, body)
        version = tree.get("model_version") if isinstance(tree, dict) else None
        return ParsedAnswer(tree, version if isinstance(version, str) else "")

    def write_answer(self, document: Any, message: object) -> tuple[bytes, bytes]:
        """Write an answer that guard made; see RouteCodec."""
        del message
        body = self._spec.dumps(document)
        return (b"text/event-stream", b"data: %b\n\n" % body) if self._stream else (b"application/json", body)

    def inspector(self, message: Message | None, headers: Headers) -> StreamParser | None:
        """The parser of a stream whose events are answers; an event with `error` in a 200 is the model's fault."""
        del message
        return (
            Events(_generated, lambda code: {"error": f"guard: {code}"}, "text_completion") if is_events(headers) else None
        )


def _generated(event: dict[str, Any], facts: StreamFacts) -> bool:
    facts.version = str(event.get("model_version") or facts.version)[:128]
    if event.get("text_output"):
        facts.piece()
    if event.get("error"):
        facts.finish = "error"
    return False
