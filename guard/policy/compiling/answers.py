"""Step 3: the judge of a route's answers."""

from guard.contract.output import compile_output
from guard.contract.spoken import SpokenOutput
from guard.policy import telling
from guard.policy.compiling.context import Compilation
from guard.policy.fields import SchemaFile
from guard.policy.route import Route
from guard.proxy.values import AnswerJudge, Form


def compile_answers(key: str, route: Route, form: Form | None, context: Compilation) -> AnswerJudge | None:
    """The judge of answers; None where any will do, or where the declaration is wrong, which is reported.

    With a `form` there is one where no output is declared, too: it reads versions and usage.
    """
    with context.reporting("routes", key, "output"):
        if isinstance(route.output, SchemaFile):
            from guard.contract.schema_file import compile_schema_output  # noqa: PLC0415 — 8 MiB that few policies need

            return compile_schema_output(context.schema(route.output), route.max_elements)
        contract = None
        if route.output:
            measured = [measure.name for measure in telling.measures(route.outputs)]
            contract = compile_output(route.outputs, measured, route.max_elements)
        return contract if form is None else SpokenOutput(form, contract, route.outputs)
    return None
