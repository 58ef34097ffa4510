"""What a dialect is told of a route, and the judges of a route that does not speak plain JSON."""

from collections.abc import Callable
from typing import Any

from guard.contract.input import InputContract, compile_input
from guard.contract.media import is_json
from guard.contract.output import OutputContract
from guard.contract.scrub import Detect
from guard.contract.spoken import SpokenInput, SpokenOutput
from guard.contract.strict import audit, dumps, loads
from guard.policy import telling
from guard.policy.route import Route
from guard.proxy.values import Dialect, Form, Headers, Judge, Spec


def form_of(key: str, route: Route, dialect: Dialect, *, metered: bool) -> Form | None:
    """How the dialect carries instances on this route; None: its body is the document."""
    return dialect.form(
        Spec(
            template=key.partition(" ")[2],
            inputs=route.inputs,
            outputs=route.outputs,
            rows=route.rows,
            columns=route.columns,
            undeclared=route.undeclared,
            max_body=route.max_body,
            metered=metered,
            loads=_loads(route.max_elements),
            loads_answer=_loads_answer(route.max_elements),
            dumps=dumps,
            is_json=is_json,
        )
    )


def _loads(elements: int) -> Callable[[bytes, bool], Any]:
    def strictly(body: bytes, nan: bool) -> Any:  # noqa: FBT001 — see Spec
        tree = loads(body, nan, elements)
        audit(tree, body, nan)
        return tree

    return strictly


def _loads_answer(elements: int) -> Callable[[bytes], Any]:
    def leniently(body: bytes) -> Any:
        tree = loads(body, True, elements)
        audit(tree, body)
        return tree

    return leniently


def spoken_input(route: Route, form: Form, detect: Detect) -> tuple[InputContract | None, Judge]:
    """The contract over what the form reads, and the judge that holds requests against it."""
    enforce = route.enforcement == "enforce"
    contract = None
    if route.inputs:
        contract = compile_input(
            route.inputs,
            rows=None if form.single else "",
            columns=None,
            undeclared=route.undeclared,
            enforce=enforce,
            detect=detect,
            elements=route.max_elements,
            searched=route.max_searched,
            finds=route.max_finds,
            exact=route.exact,
        )
    instances = route.but(rows=None if form.single else "", columns=None)  # as the contract has them
    return contract, SpokenInput(form, contract, enforce=enforce, field_of=telling.field_of(instances))


def spoken_output(form: Form, contract: OutputContract | None, route: Route) -> SpokenOutput:
    """The judge of answers; it hears versions and usage where no output is declared, too."""
    return SpokenOutput(form, contract, route.outputs)


def reader(form: Form | None, elements: int) -> Callable[[Headers, bytes], object]:
    """Reads an answer that was kept."""
    if form is None:
        return lambda _headers, body: loads(body, elements=elements)
    return lambda headers, body: form.read_answer(headers, body).document


def writer(form: Form | None) -> Callable[[object, object], tuple[bytes, bytes]]:
    """Writes an answer of our own."""
    if form is None:
        return lambda document, _message: (b"application/json", dumps(document))
    return form.write_answer
