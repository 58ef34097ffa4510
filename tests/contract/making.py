"""Contracts from the YAML of their fields, through the policy, as a user writes them."""

import tempfile
from pathlib import Path
from textwrap import dedent, indent

from guard.contract.input import InputContract, compile_input
from guard.contract.output import OutputContract, compile_output
from guard.policy.loading import load
from guard.policy.route import Route
from guard.proxy.values import Head, Verdict

JSON = Head(b"POST", b"/p", [(b"content-type", b"application/json")])
WALL = 1_800_000_000.0


def route(text: str) -> Route:
    """The one route of a policy whose route is `text`."""
    policy = "version: guard/v1\nservice: t\nupstream: http://127.0.0.1:1\nroutes:\n  POST /p:\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(policy + indent(dedent(text).strip("\n"), "    ") + "\n", encoding="utf-8")
        made = load(path, environ={}).policy.routes["POST /p"]
    assert isinstance(made, Route)
    return made


def input_of(text: str, **changes: object) -> InputContract:
    """The contract of the route's requests."""
    made = route(text)
    arguments: dict[str, object] = {
        "rows": made.rows, "columns": made.columns, "undeclared": made.undeclared,
        "enforce": made.enforcement == "enforce", "elements": made.max_elements, "searched": made.max_searched, "finds": made.max_finds, "exact": made.exact, **changes,
    }  # fmt: skip
    return compile_input(made.inputs, **arguments)  # type: ignore[arg-type]


def output_of(text: str) -> OutputContract:
    """The contract of the route's answers."""
    made = route(text)
    return compile_output(made.outputs, elements=made.max_elements)


def said(verdict: Verdict) -> list[str]:
    """The violations as `pointer code`."""
    return [f"{pointer} {code}" for pointer, code, _ in verdict.violations]
