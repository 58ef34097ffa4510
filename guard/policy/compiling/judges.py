"""Step 2: the judges of a request, in the order in which they are asked. The order stands here and nowhere else.

A route has at most one judge today: its contract, or for an opaque body (`content`) the check of its media type. The
contract checks the media type itself before it reads the body, so that no parser meets a body that it was not made for.
Then it reads the body once, strictly, and writes what the model server gets.

A further judge gets its place in the tuple that `compile_judges` returns. Each judge sees the request as those before it
amended it, and `guard/proxy/judge.py` adds up what they find; so the order is part of what a policy means:

- a judge before the contract sees the body as the client sent it
- a judge after the contract sees a body that keeps its declared types, in the form in which it is sent
"""

from collections.abc import Sequence

from guard.contract.codec_contract import CodecInput
from guard.contract.input import InputContract, compile_input
from guard.contract.media import compile_opaque
from guard.contract.row_limit import RowLimit
from guard.policy import disclosure
from guard.policy.compiling.context import Compilation
from guard.policy.fields import SchemaFile
from guard.policy.route import Route
from guard.privacy.detectors import compile_detectors
from guard.proxy.values import Judge, RouteCodec


def compile_judges(
    key: str, route: Route, codec: RouteCodec | None, context: Compilation
) -> tuple[InputContract | None, tuple[Judge, ...]]:
    """The contract of the instances, where one is declared, and every judge in its order. What is wrong is reported.

    `codec` is how the route's dialect carries instances.
    """
    if route.content is not None:
        return None, (compile_opaque(route.content),)
    with context.reporting("routes", key, "input"):
        contract, judge = _contract(route, codec, context)
        if route.max_rows is not None:
            judge = _limited(key, route, codec, context, judge)
        return contract, (judge,) if judge is not None else ()
    return None, ()


def _limited(key: str, route: Route, codec: RouteCodec | None, context: Compilation, judge: Judge | None) -> Judge | None:
    """The contract with the route's largest number of instances; it is reported where there is no list of them."""
    listed = route.rows is not None if codec is None else not codec.single
    if route.max_rows is None or not route.inputs or not listed or not isinstance(judge, InputContract | CodecInput):
        why = "max_rows counts instances, and the contract of this route declares no list of them"
        context.report(("routes", key, "max_rows"), why)
        return judge
    return RowLimit(judge, route.max_rows, route.rows or "", enforce=route.enforcement == "enforce")


def _contract(route: Route, codec: RouteCodec | None, context: Compilation) -> tuple[InputContract | None, Judge | None]:
    """The contract of a route, and the judge that reads bodies for it; both None where any body will do."""
    enforce = route.enforcement == "enforce"
    if codec is not None:
        contract = _fields(route, rows=None if codec.single else "", columns=None) if route.inputs else None
        instances = route.but(rows=None if codec.single else "", columns=None)  # as the contract has them
        return contract, CodecInput(codec, contract, enforce=enforce, field_of=disclosure.field_of(instances))
    if isinstance(route.input, SchemaFile):
        from guard.contract.schema_file import compile_schema_input  # noqa: PLC0415 — 8 MiB that few policies need

        schema = context.schema(route.input)
        return None, compile_schema_input(schema, enforce=enforce, elements=route.max_elements, exact=route.exact)
    if route.input is None:
        return None, None
    contract = _fields(route, rows=route.rows, columns=route.columns)
    return contract, contract


def _fields(route: Route, *, rows: str | None, columns: Sequence[str] | None) -> InputContract:
    """The contract over the declared fields; `rows` and `columns` are where the instances stand in what it reads."""
    return compile_input(
        route.inputs,
        rows=rows,
        columns=columns,
        undeclared=route.undeclared,
        enforce=route.enforcement == "enforce",
        detect=compile_detectors,
        elements=route.max_elements,
        searched=route.max_searched,
        finds=route.max_finds,
        exact=route.exact,
    )
