"""SageMaker's containers: `/ping` answers, and that is all that can be seen of them without a request."""

from typing import Final

from guard.kit.init.draft import Found, Route, Wanted
from guard.kit.init.server import Server, answering

ASKED: Final = ("/ping", "/execution-parameters")


def find(server: Server, wanted: Wanted) -> Found | None:
    """Its one route; nothing declared."""
    passed = answering(server, *ASKED)
    if "GET /ping" not in passed and wanted.dialect != "sagemaker":
        return None
    why = "GET /ping answers and nothing else does; with --dialect it can be mlflow or json"
    if wanted.dialect == "sagemaker":
        why = "by --dialect"
    nothing = "Nothing declared: a container of SageMaker says nothing of its model."
    kinds = "Bodies that are neither JSON nor CSV are refused: 415. Then `content: [image/jpeg]`, or what they are."
    routes = (Route("POST /invocations", "sagemaker", why, notes=(nothing, kinds)),)
    probe = "/ping" if "GET /ping" in passed else ""
    return Found("a container with SageMaker's routes", routes, passed, probe, "sagemaker-model")
