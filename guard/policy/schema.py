"""JSON Schema (2020-12) of the policy, for editors. Made from the models; docs/policy.schema.json is the copy."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from guard.policy.descriptions import DESCRIPTIONS, FIELDS
from guard.policy.fields import REFUSED
from guard.policy.ladder import RUNGS
from guard.policy.models import Policy
from guard.policy.route import DENIED, PASSTHROUGH

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Generate(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A key that may be absent is not one that may be null."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Defaults of scalars only, as people write them; those of mappings stand at their own keys."""
        inner = schema["schema"]
        inner_schema = self.generate_inner(inner)
        write = inner.get("serialization", {}).get("function")
        default = schema.get("default")
        default = default if write is None or default is None else write(default)
        return {**inner_schema, "default": default} if isinstance(default, str | int | float) else inner_schema

    def get_title_from_name(self, name: str) -> str:
        """No titles; `strip` takes the empty ones out."""
        del name
        return ""


def schema() -> dict[str, Any]:
    """The JSON Schema of a policy file."""
    document = Policy.model_json_schema(by_alias=True, schema_generator=_Generate)
    parts = document["$defs"]
    for name, part in (("Policy", document), *parts.items()):
        _describe(part, DESCRIPTIONS.get("Shape" if name in FIELDS else name, {}))
    output = parts["OutputField"]["properties"]
    for key in REFUSED:
        del output[key]
    output["treatment"] = {"const": "drop", "description": output["treatment"]["description"]}
    for name in ("Upstream", "Previous"):
        full = parts[name]
        parts[name] = {"description": full["description"], "anyOf": [full["properties"]["url"], full]}
    parts["Fallback"] = _ladder(parts["Fallback"])
    for name, word in (("Passthrough", PASSTHROUGH), ("Denied", DENIED)):
        parts[name] = {"const": word, "description": parts[name]["description"]}
    for owner in (document, parts["Candidate"]):
        release = owner["properties"]["release"]
        owner["properties"]["release"] = {"anyOf": [{"type": "string"}, release], "description": release["description"]}
    # A policy that extends another may leave to it what it needs.
    document["required"] = ["version"]
    made_whole: dict[str, Any] = _stripped({"$schema": DIALECT, **document, "title": "guard policy"})
    return made_whole


def text() -> str:
    """The schema as it is printed and committed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _describe(part: dict[str, Any], words: Mapping[str, str]) -> None:
    """Each key says what it means; a model's own word comes first."""
    for key, declared in part.get("properties", {}).items():
        if key in words:
            declared.setdefault("description", words[key])


def _ladder(rungs: dict[str, Any]) -> dict[str, Any]:
    items = [
        {
            "type": "object",
            "properties": {name: rungs["properties"][name]},
            "required": [name],
            "additionalProperties": False,
        }
        for name in RUNGS
    ]
    answer = {"type": "object", "minProperties": 1, "description": "Declared outputs: one unconditional rule."}
    return {"description": rungs["description"], "anyOf": [{"type": "array", "items": {"oneOf": items}}, answer]}


def _stripped(node: Any) -> Any:
    """The schema without empty titles."""
    if isinstance(node, dict):
        return {key: _stripped(value) for key, value in node.items() if not (key == "title" and value == "")}
    return [_stripped(item) for item in node] if isinstance(node, list) else node
