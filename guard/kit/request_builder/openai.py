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
    member: dict[str, Any] = {"prompt": "hello"}
    if "/chat/" in template:
        member = {"messages": [{"role": "user", "content": "hello"}]}
    elif template.endswith("/embeddings"):
        member = {"input": "hello"}
    if "model" not in route.inputs:
        member["model"] = "rehearsal"
    return {**member, **{name: value for name, value in row.items() if name not in VIRTUAL}}


BUILDER: Final = Builder(_layouts, virtual=VIRTUAL)
