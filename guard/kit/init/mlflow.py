"""MLflow's scoring server. Its contract is in the MLmodel file and nowhere on HTTP, so `--mlmodel` is asked for."""

import re
from typing import Final

from guard.dialects.mlflow import MLflow
from guard.kit.init.draft import Field, Route, Signature, Source, SurveyResult, Wanted
from guard.kit.init.server import Server, answering
from guard.kit.init.words import line

NAME: Final = MLflow.name
ASKED: Final = ("/ping", "/health", "/version")
_VERSION: Final = re.compile(rb"\s*\d{1,3}\.\d{1,4}\.\d{1,4}[0-9A-Za-z.+-]{0,20}\s*\Z")
_KEY: Final = "POST /invocations"
_PARAMS: Final = "params"
"""The member beside the rows; a column of that name has its place."""


def find(server: Server, wanted: Wanted) -> SurveyResult | None:
    """The one route of the server."""
    version = server.get("/version")
    is_mlflow = version.fine and _VERSION.match(version.body) is not None and server.get("/ping").fine
    if not is_mlflow and wanted.dialect != NAME:
        return None
    why = "GET /version is a bare version and GET /ping answers, as MLflow has it; sagemaker has the same route"
    if wanted.dialect == NAME:
        why = "by --dialect"
    passed = answering(server, "/ping", "/health", "/version")
    shown = f" {version.text}" if is_mlflow else ""
    return SurveyResult(
        server=f"MLflow's scoring server{shown}",
        routes=(_route(why, wanted.mlmodel),),
        passed=passed,
        probe="/ping" if "GET /ping" in passed else "",
        service="mlflow-model",
        notes=() if wanted.mlmodel else ("MLflow does not describe its model over HTTP; give --mlmodel PATH",),
    )


def _route(why: str, signature: Signature | None) -> Route:
    route = Route(_KEY, NAME, why)
    if signature is None:
        return route.noted(
            "Nothing declared: MLflow does not describe its model over HTTP. Use `guard init --mlmodel PATH`."
        )
    inputs = dict(signature.inputs)
    if signature.params:
        fields = {name: {**field.shape, "required": False} for name, field in signature.params.items()}
        params = "; ".join(f"{line(name, 30)}: {field.source}" for name, field in signature.params.items())
        inputs.setdefault(_PARAMS, Field({"type": "object", "required": False, "fields": fields}, params))
    version = (f"model_uuid {line(signature.version, 40)}: a value for `release.version`.",) if signature.version else ()
    settings, reasons = {}, {}
    if signature.unmapped:
        settings, reasons = {"undeclared": "pass"}, {"undeclared": "an input could not be declared, see above"}
    notes = (*version, *signature.notes)
    return Route(_KEY, NAME, why, settings, reasons, inputs, dict(signature.outputs), notes=notes)


SOURCE: Final = Source((NAME,), find, ASKED)
