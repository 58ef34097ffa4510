"""docs/dialects.md has one table of what null, NaN and infinity are: each cell of it is tried."""

import re
import struct
from pathlib import Path
from typing import Any

import pytest

from guard.proxy.values import Allow, Headers, Refused, Route
from tests.dialects.speaking import CSV, JSON, ask, compiled, dumps

PAGE = Path(__file__).parents[2] / "docs" / "dialects.md"
MARK = 12345.5
INPUT = "x: {type: number, nullable: true}"
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "json": ("", "", {"x": MARK}),
    "kserve-v1": ("", "", {"instances": [{"x": MARK}]}),
    "vertex": ("", "", {"instances": [{"x": MARK}]}),
    "sagemaker": ("columns: [x]", "", {"instances": [{"x": MARK}]}),
    "tfserving": ("", "", {"instances": [{"x": MARK}]}),
    "mlflow": ("", "", {"dataframe_records": [{"x": MARK}]}),
    "oip": ("", "", {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [MARK]}]}),
    "openai": ("", "at: /temperature, ", {"model": "m", "temperature": MARK, "messages": []}),
    "tei": ("", "at: /dimensions, ", {"inputs": "a", "dimensions": MARK}),
}
KEYS = {"openai": "POST /v1/chat/completions", "tei": "POST /embed"}
ANSWERS: dict[str, tuple[str, Any]] = {
    "json": ("", {"y": MARK}),
    "oip": ("", {"outputs": [{"name": "y", "datatype": "FP64", "shape": [1], "data": [MARK]}]}),
    "openai": ("at: /choices/*/y, ", {"model": "m", "choices": [{"y": MARK}]}),
    "tei": ("at: /*/y, ", [{"y": MARK}]),
}
COLUMNS = {"null": b"null", "NaN": b"NaN", "Infinity": b"Infinity", "-Infinity": b"-Infinity", '"NaN"': b'"NaN"'}
VALUES = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def table() -> list[Any]:
    text = PAGE.read_text(encoding="utf-8").partition("## Missing, null, NaN, infinity")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert re.findall(r"`([^`]+)`", " ".join(rows[0])) == list(COLUMNS)
    return [
        pytest.param(dialect, body, direction, column, word, id=f"{dialect}-{body}-{direction}-{column}")
        for dialects, body, direction, *words in rows[2:]
        for dialect in re.findall(r"`([^`]+)`", dialects)
        for column, word in zip(COLUMNS, words, strict=True)
        if word != "–"
    ]


def route_of(dialect: str, datatype: str = "") -> Route:
    above, at, _ = REQUESTS[dialect]
    place, _ = ANSWERS.get(dialect, ("", None))
    wire = f", datatype: {datatype}" if datatype else ""
    text = (
        f"dialect: {dialect}\n{above}\ninput: {{{INPUT.replace('{', '{' + at)[:-1]}{wire}}}}}\n"
        f"output: {{y: {{{place}type: number, nullable: true{wire}}}}}"
    )
    return compiled(text, KEYS.get(dialect, "POST /p"))


def written(document: Any, text: bytes) -> bytes:
    return dumps(document).replace(str(MARK).encode(), text)


def framed(member: str, value: float) -> tuple[Headers, bytes]:
    entry = {
        "name": "x" if member == "inputs" else "y",
        "datatype": "FP64",
        "shape": [1],
        "parameters": {"binary_data_size": 8},
    }
    head = dumps({member: [entry]})
    return [(b"inference-header-content-length", b"%d" % len(head))], head + struct.pack("<d", value)


def request_of(dialect: str, body: str, column: str) -> tuple[Headers, bytes]:
    if body == "raw bytes":
        headers, raw = framed("inputs", VALUES[column])
        return [(b"content-type", b"application/octet-stream"), *headers], raw
    if body == "CSV":
        cell = b'""' if column == "null" else COLUMNS[column]  # an empty line is no row
        return CSV, b"x\n" * (dialect == "mlflow") + cell + b"\n"
    return JSON, written(REQUESTS[dialect][2], COLUMNS[column])


def answer_of(dialect: str, body: str, column: str) -> tuple[Headers, bytes]:
    if body == "raw bytes":
        return framed("outputs", VALUES[column])
    if body == "CSV":
        return CSV, (b'""' if column == "null" else COLUMNS[column]) + b"\n"
    document = ANSWERS[dialect][1] if dialect in ANSWERS else {"predictions": [MARK]}
    return JSON, written(document, COLUMNS[column])


@pytest.mark.parametrize(("dialect", "body", "direction", "column", "word"), table())
def test_each_cell_of_the_page_is_what_guard_does(dialect: str, body: str, direction: str, column: str, word: str) -> None:
    route = route_of(dialect, "FP64" if body == "raw bytes" else "")
    if direction == "request":
        headers, sent = request_of(dialect, body, column)
        if word != "missing":
            with pytest.raises(Refused) as caught:
                ask(route, headers, sent)
            assert word in (caught.value.code, *(violation.code for violation in caught.value.violations))
            return
        permit = ask(route, headers, sent)
        rows = permit.document if isinstance(permit.document, list) else [permit.document]
        name = {"openai": "temperature", "tei": "dimensions"}.get(dialect, "x")
        assert all(row.get(name) is None for row in rows)
        forwards(dialect, body, column, permit.body)
        return
    headers, sent = answer_of(dialect, body, column)
    assert route.output is not None
    verdict = route.output.judge(sent, None, headers)
    codes = (
        [verdict.code, *(violation.code for violation in verdict.violations)]
        if not isinstance(verdict, Allow)
        else ["missing"]
    )
    assert word in codes


def forwards(dialect: str, body: str, column: str, sent: Any) -> None:
    """What the page says that a missing value is sent as."""
    if body == "raw bytes":
        assert sent.endswith(struct.pack("<d", float("nan")))
    elif body == "JSON":
        assert (b"NaN" in sent) is (dialect == "tfserving" and column == "NaN")
    else:
        assert b"nan" not in sent.lower()
