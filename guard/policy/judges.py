"""The judges of a route, in the order in which they are asked. It stands here and nowhere else.

Each judge sees the request as those before it amended it, and `guard/proxy/judge.py` adds up what they find; so their order
is part of what a policy means:

1. the media type   no parser meets a body that it was not made for
2. the contract     reads the body once, strictly, and writes what the model server gets: whatever stands after it judges a
                    document that keeps its types, in the form in which it is sent
"""

from collections.abc import Callable
from typing import Any

from guard.contract.input import InputContract, compile_input
from guard.contract.media import compile_opaque
from guard.policy import speaking
from guard.policy.fields import SchemaFile
from guard.policy.route import Route
from guard.privacy.detectors import compile_detectors
from guard.proxy.values import Form, Judge


def compile_judges(
    route: Route, form: Form | None, schema: Callable[[SchemaFile], Any]
) -> tuple[InputContract | None, tuple[Judge, ...]]:
    """The contract of the instances, where one is declared, and every judge in its order. Raises ContractInvalid.

    `form` is how the route's dialect carries instances; `schema` loads a JSON Schema file.
    """
    media = compile_opaque(route.content) if route.content is not None else None
    contract, reader = (None, None) if route.content is not None else _contract(route, form, schema)
    return contract, tuple(judge for judge in (media, reader) if judge is not None)


def _contract(
    route: Route, form: Form | None, schema: Callable[[SchemaFile], Any]
) -> tuple[InputContract | None, Judge | None]:
    """The contract of a route, and the judge that reads bodies for it; both None where any body will do."""
    enforce = route.enforcement == "enforce"
    if form is not None:
        return speaking.spoken_input(route, form, compile_detectors)
    if isinstance(route.input, SchemaFile):
        from guard.contract.schema_file import compile_schema_input  # noqa: PLC0415 — 8 MiB that few policies need

        return None, compile_schema_input(
            schema(route.input),
            enforce=enforce,
            elements=route.max_elements,
            exact=route.exact,
        )
    if route.input is None:
        return None, None
    contract = compile_input(
        route.inputs,
        rows=route.rows,
        columns=route.columns,
        undeclared=route.undeclared,
        enforce=enforce,
        detect=compile_detectors,
        elements=route.max_elements,
        searched=route.max_searched,
        finds=route.max_finds,
        exact=route.exact,
    )
    return contract, contract
