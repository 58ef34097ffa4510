"""`guard reference`: a validation set becomes the counts that monitoring starts from, and nothing of a row is in the file."""

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from guard.cli import cli
from guard.cli.check import Refused, compiled
from guard.kit.reference.rows import RowsInvalid, read_rows
from guard.kit.reference.show import bar, shown
from guard.monitoring.reference import Reference, parse_reference
from guard.monitoring.watch import RouteWatch
from guard.policy.models import Policy
from guard.policy.route import Route

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:1
targets: {expected_rate: 50/s}
monitor: {season: none%s}
routes:
  POST /predict:
    input:
      age: {type: integer, min: 18, max: 120}
      income: {type: number, sensitivity: financial}
      member: {type: boolean, required: false}
    output: {label: {enum: [yes, no], sensitivity: internal}}
    fallback: {label: no}
"""
SECRET = 4217.25


class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_POST(self) -> None:
        row = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps({"label": "yes" if row["age"] > 50 else "no"}).encode()
        self.send_response(503 if row["age"] == 99 else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def model() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY % "")
    return tmp_path


def run(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(cli, ["reference", *map(str, arguments)], standalone_mode=False)
    got = getattr(done.exception, "exit_code", None) if done.exception is not None else done.return_value
    assert (got or 0) == code, (done.exception, done.output)
    return done


def make(folder: Path, model: str, text: str, *more: str, name: str = "rows.csv", code: int = 0) -> Any:
    (folder / name).write_text(text)
    out = folder / "reference.json"
    return run("make", "--policy", folder / "policy.yaml", "--target", model, "--out", out, *more, folder / name, code=code)


def made(folder: Path) -> Reference:
    return parse_reference((folder / "reference.json").read_bytes())


def counts(reference: Reference, name: str) -> tuple[float, ...]:
    return next(field.counts for field in reference.fields if field.name == name)


def table(rows: Sequence[tuple[object, ...]]) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in [("age", "income", "member", "target"), *rows])


ROWS = [(20 + place % 60, 100 + place, "true" if place % 2 else "", "x") for place in range(300)]


def test_a_csv_goes_through_the_model_and_is_counted(folder: Path, model: str) -> None:
    done = make(folder, model, table([*ROWS, (7, 1, "", "x"), (99, 1, "", "x"), ("old", 1, "", "x")]))
    reference = made(folder)
    assert (reference.rows, reference.source) == (300, "file")
    assert counts(reference, "label") == (sum(row[0] > 50 for row in ROWS), sum(row[0] <= 50 for row in ROWS), 0, 0, 0)
    assert counts(reference, "member") == (0, 150, 150, 0, 0)
    assert sum(counts(reference, "age")) == 300
    assert "/age min, first in line 302" in done.output
    assert "503, first in line 303" in done.output
    assert "300 of 303 rows" in done.output


def test_json_lines_give_the_same_reference_as_a_csv(folder: Path, model: str) -> None:
    make(folder, model, table(ROWS))
    first = made(folder)
    lines = [
        {"age": age, "income": income, **({"member": True} if member else {}), "target": None}
        for age, income, member, _ in ROWS
    ]
    make(folder, model, "".join(json.dumps(line) + "\n" for line in lines), name="rows.jsonl")
    assert made(folder).fields == first.fields


def test_no_value_of_a_private_field_is_shown(folder: Path, model: str) -> None:
    make(folder, model, table([(age, SECRET, member, x) for age, _, member, x in ROWS]))
    assert "4217" not in (folder / "reference.json").read_text()
    text = run("show", folder / "reference.json").output
    assert "input income (number), private: values are not shown" in text
    assert "420" not in text
    as_json = json.loads(run("show", "--json", folder / "reference.json").output)
    assert "counts" not in next(field for field in as_json["fields"] if field["name"] == "income")
    assert shown(made(folder)) == text


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        ("", "rows.csv", "line 1: no header"),
        ("age,age\n1,2\n", "rows.csv", "line 1: two columns have the same name"),
        ("age,income\n1\n", "rows.csv", "line 2: 1 cells; the header has 2"),
        ("{}\n[]\n", "rows.jsonl", "line 2: expected an object"),
        ("{\n", "rows.jsonl", "line 1: not JSON"),
    ],
)
def test_a_file_that_is_no_rows_is_an_error_with_its_line(folder: Path, text: str, name: str, why: str) -> None:
    (folder / name).write_text(text)
    policy: Policy = compiled(folder / "policy.yaml")[0].policy
    route = policy.routes["POST /predict"]
    assert isinstance(route, Route)
    with pytest.raises(RowsInvalid, match=why):
        list(read_rows(folder / name, route.inputs))


def test_nothing_is_written_of_nothing(folder: Path, model: str) -> None:
    make(folder, model, table([(7, 1, "", "x")]), code=1)
    assert not (folder / "reference.json").exists()


def test_the_policy_takes_the_reference_and_watches_with_it(folder: Path, model: str) -> None:
    make(folder, model, table(ROWS))
    before = compiled(folder / "policy.yaml")[0].digest
    (folder / "policy.yaml").write_text(POLICY % ", reference: reference.json")
    loaded, plan = compiled(folder / "policy.yaml")
    watch = plan.routes[0].watch
    assert isinstance(watch, RouteWatch)
    assert watch.config.reference == made(folder)
    assert folder / "reference.json" in loaded.files
    assert loaded.digest != before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace('"rows": 300', '"rows": 301'), "the digest does not fit"),
        (lambda _: "{}", "`format` is not 1"),
        (None, "cannot read"),
    ],
)
def test_a_bad_reference_is_an_error_at_its_place(folder: Path, model: str, change: Any, why: str) -> None:
    make(folder, model, table(ROWS))
    file = folder / "reference.json"
    if change is None:
        file.unlink()
    else:
        file.write_text(change(file.read_text()))
    (folder / "policy.yaml").write_text(POLICY % ", reference: reference.json")
    with pytest.raises(Refused, match=f"policy.yaml:5:.*{why}"):
        compiled(folder / "policy.yaml")


def test_a_reference_of_other_classes_is_an_error(folder: Path, model: str) -> None:
    make(folder, model, table(ROWS))
    text = (POLICY % ", reference: reference.json").replace("[yes, no]", "[yes, maybe]").replace("label: no", "label: yes")
    (folder / "policy.yaml").write_text(text)
    with pytest.raises(Refused, match="classes that the contract does not declare: make the reference again"):
        compiled(folder / "policy.yaml")


def test_check_prints_what_can_be_promised(folder: Path) -> None:
    done = CliRunner().invoke(cli, ["check", str(folder / "policy.yaml")], standalone_mode=False)
    line = next(line for line in done.output.splitlines() if "output:label:values" in line)
    assert line.split()[1:3] == ["50%", "never"]
    assert "s)" in line
    as_json = json.loads(
        CliRunner().invoke(cli, ["check", "--json", str(folder / "policy.yaml")], standalone_mode=False).output
    )
    assert {shift["signal"] for shift in as_json["monitoring"][0]["shifts"]} >= {"output:label:values", "input:age:repeat"}


def test_a_bar_has_eighths() -> None:
    assert [bar(0.0), bar(0.5), bar(1 / 320)] == ["", "█" * 20, "▏"]
