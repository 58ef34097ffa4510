"""Nothing of guard uses a private name of OpenTelemetry, which a patch release may change."""

import ast
from pathlib import Path

import guard

SOURCE = Path(guard.__file__).parent
UNSTABLE = {
    "opentelemetry._logs",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.sdk._logs",
    "opentelemetry.sdk._logs.export",
}
"""The API of logs: public, and named so because it is not stable yet. There is no other name for it."""


def private(name: str) -> bool:
    return any(part.startswith("_") for part in name.split("."))


def test_no_private_module_or_name_of_the_sdk_is_imported() -> None:
    imported: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opentelemetry"):
                imported |= {node.module or ""} | {alias.name for alias in node.names if private(alias.name)}
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names if alias.name.startswith("opentelemetry")}
    assert {name for name in imported if private(name)} == UNSTABLE


def test_no_private_attribute_of_another_object_is_read_by_an_exporter() -> None:
    read: set[str] = set()
    for name in ("collector", "otlp", "points", "span_exporters", "spans", "protobuf"):
        for node in ast.walk(ast.parse((SOURCE / "telemetry" / f"{name}.py").read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and getattr(node.value, "id", "") != "self":
                read.add(f"{name}: {ast.unparse(node)}")
    assert {entry for entry in read if not entry.endswith("_replace")} == set()
