"""SageMaker's containers: `/ping` answers, and that is all that can be seen of them without a request."""

from typing import Final

from guard.dialects.sagemaker import SageMaker
from guard.kit.init.draft import Found, Route, Source, Wanted
from guard.kit.init.server import Server, answering

NAME: Final = SageMaker.name
ASKED: Final = ("/ping", "/execution-parameters")


def find(server: Server, wanted: Wanted) -> Found | None:
    """Its one route; nothing declared."""
    passed = answering(server, *ASKED)
    if "GET /ping" not in passed and wanted.dialect != NAME:
        return None
    why = "GET /ping answers and nothing else does; with --dialect it can be mlflow or json"
    if wanted.dialect == NAME:
        why = "by --dialect"
    nothing = "Nothing declared: a container of SageMaker says nothing of its model."
    kinds = "Bodies that are neither JSON nor CSV are refused: 415. Then `content: [image/jpeg]`, or what they are."
    routes = (Route("POST /invocations", NAME, why, notes=(nothing, kinds)),)
    probe = "/ping" if "GET /ping" in passed else ""
    return Found("a container with SageMaker's routes", routes, passed, probe, "sagemaker-model")


SOURCE: Final = Source((NAME,), find, ASKED, vague=True)
