"""Contract → OpenAPI 3.1, with `x-guard-*` beside each value for what OpenAPI has no word for.

A template's `{x}` is a part of one segment, as in OpenAPI. A wildcard `/*` is not there, so it is a parameter named
`wildcard` (`x-guard-wildcard`), which may hold slashes. Methods that OpenAPI does not know are left out.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from guard.contract.media import is_json
from guard.contract.strict import parse_file
from guard.dialects import RAW
from guard.kit.contract import schemas
from guard.kit.contract.values import Contract, Document, Header, Status
from guard.kit.description import ContractDescription, RouteDescription, describe
from guard.policy.fields import SchemaFile
from guard.policy.loading import Loaded
from guard.proxy.values import Dialect, Head, Problem, Violation

VERSION: Final = "3.1.0"
METHODS: Final = frozenset(("get", "put", "post", "delete", "options", "head", "patch", "trace"))
_PARAMETER: Final = re.compile(r"\{\+?([^{}]*)\}")


def openapi(document: Document, loaded: Loaded) -> dict[str, Any]:
    """The whole document."""
    return _OpenApi(document, loaded).document


class _OpenApi:
    """One document being made: `components` grow with the routes that need them."""

    def __init__(self, document: Document, loaded: Loaded) -> None:
        self._document, self._loaded = document, loaded
        self._described = {route.key: route for route in describe(loaded, _observed(document)).routes}
        self._schemas: dict[str, Any] = {}
        self._files: dict[str, object] = {}
        self._answers: dict[str, dict[str, Any]] = {}
        self._headers: dict[str, Any] = {
            answer_header.name: _header(answer_header) for answer_header in document.answer_headers
        }
        self._paths: dict[str, dict[str, Any]] = {}
        self._shapes: dict[str, tuple[str, list[str]]] = {}
        for route in document.routes:
            self._add(route)
        self.document: dict[str, Any] = {
            "openapi": VERSION,
            "info": self._info(),
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "paths": self._paths,
            "components": {"schemas": self._schemas, "responses": self._answers, "headers": self._headers},
            "x-guard-limits": {limit.key: limit.value for limit in document.limits},
        }

    def _info(self) -> dict[str, Any]:
        document = self._document
        info: dict[str, Any] = {
            "title": document.service,
            "version": document.version or document.digest[:19],
            "description": "Made from guard's policy by `guard contract`.",
            "x-guard-policy": document.digest,
            "x-guard-owners": dict(document.owners),
        }
        if document.model is not None:
            info["x-guard-model"] = document.model
        return info

    def _add(self, route: Contract) -> None:
        method = route.method.lower()
        if method not in METHODS:
            return
        shape = _PARAMETER.sub("{}", route.path)
        wildcard = shape.endswith("/*")
        shape = f"{shape[:-1]}{{}}" if wildcard else shape
        path, names = self._shapes.get(shape, ("", []))
        if not path:
            path, names = _named(route.path)
            self._shapes[shape] = path, names
        item = self._paths.setdefault(path, {})
        if method in item:
            return  # a wildcard and a template of the same shape: the template was first, and is narrower
        item[method] = self._operation(route, names, wildcard=wildcard)

    def _operation(self, route: Contract, names: list[str], *, wildcard: bool) -> dict[str, Any]:
        described = self._described[route.route]
        result: dict[str, Any] = {
            "operationId": re.sub(r"[^A-Za-z0-9]+", "_", route.route).strip("_").lower(),
            "summary": f"{route.method} {route.path}",
            "description": "\n\n".join(route.notes),
            "parameters": [
                *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names),
                *(_parameter(request_header) for request_header in (*route.request_headers, *self._document.request_headers)
                  if request_header.name != "content-type"),
            ],
        }  # fmt: skip
        if wildcard:
            result["x-guard-wildcard"] = names[-1]
        if route.content or route.body == "unread":
            result["requestBody"] = self._body(route, described)
        result["responses"] = self._responses(route, described)
        result["x-guard-route"] = route.route
        result["x-guard-dialect"] = route.dialect
        result["x-guard-enforcement"] = route.enforcement
        if route.undeclared is not None:
            result["x-guard-undeclared"] = route.undeclared.becomes
        result["x-guard-sources"] = {source.source: source.text for source in route.sources}
        result["x-guard-limits"] = {limit.key: limit.value for limit in route.limits}
        return result

    # ── bodies ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _body(self, route: Contract, described: RouteDescription) -> dict[str, Any]:
        media: dict[str, Any] = {}
        for kind in route.content or ("*/*",):
            media[kind] = {}
            if (
                isinstance(described, ContractDescription)
                and described.contract.input is not None
                and is_json(_typed(kind))
            ):
                media[kind]["schema"] = self._declared(described, "input")
                if route.example is not None:
                    media[kind]["examples"] = {"least": {"value": route.example.body}}
        request_body: dict[str, Any] = {"content": media}
        if route.content:
            request_body["required"] = True
        return request_body

    def _declared(self, described: ContractDescription, side: str) -> Any:
        if not isinstance(getattr(described.contract, side), SchemaFile):
            return schemas.request(described) if side == "input" else schemas.answer(described)
        file = getattr(described.contract, side).schema_.path
        name = re.sub(r"[^A-Za-z0-9]", "_", file.stem)
        while self._files.setdefault(name, file) != file:
            name += "_"
        self._schemas[name] = schemas.moved(parse_file(self._loaded.schemas[file]), name)
        return {"$ref": f"#/components/schemas/{name}"}

    def _responses(self, route: Contract, described: RouteDescription) -> dict[str, Any]:
        contract = described.contract if isinstance(described, ContractDescription) else None
        dialect = described.dialect if isinstance(described, ContractDescription) else RAW
        answered: dict[str, Any] = {"description": route.statuses[0].text, "headers": self._refer(route.answer_headers)}
        kind = "text/event-stream" if contract is not None and contract.stream else "application/json"
        if isinstance(described, ContractDescription) and described.contract.output:
            media: dict[str, Any] = {"schema": self._declared(described, "output")} if not described.contract.stream else {}
            if route.example is not None and route.example.answer is not None:
                media["examples"] = {"least": {"value": route.example.answer}}
            answered["content"] = {kind: media}
        responses: dict[str, Any] = {"2XX" if route.body != "passthrough" else "default": answered}
        for status, several in _by_status((*route.statuses[1:], *self._document.everywhere)):
            responses[str(status)] = self._shared(f"{dialect.name}_{status}", self._failed(several, dialect))
        return responses

    def _shared(self, name: str, response: dict[str, Any]) -> dict[str, Any]:
        """Routes that fail alike say so once."""
        while self._answers.setdefault(name, response) != response:
            name += "_"
        return {"$ref": f"#/components/responses/{name}"}

    def _failed(self, several: list[Status], dialect: Dialect) -> dict[str, Any]:
        kind, name = self._error(dialect)
        codes = {meaning.code: f"{meaning.meaning}. {meaning.client}" for item in several for meaning in item.codes}
        requested = sorted({meaning.code for item in several if item.asked for meaning in item.codes})
        response: dict[str, Any] = {
            "description": "; ".join([*dict.fromkeys(item.text for item in several if item.text), *codes]),
            "headers": self._refer(()),
            "content": {kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}},
            "x-guard-codes": codes,
        }
        if any(item.text for item in several):
            response["content"] = {"*/*": {}, **response["content"]}
        if requested:
            response["x-guard-no-fallback"] = requested
        return response

    def _error(self, dialect: Dialect) -> tuple[str, str]:
        """The dialect's own error, as it writes it: media type, and the name of its schema."""
        problems = [Problem(422, "contract", "id", (Violation("/a", "type"),)), Problem(503, "mode", "id")]
        written = [dialect.error(problem) for problem in problems]
        name = f"Error_{dialect.name}"
        self._schemas.setdefault(name, schemas.inferred(*(json.loads(body) for _, body in written)))
        return written[0][0].decode(), name

    def _refer(self, own: Iterable[Header]) -> dict[str, Any]:
        self._headers.update((item.name, _header(item)) for item in own)
        names = [answer_header.name for answer_header in (*self._document.answer_headers, *own)]
        return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _observed(document: Document) -> set[str]:
    return {route.route for route in document.routes if route.enforcement == "observe"}


def _by_status(statuses: Iterable[Status]) -> list[tuple[int, list[Status]]]:
    by_status: dict[int, list[Status]] = {}
    for status in statuses:
        by_status.setdefault(status.status, []).append(status)
    return sorted(by_status.items())


def _named(path: str) -> tuple[str, list[str]]:
    """The path, each of its parameters once and with a name of its own."""
    names: list[str] = []

    def fresh(name: str) -> str:
        while name in names:
            name += "_"
        names.append(name)
        return f"{{{name}}}"

    renamed = _PARAMETER.sub(lambda match: fresh(match[1]), path)
    return (renamed[:-1] + fresh("wildcard"), names) if renamed.endswith("/*") else (renamed, names)


def _parameter(header: Header) -> Mapping[str, Any]:
    return {"name": header.name, "in": "header", "required": header.required, "description": header.text,
            "schema": {"type": "string"}}  # fmt: skip


def _header(header: Header) -> Mapping[str, Any]:
    return {"description": header.text, "schema": {"type": "string"}}


def _typed(kind: str) -> Head:
    return Head(b"POST", b"/", [(b"content-type", kind.encode())])
