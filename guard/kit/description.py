"""One description of a policy: what the contract, its OpenAPI form, the privacy report and the checklist are made from.

It says of each route what its bodies are and who answers; of each declared value where it stands, what bounds it and how
sensitive it is. A page adds what is its own: what becomes of a missing value, where a value goes, what a launch lacks.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from guard.contract.fields import join, split
from guard.dialects import DIALECTS
from guard.policy.compiling import codec
from guard.policy.fields import InputField, OutputField, SchemaFile, Shape
from guard.policy.ladder import RUNGS
from guard.policy.loading import Loaded
from guard.policy.models import Denied, Policy
from guard.policy.route import AnyRoute, Route
from guard.privacy.sensitivity import Sensitivity
from guard.proxy.values import DISABLED, MODEL, Dialect, RequestLayout, Source

Body: TypeAlias = Literal["fields", "schema", "opaque", "unread", "passthrough", "denied"]
"""Kinds of request bodies. `opaque`: guard checks type and size only; `unread`: guard forwards any body."""
Side: TypeAlias = Literal["input", "output"]
From: TypeAlias = Literal["declared", "inherited", "default"]
"""The origin of a sensitivity: the value's own key, the field around it, or none."""
BOUNDS: Final = ("min", "max", "enum", "pattern", "min_length", "max_length", "min_items", "max_items", "datatype", "shape")


@dataclass(frozen=True, slots=True)
class Value:
    """A declared field or output, or a part of one. Parts have a dotted name; `[]` are the items of a list."""

    name: str
    place: str | None
    """JSON pointer in the body, `*` for every element; None where no column of a positional row holds it."""
    shape: Shape
    """The declaration of the field."""
    top: InputField | OutputField
    """The declaration of the whole field or output around the value."""
    keys: tuple[str, ...]
    """The keys of the policy that lead to it from its route: `input`, its name, `fields`, …"""
    way: tuple[str, ...]
    """Reference tokens from the whole to it; none for the whole."""
    in_list: bool
    """Whether it is an item of a list, or inside one."""
    sensitivity: Sensitivity
    sensitivity_from: From

    @property
    def full_name(self) -> str:
        """The name of the field or output that it is, or is a part of."""
        return self.keys[1]

    @property
    def part(self) -> bool:
        """Whether it is inside another value."""
        return bool(self.way)

    @property
    def item(self) -> bool:
        """Whether it is an item of a list."""
        return self.keys[-1] == "items" and self.part

    @property
    def parts(self) -> bool:
        """Whether values are inside it."""
        return bool(self.shape.fields) or self.shape.items is not None

    @property
    def text(self) -> Literal["free", "pattern", "enum"] | None:
        """The bound on the content of a string; None for other types."""
        if self.shape.type != "string":
            return None
        return "enum" if self.shape.enum is not None else "pattern" if self.shape.pattern is not None else "free"

    @property
    def derived(self) -> bool:
        """Whether it is computed from other data; an answer always is."""
        return self.top.derived if isinstance(self.top, InputField) else True

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors of it and of everything inside it, each once."""
        return tuple(dict.fromkeys(_detectors(self.shape)))

    @property
    def bounds(self) -> Mapping[str, Any]:
        """The keys that bound it, as declared."""
        declared = {key: getattr(self.shape, key, None) for key in BOUNDS}
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in declared.items() if value is not None
        }

    def facts(self) -> dict[str, Any]:
        """The facts that every document repeats."""
        shape = self.shape
        return {
            "type": shape.type, "unit": shape.unit, "description": shape.description, "sensitivity": self.sensitivity,
            "part": self.part,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RouteDescription:
    """One route of a policy: one that is passed through or denied, unless it is a ContractDescription."""

    key: str
    declared: AnyRoute
    policy: Policy
    body: Body

    @property
    def method(self) -> str:
        """The kind of its request bodies."""
        return self.key.partition(" ")[0]

    @property
    def path(self) -> str:
        """The template of its path."""
        return self.key.partition(" ")[2]

    @property
    def content(self) -> tuple[str, ...]:
        """The media types that it takes; none where it takes any."""
        return ()

    @property
    def ladder(self) -> tuple[Source, ...]:
        """The sources of the route, from the highest rung to the lowest."""
        return () if self.body == "denied" else (MODEL, DISABLED)


@dataclass(frozen=True, slots=True)
class ContractDescription(RouteDescription):
    """A route with a contract."""

    contract: Route
    """The contract as it is enforced now."""
    dialect: Dialect
    tensors: bool
    """Whether fields are tensors of their names."""
    inputs: tuple[Value, ...] = ()
    """Every declared field and every part of one, in the policy's order; so are `outputs`."""
    outputs: tuple[Value, ...] = ()

    @property
    def request_layout(self) -> RequestLayout:
        """The layout of requests in its dialect."""
        return self.dialect.request_layout

    @property
    def observe(self) -> bool:
        """Whether the contract is only observed."""
        return self.contract.enforcement == "observe"

    @property
    def judged(self) -> bool:
        """Whether guard reads a request's body as its dialect has it."""
        return self.body in {"fields", "schema"} or (self.body == "unread" and not self.dialect.plain)

    @property
    def content(self) -> tuple[str, ...]:
        """The media types that it takes; none where it takes any."""
        return codec.media_types(self.contract, self.dialect) if self.judged or self.contract.content is not None else ()

    @property
    def ladder(self) -> tuple[Source, ...]:
        """The sources of the route, from the highest rung to the lowest."""
        below = self.contract.fallback
        return (MODEL, *(rung for rung in RUNGS if rung == DISABLED or getattr(below, rung) is not None))

    @property
    def keeps(self) -> bool:
        """Whether answers enter the cache, where there is one."""
        return not self.observe and not self.contract.stream

    @property
    def hash_key(self) -> bool:
        """Whether there is a key for hashes."""
        return self.policy.privacy.hash_key is not None

    @property
    def member(self) -> str:
        """The member of a body that holds the instances; empty where there is none."""
        positional = self.contract.columns is not None and not self.tensors
        return (self.request_layout.rows or self.request_layout.member) if positional else self.request_layout.member

    def has_place(self, name: str) -> bool:
        """Whether a field can be in a request at all: a positional row holds only its columns."""
        return self.contract.columns is None or name in self.contract.columns

    def beside(self, name: str, field: InputField) -> bool:
        """Whether a field stands beside the instances, in a member of the body."""
        return _steps(name, field)[0] in self.request_layout.beside

    def place(self, name: str, field: InputField) -> tuple[str, ...] | None:
        """Reference tokens of where a field stands in a body; None where a positional row has no column for it.

        A tensor is found by its name and not by its place: `inputs`, any, `data`.
        """
        route = self.contract
        if not self.has_place(name):
            return None
        if self.tensors:
            return ("inputs", "*", "data")
        if name in self.request_layout.words:
            return tuple(split(self.request_layout.words[name]))
        own = _steps(name, field)
        if self.beside(name, field):
            return own
        base: tuple[str, ...] = (self.member, "*") if self.member else ()
        if route.rows is not None:
            base = (*split(route.rows), "*")
        return (*base, str(route.columns.index(name))) if route.columns is not None else (*base, *own)


@dataclass(frozen=True, slots=True)
class PolicyDescription:
    """A policy, its routes in its order."""

    loaded: Loaded
    routes: tuple[RouteDescription, ...]

    @property
    def policy(self) -> Policy:
        """The policy itself."""
        return self.loaded.policy

    @property
    def contracts(self) -> tuple[ContractDescription, ...]:
        """The routes with a contract."""
        return tuple(route for route in self.routes if isinstance(route, ContractDescription))


def describe(loaded: Loaded, observed: Collection[str] = ()) -> PolicyDescription:
    """The description of a policy. `observed`: keys of routes whose contract operators do not enforce now."""
    policy = loaded.policy
    return PolicyDescription(
        loaded, tuple(_route(key, route, policy, observed=key in observed) for key, route in policy.routes.items())
    )


def _route(key: str, declared: AnyRoute, policy: Policy, *, observed: bool) -> RouteDescription:
    if not isinstance(declared, Route):
        return RouteDescription(key, declared, policy, "denied" if isinstance(declared, Denied) else "passthrough")
    route = declared.but(enforcement="observe") if observed else declared
    dialect = DIALECTS[route.dialect]
    route_codec = codec.codec_of(key, route, dialect, metered=False) if dialect.tensors else None
    bare = ContractDescription(
        key, declared, policy, _body(route), route, dialect, tensors=route_codec is not None and not route_codec.single
    )
    inputs = (value for name, top in route.inputs.items() for value in values("input", name, top, bare.place(name, top)))
    outputs = (value for name, top in route.outputs.items() for value in values("output", name, top, _steps(name, top)))
    return replace(bare, inputs=tuple(inputs), outputs=tuple(outputs))


def _body(route: Route) -> Body:
    if isinstance(route.input, SchemaFile):
        return "schema"
    return "fields" if route.input is not None else "opaque" if route.content is not None else "unread"


def values(side: Side, name: str, top: InputField | OutputField, base: tuple[str, ...] | None) -> Iterator[Value]:
    """A field or output, then every part of it. A part that declares no sensitivity has that of what holds it."""
    declared: From = "declared" if top.is_set("sensitivity") else "default"
    value = Value(name, _pointer(base, ()), top, top, (side, name), (), in_list=False, sensitivity=top.sensitivity,
                  sensitivity_from=declared)  # fmt: skip
    yield from _inside(value, base)


def _inside(value: Value, base: tuple[str, ...] | None) -> Iterator[Value]:
    yield value
    below: list[tuple[str, Shape, str, tuple[str, ...]]]
    below = [(f"{value.name}.{name}", field, name, ("fields", name)) for name, field in (value.shape.fields or {}).items()]
    if value.shape.items is not None:
        below.append((f"{value.name}[]", value.shape.items, "*", ("items",)))
    for name, shape, step, keys in below:
        way = (*value.way, step)
        origin: From = "default" if value.sensitivity_from == "default" else "inherited"
        own = shape.is_set("sensitivity")
        part = Value(
            name, _pointer(base, way), shape, value.top, (*value.keys, *keys), way,
            in_list=value.in_list or keys == ("items",),
            sensitivity=shape.sensitivity if own else value.sensitivity,
            sensitivity_from="declared" if own else origin,
        )  # fmt: skip
        yield from _inside(part, base)


def _pointer(base: tuple[str, ...] | None, way: tuple[str, ...]) -> str | None:
    return None if base is None else join((*base, *way))


def _detectors(shape: Shape) -> Iterator[str]:
    yield from shape.detect
    for below in (*(shape.fields or {}).values(), *([shape.items] if shape.items is not None else [])):
        yield from _detectors(below)


def _steps(name: str, field: InputField | OutputField) -> tuple[str, ...]:
    return tuple(split(field.at)) if field.at is not None else (name,)
