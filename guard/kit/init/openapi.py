"""An OpenAPI document: FastAPI's, BentoML's, anybody's. Each POST with a JSON body is a route with a contract.

What only operators should call is not listed: it is found by the words of its path, and by its method.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from guard.dialects import DIALECTS
from guard.dialects.json import Json
from guard.dialects.kserve import KServe
from guard.dialects.sagemaker import SageMaker
from guard.dialects.tfserving import TensorFlowServing
from guard.dialects.vertex import Vertex
from guard.kit.init import bodies
from guard.kit.init.draft import MOST_ROUTES, Route, Source, SurveyResult, Wanted
from guard.kit.init.schemas import Schemas
from guard.kit.init.server import Server, answering, mapping, pointed
from guard.kit.init.words import MOST_KEY, line, slug
from guard.policy.management import OTHERS
from guard.policy.routes import RouteInvalid, RouteTable, template
from guard.proxy.values import Refused

DOCUMENTS: Final = ("/openapi.json", "/docs.json", "/v2/docs/dataplane.json")
DOCS: Final = ("/docs", "/redoc")
HEALTH: Final = ("/readyz", "/health", "/healthz", "/ready", "/livez", "/ping")
ASKED: Final = (*DOCUMENTS, *DOCS, *HEALTH)
DIALECTS_OF: Final = (Json.name, Vertex.name)

_OPERATORS: Final = frozenset((
    "admin", "management", "manage", "internal", "debug", "shutdown", "restart", "reload", "reset", "load", "unload",
    "register", "unregister", "train", "retrain", "deploy", "undeploy", "config", "configuration", "settings", "logging",
    "loglevel", "cache", "flush", "metrics", "pull", "push", "delete", "weights",
))  # fmt: skip
"""Words of a path by which something is meant for operators, or scrapers."""
_MANAGED: Final = RouteTable((f"POST {path}", True) for path in dict.fromkeys((
    *OTHERS, *(path for name, dialect in DIALECTS.items() if name != SageMaker.name for path in dialect.management)
)))  # fmt: skip
"""SageMaker's `/models/*` loads models there, and is `/models/iris/predict` of anybody else."""
_VARIABLE: Final = re.compile(r"\{([^{}/]*)\}")
_MEDIA: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*\Z", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z", re.ASCII)


def find(server: Server, wanted: Wanted) -> SurveyResult | None:
    """The content of the first document that lists paths."""
    if wanted.dialect and wanted.dialect not in DIALECTS_OF:
        return None
    for path in DOCUMENTS:
        document = mapping(server.get(path).document)
        if isinstance(document.get("openapi"), str) and mapping(document.get("paths")):
            return _draft(server, document, path, wanted)
    return None


def _draft(server: Server, document: dict[str, Any], path: str, wanted: Wanted) -> SurveyResult:
    reader = _Reader(document, path, wanted.dialect)
    reader.read()
    passed = answering(server, path, *DOCS, *HEALTH) | reader.passed
    info = mapping(document.get("info"))
    title = line(info.get("title", ""), 60)
    bento = " by BentoML" if "x-bentoml-name" in str(document.get("paths"))[: 1 << 20] else ""
    version = line(info.get("version", ""), 20)
    ready = [item for item in HEALTH if server.get(item).fine and f"GET {item}" in passed]
    return SurveyResult(
        server=f"{title or 'a service'}{'' if version in ('', 'None') else ' ' + version}, documented in {path}{bento}",
        routes=tuple(reader.routes),
        passed=passed,
        probe=ready[0] if ready else "",
        service=slug(title),
        notes=tuple(reader.notes),
    )


class _Reader:
    """Reads the operations of a document."""

    def __init__(self, document: dict[str, Any], path: str, dialect: str) -> None:
        self._document, self._path, self._dialect = document, path, dialect
        self._requests, self._answers = Schemas(document), Schemas(document, answers=True)
        self.routes: list[Route] = []
        self.passed: dict[str, str] = {}
        self.notes: list[str] = []

    def read(self) -> None:
        """Every operation; what is not listed is noted, the first of them by name."""
        unlisted: dict[str, list[str]] = {}
        for path, item in mapping(self._document["paths"]).items():
            for method in ("get", "post", "put", "patch", "delete"):
                operation = mapping(mapping(item).get(method))
                if not operation:
                    continue
                key, why = _key(method.upper(), path)
                if not why and len(self.routes) + len(self.passed) >= MOST_ROUTES:
                    why = f"more than {MOST_ROUTES} routes"
                if why:
                    unlisted.setdefault(why, []).append(f"{method.upper()} {line(path, 60)}")
                elif method == "get":
                    self.passed[key] = f"in {self._path}"
                else:
                    self._post(key, operation)
        for why, keys in unlisted.items():
            more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
            self.notes.append(f"not listed: {', '.join(keys[:5])}{more}: {why}")

    def _post(self, key: str, operation: dict[str, Any]) -> None:
        body = self._resolved(operation.get("requestBody"))
        content = mapping(body.get("content"))
        json = next((kind for kind in content if _is_json(kind)), None)
        if json is None and content and all(_MEDIA.match(kind) for kind in content):
            self.routes.append(self._route(key, operation, {"content": list(content)}))
        elif json is None or len(content) > 1:
            why = "takes no body" if not content else "takes bodies of several media types; a contract has one"
            self.passed[key] = f"in {self._path}: {why}"
        else:
            schema = mapping(content[json]).get("schema", {})
            if body.get("required") is not True and not self._requests.needs_members(schema):
                route = self._route(key, operation, {})
                self.routes.append(route.noted("Nothing declared for the request: its body is optional."))
            else:
                self.routes.append(self._route(key, operation, {}, schema))

    def _route(self, key: str, operation: dict[str, Any], settings: dict[str, Any], schema: Any = None) -> Route:
        spoken = self._dialect == Vertex.name
        where = f"GET {self._path}: {_titled(schema)}"
        read = bodies.Body()
        if schema is not None:
            read = bodies.request(self._requests, schema, where, spoken=spoken)
        answers, stream = self._answer(operation)
        settings = {**settings, **read.settings, **({"stream": True} if stream else {})}
        reasons = {**read.reasons, "content": "its only bodies", "stream": "answers with events"}
        body = bodies.Body()
        if answers is not None and not stream:
            rows = "rows" in settings
            body = bodies.answer(self._answers, answers, f"GET {self._path}: {_titled(answers)}", rows=rows)
        why = f"by --dialect {self._dialect}" if self._dialect else f"{self._path} describes plain JSON"
        if not self._dialect and "rows" in settings and settings["rows"] == "/instances":
            why += f"; instances are also the way of {Vertex.name}, {KServe.name} and {TensorFlowServing.name}"
        return Route(
            key,
            self._dialect or Json.name,
            why,
            settings,
            reasons,
            read.fields,
            body.fields,
            notes=(*read.notes, *body.notes),
        )

    def _answer(self, operation: dict[str, Any]) -> tuple[Any, bool]:
        """The schema of a good answer, if it is JSON; and whether it comes as events."""
        answers = mapping(operation.get("responses"))
        status = next((item for item in ("200", "201", "2XX", "default") if item in answers), "")
        content = mapping(self._resolved(answers.get(status)).get("content"))
        json = next((kind for kind in content if _is_json(kind)), None)
        stream = json is None and "text/event-stream" in content
        return (mapping(content[json]).get("schema") if json is not None else None), stream

    def _resolved(self, value: Any) -> dict[str, Any]:
        """A component, where the value refers to one."""
        resolved = mapping(value)
        name = resolved.get("$ref")
        if not isinstance(name, str) or not name.startswith("#/"):
            return resolved
        return mapping(pointed(self._document, name))


def _titled(schema: Any) -> str:
    """The title of a schema in a document, or of its items."""
    resolved = mapping(schema)
    items = mapping(resolved.get("items"))
    if "$ref" in items:
        return f"list of {_titled(items)}"
    return line(str(resolved.get("$ref", resolved.get("title", ""))).rpartition("/")[2], 60) or "its body"


def _is_json(kind: str) -> bool:
    essence = kind.partition(";")[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def _key(method: str, path: str) -> tuple[str, str]:
    """The key of a route; or why it is not listed."""
    if method not in ("GET", "POST"):
        return "", f"{method} changes what is served"
    words = {word for segment in path.lower().split("/") for word in (segment, *re.split(r"[-_:.]", segment))}
    if words & _OPERATORS or _is_managed(path):
        return "", "for operators, by its path"
    if len(path) > MOST_KEY:
        return "", "its path is too long"
    names: Iterator[int] = iter(range(1 << 16))
    key = f"{method} " + _VARIABLE.sub(lambda match: _variable(match[1], next(names)), path)
    try:
        template(key)
    except RouteInvalid as error:
        return "", line(error, 120)
    return key, ""


def _variable(name: str, index: int) -> str:
    return f"{{{name}}}" if _WORD.match(name) else f"{{part_{index}}}"


def _is_managed(path: str) -> bool:
    try:
        return bool(_MANAGED.match(b"POST", path.encode()))
    except (Refused, UnicodeEncodeError):
        return False


SOURCE: Final = Source(DIALECTS_OF, find, ASKED)
