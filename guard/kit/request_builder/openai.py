"""Builds requests of OpenAI's API: the members that a contract declares, beside the text that every request has."""

from typing import Any, Final

from guard.dialects.openai import OpenAI
from guard.kit.request_builder.values import Builder, Instance, Layout, single
from guard.policy.route import Route

NAME: Final = OpenAI.name
VIRTUAL: Final = frozenset(("roles", "texts", "characters", "attachments", "tokens"))


def _layouts(template: str, route: Route) -> tuple[Layout, ...]:
    return (single("request", lambda row: _prompt(route, template, row)),)


def _prompt(route: Route, template: str, row: Instance) -> dict[str, Any]:
    text = _text(route, "hello")
    member: dict[str, Any] = {"prompt": text}
    if "/chat/" in template:
        member = {"messages": [{"role": "user", "content": text}]}
    elif template.endswith("/embeddings"):
        member = {"input": text}
    if "model" not in route.inputs:
        member["model"] = _text(route, "default")
    return {**member, **{name: value for name, value in row.items() if name not in VIRTUAL}}


def _text(route: Route, word: str) -> str:
    """A word as long as the contract wants each text to be, of which the model's name is one unless it is declared."""
    declared = route.inputs.get("texts")
    bounds = declared.items if declared is not None else None
    return word if bounds is None else word.ljust(bounds.min_length or 0, "x")[: bounds.max_length]


BUILDER: Final = Builder(_layouts, virtual=VIRTUAL)
