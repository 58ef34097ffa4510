"""The table of instruments in docs/telemetry.md. `python -m tests.telemetry.page` writes it."""

from pathlib import Path

from guard.telemetry.instruments import INSTRUMENTS
from guard.telemetry.prometheus import name

PAGE = Path(__file__).resolve().parents[2] / "docs" / "telemetry.md"
BEGIN, END = "<!-- instruments -->\n", "<!-- /instruments -->\n"


def table() -> str:
    """One row for each instrument."""
    rows = ["| OTLP | Prometheus | kind | unit | attributes | what |", "|---|---|---|---|---|---|"]
    for one in INSTRUMENTS:
        told = name(one) + ("_total" if one.kind == "counter" else "")
        attributes = ", ".join(f"`{attribute}`" for attribute in one.attributes)
        description = one.description.replace("<", "&lt;").replace(">", "&gt;")
        rows.append(f"| `{one.name}` | `{told}` | {one.kind} | {one.unit} | {attributes} | {description} |")
    return "\n".join(rows) + "\n"


def written(page: str) -> str:
    """The page with the table in it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
