"""The sources that answer a route and how their answers differ: the values of `x-guard-source`."""

from collections.abc import Iterator, Mapping
from typing import Any

from guard.kit.contract.values import Answerer, Rule
from guard.kit.description import ContractDescription, RouteDescription
from guard.policy.ladder import Cel, Fallback
from guard.policy.models import Release
from guard.policy.scalars import write_duration
from guard.proxy.values import CACHED, DISABLED, MODEL, PREVIOUS, RULES


def sources(described: RouteDescription, release: Release | None) -> Iterator[Answerer]:
    """The sources, from the top of the ladder."""
    model = tuple(item for item in (release.model, release.version) if item is not None) if release is not None else ()
    yield Answerer(MODEL, "The model itself, of this release" if model else "The model itself.", model)
    if not isinstance(described, ContractDescription):
        yield _disabled(Fallback.model_construct())
        return
    below = described.contract.fallback
    if (previous := below.previous) is not None:
        version = (previous.version,) if previous.version is not None else ()
        text = "The release before, which still runs: a full answer of an older model"
        yield Answerer(PREVIOUS, text if version else f"{text}.", version)
    if (cached := below.cached) is not None and described.keeps:
        asks = "the same question" if cached.key is None else "a question with the same values of these fields"
        ago = write_duration(cached.max_age)
        text = f"What the model said before to {asks}, at most {ago} ago; the header `age` says when"
        key_fields = cached.key or ()
        yield Answerer(CACHED, text if key_fields else f"{text}.", key_fields)
    if below.rules is not None:
        text = "No model: rules that a person wrote, the first that applies. Treat it as a decision, not as a prediction."
        yield Answerer(RULES, text, (), tuple(Rule(rule.when, _answer(rule.answer)) for rule in below.rules))
    yield _disabled(below)


def _answer(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: {"cel": value.text} if isinstance(value, Cel) else value for name, value in answer.items()}


def _disabled(below: Fallback) -> Answerer:
    declared = below.disabled
    if declared is None:
        return Answerer(DISABLED, "Nobody: an error of 502, 503 or 504, whose code says why.")
    body = "an error whose code says why" if declared.body is None else "a body of its own"
    return Answerer(DISABLED, f"Nobody: status {declared.status}, with {body}.")
