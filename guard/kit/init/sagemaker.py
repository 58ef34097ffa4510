"""SageMaker's containers: `/ping` answers, and that is all that can be seen of them without a request."""

from typing import Final

from guard.dialects.sagemaker import SageMaker
from guard.kit.init.draft import Route, Source, SurveyResult, Wanted
from guard.kit.init.server import Server, answering

NAME: Final = SageMaker.name
ASKED: Final = ("/ping", "/execution-parameters")


def find(server: Server, wanted: Wanted) -> SurveyResult | None:
    """The one route of the server, without declarations."""
    passed = answering(server, *ASKED)
    if "GET /ping" not in passed and wanted.dialect != NAME:
        return None
    why = "only GET /ping answers; with --dialect it can be mlflow or json"
    if wanted.dialect == NAME:
        why = "by --dialect"
    nothing = "Nothing declared: a SageMaker container does not describe its model."
    kinds = (
        "Guard rejects bodies other than JSON and CSV (415). For others declare `content`, as in `content: [image/jpeg]`."
    )
    routes = (Route("POST /invocations", NAME, why, notes=(nothing, kinds)),)
    probe = "/ping" if "GET /ping" in passed else ""
    return SurveyResult("a container with SageMaker's routes", routes, passed, probe, "sagemaker-model")


SOURCE: Final = Source((NAME,), find, ASKED, vague=True)
