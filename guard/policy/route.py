"""One route of the policy, and what its parts must agree on."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_serializer

from guard.contract.scrub import MAX_FINDS, MAX_SEARCHED
from guard.contract.strict import MAX_ELEMENTS, SAFE
from guard.dialects import DEFAULT, DIALECTS
from guard.policy import typed
from guard.policy.document import Text, Tree
from guard.policy.errors import listed, nearest, shown
from guard.policy.fields import InputField, OutputField, SchemaFile
from guard.policy.ladder import RUNGS, Breaker, Cel, Dialect, Fallback, RouteLimits, Rule, Timeout
from guard.policy.policy_model import PolicyModel, Report
from guard.policy.scalars import Boolean, Header, MediaType, Misread, Pointer, Positive, Size, Span, String, write_duration
from guard.policy.targets import Cost, RouteTargets
from guard.proxy.values import CACHED, PREVIOUS, RULES

LEAST_HEARTBEAT: Final = 1.0
"""Shortest heartbeat interval in seconds. Proxies in front close a silent connection after 30 to 60."""
PASSTHROUGH: Final = "passthrough"
DENIED: Final = "denied"

FIELDS: Final = "‹fields›"
FILE: Final = "‹file›"
MAPPING: Final = "‹mapping›"

WORD: Final = "‹word›"
"""Tags of the unions below. Pydantic puts them into its paths; no key of a policy looks like this."""


def _is_file(data: object) -> str:
    alone = isinstance(data, Mapping) and set(data) == {"schema"} and isinstance(data["schema"], str)
    return FILE if alone or isinstance(data, SchemaFile) else FIELDS


Input = Annotated[Annotated[dict[str, InputField], Tag(FIELDS)] | Annotated[SchemaFile, Tag(FILE)], Discriminator(_is_file)]
Output = Annotated[
    Annotated[dict[str, OutputField], Tag(FIELDS)] | Annotated[SchemaFile, Tag(FILE)], Discriminator(_is_file)
]


class Route(PolicyModel):
    """A route: the requests that it accepts, the rungs that answer, and the answers that it returns."""

    # Built at once: a policy's schema takes it as it is, and each route is written by itself for the digest. Together they
    # take 34 ms where they took 56.
    model_config = ConfigDict(defer_build=False)

    alone: ClassVar[frozenset[str]] = frozenset(
        {
            "dialect",
            "enforcement",
            "undeclared",
            "integers",
            "max_body",
            "max_answer",
            "max_elements",
            "max_rows",
            "max_searched",
            "max_finds",
            "stream",
            "repeatable",
            "heartbeat",
            "deadline_header",
            "limits",
            "breaker",
            "targets",
        }
    )

    dialect: Dialect = DEFAULT
    rows: Pointer | None = Field(
        default=None, description="JSON pointer to the list of instances; '' if the body is the list."
    )
    columns: tuple[String, ...] | None = Field(
        default=None, min_length=1, description="Field names of positional rows, in order."
    )
    enforcement: Literal["enforce", "observe"] = "enforce"
    undeclared: Literal["reject", "strip", "pass"] = "strip"
    integers: Literal["safe", "exact"] = "safe"
    max_body: Size = 1024 * 1024
    max_answer: Size = 8 * 1024 * 1024
    max_elements: Positive = MAX_ELEMENTS
    max_rows: Positive | None = None
    max_searched: Positive = MAX_SEARCHED
    max_finds: Positive = MAX_FINDS
    stream: Boolean = Field(default=False, description="Whether the answer is relayed while it arrives.")
    repeatable: Boolean | None = Field(
        default=None,
        description="Whether a call that a server may have read is sent again; default for GET, HEAD, OPTIONS, PUT and "
        "DELETE only.",
    )
    heartbeat: Span | None = Field(
        default=None,
        description="Silence in a stream of events, once it has begun, after which guard sends its client a comment; "
        "no comments without it.",
    )
    timeout: Timeout = Timeout.model_construct()
    deadline_header: Header = "x-request-timeout"
    limits: RouteLimits | None = None
    content: tuple[MediaType, ...] | None = Field(
        default=None, min_length=1, description="Media types of an opaque body, which guard does not parse."
    )
    input: Input | None = None
    output: Output | None = None
    fallback: Fallback = Fallback.model_construct()
    breaker: Breaker = Breaker.model_construct()
    targets: RouteTargets | None = None

    @property
    def inputs(self) -> Mapping[str, InputField]:
        """Declared input fields; empty where a schema file, a content type or nothing is declared."""
        return self.input if isinstance(self.input, dict) else {}

    @property
    def outputs(self) -> Mapping[str, OutputField]:
        """Declared outputs; empty where a schema file or nothing is declared."""
        return self.output if isinstance(self.output, dict) else {}

    @property
    def cost(self) -> Cost | None:
        """Prices and the budget of this route itself."""
        return self.targets.cost if self.targets is not None else None

    @property
    def exact(self) -> bool:
        """Whether integers have all 64 bits: a tensor's datatype names its own size."""
        return self.integers == "exact" or DIALECTS[self.dialect].tensors

    def finish(self, report: Report) -> Self:
        """The body is one thing, positions name fields, and rules answer what is declared."""
        self._body(report)
        self._speech(report)
        self._integers(report)
        self._columns(report)
        self._previous(report)
        self._cached(report)
        self._heartbeat(report)
        if not isinstance(self.output, dict):
            return self.answered({}, report)
        outputs = {name: self._placed(name, field) for name, field in self.output.items()}
        return self.but(output=outputs).answered(outputs, report)

    def _body(self, report: Report) -> None:
        if self.content is not None:
            for key in ("input", "rows", "columns"):
                if self.is_set(key):
                    report((key,), f"a body of another content type is opaque; {key} has no meaning", "content or input")
        elif self.rows is not None and self.input is None:
            report(("rows",), "rows without input", "input, or no rows")

    def _integers(self, report: Report) -> None:
        """Values that a policy declares and no request may have."""
        for name, field in self.inputs.items() if not self.exact else ():
            for key in ("enum", "default", "example"):
                value = getattr(field, key)
                if any(
                    type(item) is int and abs(item) > SAFE for item in (value if isinstance(value, tuple) else (value,))
                ):
                    report(
                        ("input", name, key),
                        "an integer past ±(2^53−1), which readers round and this route refuses",
                        "`integers: exact` on the route, or text",
                    )

    def _speech(self, report: Report) -> None:
        """Checks keys that only some dialects support."""
        dialect = DIALECTS[self.dialect]
        for side, name, key in () if dialect.tensors else self._wired():
            report(
                (side, name, key),
                f"{key} is of a tensor, and {self.dialect} has none",
                f"dialect: {listed([name for name, value in DIALECTS.items() if value.tensors])}",
            )
        if dialect.plain:
            return
        for side in ("input", "output"):
            if isinstance(getattr(self, side), SchemaFile):
                report((side,), f"a schema file describes a JSON body, and {self.dialect} has forms of its own", "fields")
        if self.rows is not None and (not dialect.tensors or self.columns is None or self.rows.count("/") != 1):
            expected = "a tensor such as /input-0, with columns" if dialect.tensors else "no rows"
            report(("rows",), f"{self.dialect} says itself where the instances stand", expected)
        if dialect.tensors and self.columns is not None and self.rows is None:
            report(("columns",), "columns require rows that name a tensor", "rows: /name-of-the-tensor")

    def _wired(self) -> Iterator[tuple[str, str, str]]:
        """Places at which fields declare their layout in a tensor."""
        for side, fields in (("input", self.inputs), ("output", self.outputs)):
            for name, field in fields.items():
                yield from ((side, name, key) for key in ("shape", "datatype") if field.is_set(key))

    def _columns(self, report: Report) -> None:
        if self.columns is None or self.content is not None:
            return
        if not self.inputs:
            report(("columns",), "columns name fields, and none are declared", "input with fields")
            return
        for index, name in enumerate(self.columns):
            if name not in self.inputs:
                known = list(self.inputs)
                report(
                    ("columns", index),
                    f"{shown(name)} is not a declared field",
                    f"one of {listed(known)}",
                    nearest(name, known),
                )
            elif name in self.columns[:index]:
                report(("columns", index), f"{shown(name)} stands twice in columns")
            elif self.inputs[name].at is not None:
                report(("input", name, "at"), "a column is found by its position", "no `at` in a positional row")
        for name, field in self.inputs.items():
            if field.required and name not in self.columns:
                report(("input", name), "a required field that is not among the columns would always be missing")

    def _previous(self, report: Report) -> None:
        if (previous := self.fallback.previous) is None:
            return
        times = previous.timeout
        spent = (times.connect or self.timeout.connect) + (times.attempt or self.timeout.attempt)
        if times.model_fields_set and spent > self.timeout.request:
            path = ("fallback", PREVIOUS, "timeout")
            most = f"the route's request {write_duration(self.timeout.request)}"
            report(path, f"connect + attempt is more than {most}", "connect + attempt <= request of the route")
        if previous.dialect not in (None, self.dialect):
            path = ("fallback", PREVIOUS, "dialect")
            report(path, "the previous model answers the same clients, in the same dialect", self.dialect)

    def _heartbeat(self, report: Report) -> None:
        """One that can be sent."""
        beat, idle = self.heartbeat, self.timeout.idle
        if beat is None:
            return
        if not DIALECTS[self.dialect].streams:
            expected = f"dialect: {listed([name for name, value in DIALECTS.items() if value.streams])}"
            report(("heartbeat",), f"guard reads no streams of events in {self.dialect}", expected)
        elif beat < LEAST_HEARTBEAT:
            report(("heartbeat",), f"a comment every {write_duration(beat)} is traffic, not a sign of life", "1s or more")
        elif beat >= idle:
            why = f"never comes: a stream is cut off after timeout.idle {write_duration(idle)} of silence"
            report(("heartbeat",), f"a heartbeat every {write_duration(beat)} {why}", "less than timeout.idle")

    def _cached(self, report: Report) -> None:
        cached = self.fallback.cached
        for index, name in enumerate(cached.key or () if cached else ()):
            if name not in self.inputs or not self.inputs[name].send:
                sent = [key for key, field in self.inputs.items() if field.send]
                expected = f"one of {listed(sent)}" if sent else ""
                report(("fallback", CACHED, "key", index), f"{shown(name)} is not a field that is sent", expected)

    def _placed(self, name: str, field: OutputField) -> OutputField:
        if field.at is not None:
            return field
        safe = name.replace("~", "~0").replace("/", "~1")
        return field.but(at=DIALECTS[self.dialect].place(safe, self.outputs, rows=self.rows is not None))

    def answered(self, outputs: Mapping[str, OutputField], report: Report) -> Self:
        """The answers of rules read by the types of their outputs."""
        if self.fallback.rules is None:
            return self
        rules = tuple(self._rule(index, rule, outputs, report) for index, rule in enumerate(self.fallback.rules))
        for index, rule in enumerate(rules[:-1]):
            if rule.when is None:
                report(("fallback", RULES, index + 1), "never reached: the rule before it has no `when`")
        return self.but(fallback=self.fallback.but(rules=rules))

    def _rule(self, index: int, rule: Rule, outputs: Mapping[str, OutputField], report: Report) -> Rule:
        path = ("fallback", RULES, index)
        if rule.when is not None and self.input is None:
            report((*path, "when"), "a condition reads the input, and this route declares none", "a rule without when")
        if not outputs:
            if not isinstance(self.output, dict) or not self.output:
                report(
                    (*path, "answer"),
                    "rules answer declared outputs, and this route declares none",
                    "output with fields",
                )
            return rule
        answer = {}
        for name, value in rule.answer.items():
            at = (*path, "answer", name)
            if name not in outputs:
                report(at, *_undeclared(name, outputs))
                continue
            answer[name], faults = _value(value, outputs[name])
            for below, message, expected in faults:
                report((*at, *below), message, expected)
            if isinstance(answer[name], Cel) and self.input is None:
                report(at, "an expression reads the input, and this route declares none", "a value")
        for name, field in outputs.items():
            if field.required and field.from_ is None and name not in rule.answer and rule.answer.keys() <= outputs.keys():
                report((*path, "answer"), f"the required output {shown(name)} is missing", "it, or `from: model` on it")
        return rule.but(answer=answer)


def _undeclared(name: str, outputs: Mapping[str, OutputField]) -> tuple[str, str, str]:
    message = f"{shown(name)} is not a declared output"
    if name in RUNGS:
        message += "; rungs are written as a list, each with a dash"
    return message, f"one of {listed(outputs)}", nearest(name, list(outputs))


def _value(value: Any, field: OutputField) -> tuple[Any, Iterator[typed.Fault]]:
    """The value a rule gives an output, and how it breaks the output's contract."""
    if isinstance(value, Tree) and set(value) == {"cel"} and isinstance(value["cel"], Text):
        return Cel(str(value["cel"])), iter(())
    if isinstance(value, Text) and value.null and field.from_ is not None:
        return None, iter(())
    try:
        typed_value = typed.read(value, field)
    except typed.Unreadable as error:
        return None, iter([error.fault])
    return typed_value, typed.breaches(typed_value, field)


class Passthrough(PolicyModel):
    """A route that is forwarded unchanged: it has no input and no output, and the rungs `model` and `disabled`."""

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """The word is the whole of it."""
        del report
        if data != PASSTHROUGH:
            raise Misread(f"{shown(str(data))} is not a route", f"a mapping, or the word {PASSTHROUGH} or {DENIED}")
        return {}

    @model_serializer
    def _word(self) -> str:
        return PASSTHROUGH


class Denied(PolicyModel):
    """A route that answers 404 although a wider one would match, such as a model server's management endpoint."""

    @classmethod
    def prepare(cls, data: Any, report: Report) -> Any:
        """The word is the whole of it."""
        del data, report
        return {}

    @model_serializer
    def _word(self) -> str:
        return DENIED


def is_word(data: object) -> str:
    """The tag of a value in a union of a mapping and a bare word."""
    return WORD if isinstance(data, str | Passthrough) else MAPPING


def _kind(data: object) -> str:
    return "‹denied›" if data == DENIED or isinstance(data, Denied) else is_word(data)


AnyRoute = Annotated[
    Annotated[Route, Tag(MAPPING)] | Annotated[Passthrough, Tag(WORD)] | Annotated[Denied, Tag("‹denied›")],
    Discriminator(_kind),
]
