"""`guard privacy`: the report as JSON, or as Markdown for a review."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from guard.cli.check import compiled
from guard.kit.privacy import report
from guard.policy.errors import PolicyInvalid

INPUTS = ("name", "sensitivity", "raw", "model", "log", "trace", "metric", "cache")
OUTPUTS = ("name", "sensitivity", "client", "log", "trace", "metric", "cache")

ESCAPES = str.maketrans({**{one: f"\\{one}" for one in "\\`*_[]|#"}, "<": "&lt;", ">": "&gt;"})
SENT = (
    "Nothing leaves the process but what is written here: answers to clients, requests to the model servers, log lines on",
    "standard error, metrics, and traces and logs by OTLP where the environment asks for them. Values stand in lines of",
    "sampled exchanges only. A model server's error bodies are replaced. On disk are operators' orders, their audit, the",
    "policy, and what the day has cost: no value of a request or an answer.",
)


def run(policy: Path, *, as_json: bool) -> int:
    """0: printed. 1: the policy is wrong."""
    try:
        loaded, _ = compiled(policy)
    except PolicyInvalid as invalid:
        for one in invalid.errors:
            click.echo(str(one), err=True)
        return 1
    made = report(loaded)
    click.echo(json.dumps(made, indent=2, ensure_ascii=False) if as_json else "\n".join(markdown(made)))
    return 0


def markdown(made: dict[str, Any]) -> Iterator[str]:
    """The report, line by line."""
    yield f"# Privacy of {_text(made['service'])}"
    yield ""
    yield f"Made from policy `{made['policy'][:19]}`. guard stands between clients and {_text(made['upstream'])}."
    owners = ", ".join(f"{name.replace('_', ' ')}: {_text(value)}" for name, value in made["owners"].items())
    yield f"Owners: {owners or 'none declared'}."
    yield ""
    yield from SENT
    yield ""
    yield "| level | fields |"
    yield "|---|---|"
    yield from (f"| {level} | {count} |" for level, count in made["fields_by_sensitivity"].items())
    yield ""
    yield "## Of every request"
    yield ""
    yield from _table([("part", "part"), ("model", "to the model"), ("telemetry", "in telemetry")], made["request"])
    for route in made["routes"]:
        yield f"## {_code(route['route'])}"
        yield ""
        yield " ".join(filter(None, (route["about"], _recipients(route["recipients"]))))
        yield ""
        for title, columns, rows in (("Inputs", INPUTS, route["inputs"]), ("Outputs", OUTPUTS, route["outputs"])):
            if rows:
                yield f"### {title}"
                yield ""
                yield from _table([(column, "raw or derived" if column == "raw" else column) for column in columns], rows)
    yield "## To ask about"
    yield ""
    yield from (f"- {_text(one)}" for one in made["review"] or ["nothing stands out"])


def _recipients(urls: Sequence[str]) -> str:
    return f"Recipients: {', '.join(_text(url) for url in urls)}." if urls else ""


def _table(columns: Sequence[tuple[str, str]], rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"| {' | '.join(title for _, title in columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(_cell(key, row) for key, _ in columns)} |"
    yield ""


def _cell(key: str, row: dict[str, Any]) -> str:
    value = row[key]
    if key == "raw":
        return "raw" if value else "derived"
    if key == "name":
        about = ", ".join(filter(None, (row["type"], row["unit"], row["description"] or row.get("meaning", ""))))
        return f"{_code(value)} {_text(about)}"
    if key == "sensitivity":
        return str(value) if row["declared"] else f"{value} (not declared)"
    return _text(str(value))


def _text(value: str) -> str:
    """Text of a policy, that cannot become a table, a tag or a link."""
    return " ".join(value.split()).translate(ESCAPES)


def _code(value: str) -> str:
    """A name as code; a backtick or a pipe in it would end that."""
    plain = " ".join(value.split())
    return f"`{plain}`" if not set(plain) & set("`|<>") else _text(plain)
