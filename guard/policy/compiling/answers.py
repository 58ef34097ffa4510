"""Step 3: the judge of a route's answers."""

from guard.contract.codec_contract import CodecOutput
from guard.contract.output import compile_output
from guard.policy import disclosure
from guard.policy.compiling.context import Compilation
from guard.policy.fields import SchemaFile
from guard.policy.route import Route
from guard.proxy.values import AnswerJudge, RouteCodec


def compile_answers(key: str, route: Route, codec: RouteCodec | None, context: Compilation) -> AnswerJudge | None:
    """The judge of answers; None where any will do, or where the declaration is wrong, which is reported.

    With a `codec` there is one where no output is declared, too: it reads versions and usage.
    """
    with context.reporting("routes", key, "output"):
        if isinstance(route.output, SchemaFile):
            from guard.contract.schema_file import compile_schema_output  # noqa: PLC0415 — 8 MiB that few policies need

            return compile_schema_output(context.schema(route.output), route.max_elements)
        contract = None
        if route.output:
            measured = [measure.name for measure in disclosure.measures(route.outputs)]
            contract = compile_output(route.outputs, measured, route.max_elements)
        return contract if codec is None else CodecOutput(codec, contract, route.outputs)
    return None
