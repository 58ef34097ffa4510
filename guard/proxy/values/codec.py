"""Interfaces of dialects, which translate between wire formats and the documents that contracts judge.

A dialect other than plain JSON has a `RouteCodec` for each route. It reads a request into a `Message`, whose document is
the one that the contract describes: one instance, or a list of instances, by field name. It writes an amended document back
in the client's own layout, with correct lengths, offsets and headers.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from guard.proxy.values.calls import Answer, Inspector
from guard.proxy.values.request import Head, Stream, Violation
from guard.proxy.values.words import Document, ErrorWord, Headers, Outcome, ViolationCode


class LayoutError(Exception):
    """The error of a readable body with a wrong layout: shapes that do not fit, repeated members, unequal rows."""

    def __init__(self, *violations: Violation) -> None:
        super().__init__(violations)
        self.violations = violations


@dataclass(eq=False)
class Problem:
    """An error of guard, before a dialect gives it its form."""

    status: int
    code: str
    request_id: str
    violations: Sequence[Violation] = ()
    word: ErrorWord = ""  # the cause that the model server names
    limit: int = 0  # the server's limit, in tokens or inputs, that the request exceeds; 0: unknown


class ForwardedRequest:
    """A request as its model server received it; a dialect judges by it whether the client caused an error."""

    __slots__ = ("body", "free_path", "head", "keyed", "message")

    def __init__(
        self,
        head: Head,  # the client's
        body: bytes | Stream = b"",
        message: "Message | None" = None,
        *,
        free_path: bool = False,  # the route's path has parts that the client chooses
        keyed: bool = False,  # the server has answered a request with credentials, so it may check them
    ) -> None:
        self.head = head
        self.body = body
        self.message = message
        self.free_path = free_path
        self.keyed = keyed


class RequestedOutputs(NamedTuple):
    """Differences between the outputs that a request asks for and the declared ones."""

    absent: frozenset[str] = frozenset()  # not asked for, or asked for in a form that the contract does not describe
    codes: Mapping[str, frozenset[ViolationCode]] = {}  # breaches of an output that the client asked for
    bent: frozenset[str] = frozenset()  # judged as usual, but a breach there is not counted against the model


class Usage(NamedTuple):
    """Tokens and times of one generated answer. Times in monotonic seconds; 0: there was no token."""

    operation: str = ""  # gen_ai.operation.name
    input_tokens: int = 0
    output_tokens: int = 0
    finish: str = ""  # the finish reason as the model names it; `error` if an error replaced it
    first_at: float = 0.0
    last_at: float = 0.0
    pieces: int = 0  # events that carried output


class Message(Protocol):
    """A request as its dialect reads it."""

    document: Document  # a list of instances, each by field name; or a single instance
    beside: dict[str, Any]  # other members of the body that reach the model; may be replaced before `write`
    searched: bool  # the document has the texts of `beside` too: a declaration sets what is searched there
    stream: bool  # the client asks for a streamed answer
    named: str  # the declared model that the client asked for; else empty
    free_model: bool  # the contract leaves the model's name to the client; a server may repeat it
    chosen: bool  # the client names a model, version or signature that the contract does not fix
    once: bool  # it changes the server's state: never sent twice, nor answered from a cache

    def write(self, document: Any) -> bytes:
        """The body with this document instead, in the client's own layout."""

    def headers(self, body: bytes) -> Mapping[bytes, bytes | None]:
        """Header fields that change with that body; None removes a field."""

    def requested_outputs(self, outputs: "Mapping[str, Field]") -> RequestedOutputs | None:
        """The request's differences from these outputs; None if it asks for all of them as declared."""

    def locate(self, path: Sequence[str | int]) -> str:
        """The JSON pointer into the client's own document for this path in `document`."""


class ParsedAnswer(NamedTuple):
    """An answer as its dialect reads it: the document for the output contract, the version and the usage."""

    document: Document
    version: str = ""
    usage: Usage | None = None


class RouteCodec(Protocol):
    """A dialect on one route. Pure."""

    single: bool  # a request is one instance, and not a list of them

    def read(self, head: Head, body: bytes) -> Message | None:
        """The request as a Message; None for another media type. Raises LayoutError, and the errors of the JSON reader."""

    def read_answer(self, headers: Headers, body: bytes, without: frozenset[str] = frozenset()) -> ParsedAnswer:
        """The answer; raises as `read`. `without`: outputs not read, as the request omits them or asks for another form."""

    def write_answer(self, document: Any, message: object) -> tuple[bytes, bytes]:
        """(content type, body) of guard's own answer to a request."""

    def inspector(self, message: Message | None, headers: Headers) -> "StreamParser | None":
        """The parser of a streamed answer with these headers; None if the dialect does not read such a stream."""


class StreamParser(Inspector, Protocol):
    """An Inspector that parses the events that it passes on."""

    unfinished: bool  # it ended without the end mark that such streams have

    def end_at_length(self) -> bytes:
        """The events with which a model ends a stream at its length limit; empty if an event is half sent."""

    @property
    def parsed(self) -> ParsedAnswer:
        """The answer parsed so far; all of it once the stream has ended."""


class Field(Protocol):
    """A declared field as a codec reads it."""

    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def unit(self) -> str | None: ...  # noqa: D102
    @property
    def at(self) -> str | None: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...] | None: ...  # noqa: D102
    @property
    def datatype(self) -> str | None: ...  # noqa: D102
    @property
    def send(self) -> bool: ...  # noqa: D102
    @property
    def enum(self) -> Sequence[object] | None: ...  # noqa: D102


@dataclass(frozen=True)
class CodecSpec:
    """Inputs for building a codec. `loads` raises for text that is not strict JSON; its second argument allows NaN."""

    template: str
    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field]
    rows: str | None
    columns: tuple[str, ...] | None
    undeclared: Literal["reject", "strip", "pass"]
    max_body: int
    metered: bool  # tokens are limited or reported, so streams are asked for their usage
    loads: Callable[[bytes, bool], Any]
    loads_answer: Callable[[bytes], Any]  # reads NaN and infinities too: undeclared values pass
    dumps: Callable[[object], bytes]
    is_json: Callable[[Head], bool]


class RequestLayout(NamedTuple):
    """The layout of requests, for documentation and API descriptions; the codec reads them."""

    member: str = ""  # of the body, which holds the instances; empty: they have no member of their own
    rows: str = ""  # the same, where an instance is a list of values; empty: as `member`
    beside: frozenset[str] = frozenset()  # members of the body in which fields may stand beside the instances
    words: Mapping[str, str] = {}  # declarable names that no request has → their source
    content: tuple[str, ...] = ("application/json",)
    notes: tuple[str, ...] = ()  # sentences, in which backticks mark code


Cause: TypeAlias = Literal[
    "never", "content", "body", "path", "names", "credentials", "condition", "range", "early", "streamed"
]  # fmt: skip
"""Parts of a request by which its client can cause a status."""


class Fault(NamedTuple):
    """The party at fault for a status: `then` if the request has the part that can cause it, else `otherwise`."""

    cause: Cause
    otherwise: Outcome
    why: str
    then: Outcome = "client_fault"


class Dialect(Protocol):
    """The protocol of a family of model servers."""

    name: str
    request_layout: RequestLayout
    tensors: bool  # fields may have a shape and a datatype; one may consist of columns
    streams: bool  # answers may be event streams, which the dialect reads
    counts_tokens: bool  # answers report the tokens that they took
    deployed: bool  # the platform names the version in the environment (AIP_DEPLOYED_MODEL_ID)

    @property
    def plain(self) -> bool:
        """Whether bodies are plain documents, so that a policy may declare their layout: `rows`, a schema file."""

    @property
    def management(self) -> Iterable[str]:
        """Path templates that only operators use; they are denied unless a policy lists them."""

    def errs(self, answer: Answer) -> bool:
        """Whether an answer is an error, by its status or inside a 200. Called for every answer."""

    def outcome(self, answer: Answer, request: ForwardedRequest) -> Outcome:
        """The class of an error: the party that caused it."""

    def hidden_outcome(self, body: bytes, request: ForwardedRequest) -> Outcome:
        """The class of an error that came as an event of a stream."""

    def error_status(self, answer: Answer) -> int:
        """The status with which a client receives an error that it caused."""

    def error_word(self, answer: Answer) -> "tuple[ErrorWord, int]":
        """The cause that an error names, and the limit that the request exceeds (0: none)."""

    @property
    def faults(self) -> "Mapping[int, Fault]":
        """Status → the party at fault; any other status is treated as its class."""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """(content type, body) of guard's own error, in the form that clients of this dialect parse."""

    def codec(self, spec: CodecSpec) -> RouteCodec | None:
        """The codec of a route; None if the body is the document.

        Raises ValueError for a route that the dialect does not support; `guard check` reports it at the route's `dialect`.
        """

    def place(self, name: str, outputs: Collection[str], *, rows: bool) -> str:
        """The place of an output for which the policy sets none; `name` is a reference token (RFC 6901)."""

    def version(self, template: str) -> str:
        """The model's version that a route's own path names; empty if it names none, or leaves it to the client."""

    def status(self, template: str) -> str:
        """Path of the server's page that names the served version of the route's model; empty if there is none."""

    def served(self, page: Any) -> str:
        """The version that this page, any JSON value, names; empty if it names none."""

    def listed(self, page: Any) -> list[str]:
        """The names that this page lists as the server's own: an answer that names one of them is believed."""
