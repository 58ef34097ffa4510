"""docs/policy.md, made from the JSON Schema of a policy. `python -m tests.policy.page` writes it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from guard.policy.schema import schema
from tests.policy.examples import DIGEST, EXAMPLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "policy.md"
HEAD = """# The policy, key by key

Made from the models; `guard schema` prints the same for an editor (JSON Schema), `policies/reference.yaml` shows every key in
use. Unknown keys are errors with file, line and column. Durations, sizes and shares are written as people say them: `300ms`,
`1MiB`, `1%`. `{env: NAME}` and `{file: PATH}` stand for secrets; paths are relative to the file they are written in. An example
shows what stands between the braces of its part, with the companions that the key needs; each is checked by the loader.
[recipes.md](recipes.md) has whole policies.

"""
ORDER = (
    "Policy", "Listen", "ListenTls", "ListenLimits", "Cors", "Upstream", "TargetTls", "TargetLimits", "Route", "InputField", "OutputField",
    "NestedField", "Freshness", "Calibration", "SchemaFile", "Timeout", "RouteLimits", "Fallback", "Previous", "CallTimeout", "Cached",
    "Rule", "Disabled", "Breaker", "Slow", "Release", "ReleasePart", "Earlier", "Evaluation",
    "Candidate", "CandidateEngine", "ComposeEngine", "KubernetesEngine", "MlflowEngine", "Shadow", "Compare", "CompareLabel",
    "CompareScore", "CompareSlow", "Canary", "CanaryStep", "CandidateAbort", "CandidatePass", "Privacy", "Telemetry", "Monitor", "Expected", "Targets", "Burn", "Cost",
    "RouteTargets", "Prices", "Owners",
    "Incidents", "Webhook", "Labels", "Admin", "AdminProxy", "Secret", "Passthrough", "Denied",
)  # fmt: skip


def page() -> str:
    """The whole page."""
    whole = schema()
    parts = {"Policy": whole, **whole["$defs"]}
    assert set(ORDER) == set(parts), set(ORDER) ^ set(parts)
    return HEAD + "\n".join(_section(name, parts[name]) for name in ORDER)


def _section(name: str, part: dict[str, Any]) -> str:
    rows = list(_rows(part, EXAMPLES.get(name, {})))
    lines = [f"## {name}", "", _prose(part.get("description", "")), ""]
    if rows:
        lines += ["| key | what | default | meaning | example |", "|---|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def properties(part: dict[str, Any]) -> dict[str, Any]:
    """The keys of a part, also of one that has a short form, and of the ladder."""
    if "properties" in part:
        return part["properties"]
    by_name: dict[str, Any] = {}
    for item in part.get("anyOf", ()):
        for inner in (item, *item.get("items", {}).get("oneOf", ())):
            by_name.update(inner.get("properties", {}))
    return by_name


def _rows(part: dict[str, Any], examples: Mapping[str, str]) -> Iterator[str]:
    for key, declared in properties(part).items():
        default = f"`{_plain(declared['default'])}`" if "default" in declared else ""
        example = examples[key].replace(DIGEST, "sha256:…").replace("|", "\\|")
        yield f"| `{key}` | {_kind(declared)} | {default} | {_prose(declared['description'])} | `{example}` |"


def _kind(declared: dict[str, Any]) -> str:
    match declared:
        case {"$ref": ref}:
            name = ref.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return " ".join(f"`{_plain(value)}`" for value in values)
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return ", or ".join(dict.fromkeys(_kind(kind) for kind in kinds))
        case {"type": "array"}:
            return f"list of {_kind(declared.get('items', {}))}"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"mapping of {_kind(values)}"
        case {"examples": [example, *_]}:
            return f"text, such as `{example}`"
        case {"type": str(kind)}:
            return {"string": "text"}.get(kind, kind)
        case {"type": [*_]}:
            return "text"
    return "any value"


def _plain(value: object) -> str:
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _prose(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
