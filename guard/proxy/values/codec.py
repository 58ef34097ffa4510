"""How a dialect carries instances and predictions, between the wire and the documents that contracts judge.

A dialect other than plain JSON has a `RouteCodec` for each route. It reads a request into a `Message`, whose document is
what the
contract knows: one instance, or a list of instances by field name; and writes an amended document back in the client's own
layout, so that lengths, offsets and headers are true again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from guard.proxy.values.calls import Answer, Inspector
from guard.proxy.values.request import Head, Stream, Violation
from guard.proxy.values.words import Document, ErrorWord, Headers, Outcome, ViolationCode


class LayoutError(Exception):
    """Readable, but not as the dialect has it: shapes that do not multiply, a member twice, rows of other lengths."""

    def __init__(self, *violations: Violation) -> None:
        super().__init__(violations)
        self.violations = violations


@dataclass(eq=False)
class Problem:
    """An error of ours, before a dialect gives it its shape."""

    status: int
    code: str
    request_id: str
    violations: Sequence[Violation] = ()
    word: ErrorWord = ""  # what the model server says is wrong with the request
    limit: int = 0  # of the model server's, in tokens or inputs, that the request passes; 0: it names none


class ForwardedRequest:
    """A request as its model server received it: what an error may be the client's doing by."""

    __slots__ = ("body", "free_path", "head", "keyed", "message")

    def __init__(
        self,
        head: Head,  # the client's
        body: bytes | Stream = b"",
        message: "Message | None" = None,
        *,
        free_path: bool = False,  # the route's path has parts that the client chooses
        keyed: bool = False,  # the server has answered a request that carried credentials: they count there
    ) -> None:
        self.head = head
        self.body = body
        self.message = message
        self.free_path = free_path
        self.keyed = keyed


class RequestedOutputs(NamedTuple):
    """What a request asks of the declared outputs that is less than, or other than, what is declared."""

    absent: frozenset[str] = frozenset()  # not asked for, or asked for in a form that the contract does not describe
    codes: Mapping[str, frozenset[ViolationCode]] = {}  # breaches of an output that the client asked for
    bent: frozenset[str] = frozenset()  # judged as ever, but what breaks the contract there blames nobody


class Usage(NamedTuple):
    """What a generative model says, or shows, of one answer. Times are of the monotonic clock; 0: there was no token."""

    operation: str = ""  # gen_ai.operation.name
    input_tokens: int = 0
    output_tokens: int = 0
    finish: str = ""  # as the model says; `error` where an error came in its place
    first_at: float = 0.0
    last_at: float = 0.0
    pieces: int = 0  # events that carried output


class Message(Protocol):
    """A request as its dialect reads it."""

    document: Document  # a list of instances, each by field name; or the one instance
    beside: dict[str, Any]  # what else of the body reaches the model, by member; may be replaced before `write`
    searched: bool  # the document has the texts of `beside`, too: a declaration says what is looked for in them
    stream: bool  # the client wants the answer piece by piece
    named: str  # the model that the client asked for, one of those that the contract declares; else empty
    free_model: bool  # the contract leaves the model's name to the client: a server may repeat whatever that is
    chosen: bool  # the client names a model, a version or a signature in it that the contract does not fix
    once: bool  # it changes what the server remembers: it must not be sent twice, nor be answered from a cache

    def write(self, document: Any) -> bytes:
        """The body that says this instead, in the client's own layout."""

    def headers(self, body: bytes) -> Mapping[bytes, bytes | None]:
        """What changes of the head with that body; None: the field goes."""

    def requested_outputs(self, outputs: "Mapping[str, Field]") -> RequestedOutputs | None:
        """What it asks of these outputs, where that is not simply all of them."""

    def locate(self, path: Sequence[str | int]) -> str:
        """Where, in the client's own document, that part of `document` stands: a JSON pointer."""


class ParsedAnswer(NamedTuple):
    """An answer as its dialect reads it: what the output contract judges, and what else it tells."""

    document: Document
    version: str = ""
    usage: Usage | None = None


class RouteCodec(Protocol):
    """A dialect on one route. Pure."""

    single: bool  # a request is one instance, and not a list of them

    def read(self, head: Head, body: bytes) -> Message | None:
        """None: not a media type it takes. Raises LayoutError, and what its reader of JSON raises."""

    def read_answer(self, headers: Headers, body: bytes, without: frozenset[str] = frozenset()) -> ParsedAnswer:
        """Raises the same. `without`: outputs that are not read, for the request asked for them in another form or not."""

    def write_answer(self, document: Any, message: object) -> tuple[bytes, bytes]:
        """(content type, body) of an answer of our own, to a request."""

    def inspector(self, message: Message | None, headers: Headers) -> "StreamParser | None":
        """Of a streamed answer with this head; None: its pieces mean nothing here."""


class StreamParser(Inspector, Protocol):
    """An Inspector that understands what passes."""

    unfinished: bool  # it ended without saying that it is whole, where such streams say so

    @property
    def parsed(self) -> ParsedAnswer:
        """What was heard so far; all of it once the answer has ended."""


class Field(Protocol):
    """What a form reads of a declared field."""

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
    """What a form is made of. `loads` raises for what is not strict JSON; its second argument allows NaN tokens."""

    template: str
    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field]
    rows: str | None
    columns: tuple[str, ...] | None
    undeclared: Literal["reject", "strip", "pass"]
    max_body: int
    metered: bool  # tokens are paid for or told: a stream is asked how many there were
    loads: Callable[[bytes, bool], Any]
    loads_answer: Callable[[bytes], Any]  # NaN and infinities are read: what nobody declared is the client's affair
    dumps: Callable[[object], bytes]
    is_json: Callable[[Head], bool]


class RequestLayout(NamedTuple):
    """How requests look, for people and for descriptions of an API; what reads them is the form."""

    member: str = ""  # of the body, which holds the instances; empty: they have no member of their own
    rows: str = ""  # the same, where an instance is a list of values; empty: as `member`
    beside: frozenset[str] = frozenset()  # members of the body in which fields may stand beside the instances
    words: Mapping[str, str] = {}  # what a contract may declare and no request has, and where it is taken from
    content: tuple[str, ...] = ("application/json",)
    notes: tuple[str, ...] = ()  # sentences, in which backticks mark code


Cause: TypeAlias = Literal[
    "never", "content", "body", "path", "names", "credentials", "condition", "range", "early", "streamed"
]  # fmt: skip
"""By what part of its request a client can cause a status."""


class Fault(NamedTuple):
    """Whose fault a status is: `then` where the request had the part that can cause it, else `otherwise`."""

    cause: Cause
    otherwise: Outcome
    why: str
    then: Outcome = "client_fault"


class Dialect(Protocol):
    """How a family of model servers speaks."""

    name: str
    request_layout: RequestLayout
    tensors: bool  # fields may have a shape and a datatype, and one of them be made of columns
    streams: bool  # answers may be streams of events, which it reads
    deployed: bool  # the platform names the version in the environment (AIP_DEPLOYED_MODEL_ID)

    @property
    def plain(self) -> bool:
        """Whether bodies are documents as they are, so that a policy may say their layout: `rows`, a schema file."""

    @property
    def management(self) -> Iterable[str]:
        """Templates that only operators use; denied unless a policy lists them."""

    def errs(self, answer: Answer) -> bool:
        """Whether an answer is an error, by its status or inside of a 200. Asked of every answer."""

    def outcome(self, answer: Answer, request: ForwardedRequest) -> Outcome:
        """Whose doing an error is."""

    def hidden_outcome(self, body: bytes, request: ForwardedRequest) -> Outcome:
        """Whose doing an error is that came as an event of a stream."""

    def error_status(self, answer: Answer) -> int:
        """The status under which a client gets an error that is its own."""

    def error_word(self, answer: Answer) -> "tuple[ErrorWord, int]":
        """What an error says is wrong with the request, and the limit that it names."""

    @property
    def faults(self) -> "Mapping[int, Fault]":
        """By status whose fault an answer is; statuses that are not in it are those of their class."""

    def error(self, problem: Problem) -> tuple[bytes, bytes]:
        """(content type, body) of an error of ours, in the shape that clients of this dialect parse."""

    def codec(self, spec: CodecSpec) -> RouteCodec | None:
        """How it carries instances on a route; None: the body is the document.

        Raises ValueError for what a policy cannot have of it; `guard check` says it at the route's `dialect`.
        """

    def place(self, name: str, outputs: Collection[str], *, rows: bool) -> str:
        """Where an output stands that the policy says no place of; `name` is a reference token (RFC 6901)."""

    def version(self, template: str) -> str:
        """The model's version that a route's own path names; empty where it names none, or leaves that to the client."""

    def status(self, template: str) -> str:
        """Where the server says which version of that route's model it serves; empty where answers, or nobody, say it."""

    def served(self, page: Any) -> str:
        """The version that such a page, JSON of any form, names; empty where it names none."""
