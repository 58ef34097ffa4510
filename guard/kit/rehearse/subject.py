"""A route as it is rehearsed: what is known of it, and a request that works."""

from dataclasses import dataclass, field
from typing import Any

from guard.kit.rehearse.canaries import Cage
from guard.kit.rehearse.generate import typical
from guard.kit.rehearse.values import Request
from guard.kit.request_builder import layouts
from guard.kit.request_builder.values import Carried, Layout
from guard.policy.fields import InputField
from guard.policy.route import Route as Declared
from guard.proxy.values import Route


@dataclass(slots=True)
class Subject:
    """One route with a contract."""

    key: str
    declared: Declared
    route: Route
    target: str
    layouts: tuple[Layout, ...]
    guessed: bool = False  # a part of `target` is open, and no example says what stands there
    headers: tuple[tuple[str, str], ...] = ()  # that an example says are needed
    instance: dict[str, Any] | None = None  # of the base, where fields are declared
    base: Carried | None = None
    works: bool = False  # the model answered the base
    more: list[dict[str, Any]] = field(default_factory=list)  # instances that the contract allows
    fine: list[Request] = field(default_factory=list)  # of `more`, what the model answered

    def request(
        self, body: bytes, content_type: str, headers: tuple[tuple[str, str], ...] = (), query: str = ""
    ) -> Request:
        """A request to it."""
        sent = [*self.headers, *headers]
        if content_type:
            sent.append(("content-type", content_type))
        return Request(self.route.method, self.target + query, tuple(sent), body)

    def good(self) -> Request:
        """The one that works. Only where there is a base."""
        assert self.base is not None
        return self.request(self.base.body, self.base.content_type)


def subject(key: str, declared: Declared, route: Route) -> Subject:
    """A route before any request is known."""
    target = "/".join("rehearsal" if part.startswith("{") else part for part in route.template.split("/"))
    target = target.replace("*", "rehearsal")
    for name in _placeholders(target):
        target = target.replace("{" + name + "}", "rehearsal")
    guessed = target != route.template
    return Subject(key, declared, route, target, layouts(key, declared) if declared.inputs else (), guessed)


def _placeholders(target: str) -> list[str]:
    return [part.partition("}")[0] for part in target.split("{")[1:]]


def marked(inputs: dict[str, InputField], instance: dict[str, Any], cage: Cage) -> dict[str, Any]:
    """The instance with numbers that nothing else has, where the declaration leaves room for them."""
    changed = dict(instance)
    for name, value in instance.items():
        field_ = inputs.get(name)
        if field_ is None or field_.type != "number" or field_.enum is not None or not isinstance(value, float):
            continue
        if field_.datatype in {"FP16", "BF16", "FP32"} or not value:
            continue
        near = cage.near(f"field {name}", value)
        if (field_.min is None or near >= field_.min) and (field_.max is None or near <= field_.max):
            changed[name] = near
    return changed


def usual(inputs: dict[str, InputField], wall: float, seed: int, cage: Cage) -> dict[str, Any]:
    """An everyday instance, made from the contract alone: free texts are words that nothing else has."""
    values: dict[str, Any] = {}
    for name, item in inputs.items():
        if not item.required:
            continue
        values[name] = typical(item, wall, seed)
        if item.type == "string" and item.enum is None and item.pattern is None and (item.max_length or 99) >= 23:
            values[name] = cage.text(f"field {name}").ljust(item.min_length or 0, "x")
    return marked(inputs, values, cage)
