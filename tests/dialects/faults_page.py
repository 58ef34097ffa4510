"""The table of faults in docs/dialects.md. `python -m tests.dialects.faults_page` writes it."""

from itertools import groupby
from pathlib import Path

from guard.dialects import DIALECTS
from guard.dialects.faults import STATUSES, UNKNOWN_CLIENT, UNKNOWN_SERVER
from guard.proxy.values import Fault

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dialects.md"
BEGIN, END = "<!-- faults -->\n", "<!-- /faults -->\n"
WHERE = {
    "never": "never",
    "content": "always",
    "body": "where the request has a body",
    "path": "where the client chose the path, a query or HEAD",
    "names": "the same, or where the request names a model",
    "credentials": "where its own credentials are forwarded",
    "condition": "where the request is conditional",
    "range": "where it sent Range",
    "early": "where it sent Early-Data",
    "streamed": "where its body is streamed",
}
ELSE = {
    "unproven": "closes the rung, blames nobody",
    "unavailable": "the server's, counts",
    "model_fault": "the model's, counts",
    "overload": "overload, backs off",
}


def _row(who: str, statuses: str, fault: Fault) -> str:
    otherwise = "" if fault.cause == "content" else ELSE[fault.otherwise]
    return f"| {who} | {statuses} | {WHERE[fault.cause]} | {otherwise} | {fault.why} |"


def table() -> str:
    """One row for each fault, of all dialects and then of each that differs."""
    rows = ["| dialect | status | the client's fault | else | why |", "|---|---|---|---|---|"]
    for fault, group in groupby(STATUSES.items(), key=lambda item: item[1]):
        rows.append(_row("all", ", ".join(str(status) for status, _ in group), fault))
    rows.append(_row("all", "other 4xx", UNKNOWN_CLIENT))
    rows.append(_row("all", "other 5xx", UNKNOWN_SERVER))
    for name, dialect in DIALECTS.items():
        for status, fault in sorted(dialect.faults.items()):
            if STATUSES.get(status) != fault:
                rows.append(_row(f"`{name}`", str(status), fault))
    return "\n".join(rows) + "\n"


def written(page: str) -> str:
    """The page with the table in it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
