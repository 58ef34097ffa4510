"""The tables of instruments and events in docs/telemetry.md. `python -m tests.telemetry.page` writes them."""

from dataclasses import fields
from logging import getLevelName
from pathlib import Path

from guard.events import SPELLED, Event, OrderGiven, event_types
from guard.telemetry.instruments import INSTRUMENTS
from guard.telemetry.prometheus import name

PAGE = Path(__file__).resolve().parents[2] / "docs" / "telemetry.md"


def instruments() -> str:
    """One row for each instrument."""
    rows = ["| OTLP | Prometheus | kind | unit | attributes | what |", "|---|---|---|---|---|---|"]
    for item in INSTRUMENTS:
        told = name(item) + ("_total" if item.kind == "counter" else "")
        attributes = ", ".join(f"`{attribute}`" for attribute in item.attributes)
        description = item.description.replace("<", "&lt;").replace(">", "&gt;")
        rows.append(f"| `{item.name}` | `{told}` | {item.kind} | {item.unit} | {attributes} | {description} |")
    return "\n".join(rows) + "\n"


def events() -> str:
    """One row for each event, with the keys of its line in the log."""
    rows = ["| event | line | level | keys | what |", "|---|---|---|---|---|"]
    for kind in event_types():
        keys = ", ".join(
            f"`{SPELLED.get(field.name, field.name)}`" if issubclass(kind, OrderGiven) else f"`{field.name}`"
            for field in fields(kind)
        )
        what = " ".join((kind.__doc__ or "").split())
        level = getLevelName(kind.severity).lower() if kind.level is Event.level else "varies"
        rows.append(f"| `{kind.__name__}` | `{kind.name}` | {level} | {keys} | {what} |")
    return "\n".join(rows) + "\n"


def written(page: str) -> str:
    """The page with the tables in it."""
    for title, table in (("instruments", instruments()), ("events", events())):
        begin, end = f"<!-- {title} -->\n", f"<!-- /{title} -->\n"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"docs/telemetry.md has no place for the table of {title}"
        page = before + begin + table + end + after
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
