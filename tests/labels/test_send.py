"""`guard labels send` and `guard quality` before a real guard."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labels.test_live import receipts, write
from tests.sidecar import Sidecar, sidecar
from tests.test_operators import model, run  # noqa: F401 — a fixture
from tests.test_serve import Model


@pytest.fixture
def guard(model: Model, tmp_path: Path) -> Iterator[Sidecar]:  # noqa: F811
    write(tmp_path, model)
    with sidecar("policy.yaml", folder=tmp_path) as running:
        running.wait_for("admin")
        yield running


def test_a_file_is_sent_and_may_be_sent_again(guard: Sidecar, tmp_path: Path) -> None:
    labels = receipts(guard, 4)
    with (tmp_path / "l.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ("row", "receipt", "label", "comment"))
        rows.writeheader()
        rows.writerows({"row": 0, "comment": "x", **label} for label in labels)
    (tmp_path / "l.jsonl").write_text("\n".join(json.dumps(label) for label in labels) + "\n\n")
    first = run(tmp_path, "labels", "send", str(tmp_path / "l.csv"))
    assert (first.returncode, first.stdout) == (0, "sent 4 labels: accepted 4\n"), first.stderr
    second = run(tmp_path, "labels", "send", str(tmp_path / "l.jsonl"), "--from", "3")
    assert (second.returncode, second.stdout) == (0, "sent 2 labels: duplicate 2\n"), second.stderr
    shown = run(tmp_path, "quality")
    assert shown.returncode == 0, shown.stderr
    assert "POST /predict  label" in shown.stdout
    assert "4 receipts, 4 labels" in shown.stdout
    document = json.loads(run(tmp_path, "quality", "--json").stdout)
    assert document["format"] == "guard/quality/v1"


@pytest.mark.parametrize(
    ("content", "more", "expected"),
    [
        ("", (), "has no label"),
        ("receipt,label\n", (), "has no label"),
        ("receipt,label\na,b\n", ("--from", "9"), "--from 9 is beyond its end: it has 1 labels"),
        ("a,b\n1,2\n", (), "line 1 does not name the columns"),
        ("receipt,label\na,b\na\n", (), "line 3 has 1 values and not 2"),
        ("receipt,label,row\na,b,x\n", (), "line 2: row is not a number"),
        ('{"receipt": "a", "label": "b"}\n{\n', (), "line 2 is not JSON"),
        ('{"receipt": "a"}\n', (), "line 1 is not a label"),
    ],
)
def test_a_file_that_is_wrong_says_where(
    guard: Sidecar, tmp_path: Path, content: str, more: tuple[str, ...], expected: str
) -> None:
    (tmp_path / "file").write_text(content)
    result = run(tmp_path, "labels", "send", str(tmp_path / "file"), *more)
    assert result.returncode == 1
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_rejected_labels_are_named_and_fail(guard: Sidecar, tmp_path: Path) -> None:
    labels = [*receipts(guard, 1), {"receipt": "AR" + "A" * 60, "label": "b"}]
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, labels)))
    result = run(tmp_path, "labels", "send", str(tmp_path / "l.jsonl"))
    assert result.returncode == 1
    assert "label 2: " in result.stderr
    assert "accepted 1" in result.stdout
