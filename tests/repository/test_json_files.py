"""No file of JSON that a person or a pipeline writes has a name twice: readers would take different ones, in silence."""

import json
from pathlib import Path

import pytest

from guard.contract.strict import Unreadable, parse_file
from guard.control.orders_file import Damaged, decode, encode
from guard.kit import evidence
from guard.kit.rehearse import files
from guard.kit.release import report
from guard.ladder.mode import Orders
from guard.policy.errors import PolicyInvalid
from guard.policy.loading import load

POLICY = "version: guard/v1\nservice: s\nupstream: http://127.0.0.1:1\nroutes:\n  POST /p:\n    input: {schema: in.json}\n"


def refused(folder: Path, schema: bytes) -> str:
    (folder / "in.json").write_bytes(schema)
    (folder / "policy.yaml").write_text(POLICY)
    with pytest.raises(PolicyInvalid) as caught:
        load(folder / "policy.yaml", environ={})
    return str(caught.value)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (b'{"type": "object", "type": "string"}', "has a name twice"),
        (b'{"properties": {"age": {"minimum": 18}, "age": {}}}', "has a name twice"),
        (b'{"allOf": [{"$defs": {"a": {"x": 1, "\\u0078": 2}}}]}', "has a name twice"),
        ("{}".encode("utf-16"), "is not UTF-8"),
        (b'{"title": "\xff"}', "is not UTF-8"),
        (b'{"maximum": 1e400}', "a double does not hold"),
        (b'{"maximum": NaN}', "a double does not hold"),
        (b'{"a": 1,}', "is not JSON"),
        (b'["a"]', "is not a JSON Schema"),
        (b"", "is not JSON"),
    ],
)
def test_a_schema_file_reads_alike_everywhere(tmp_path: Path, schema: bytes, why: str) -> None:
    message = refused(tmp_path, schema)
    assert why in message
    assert "routes" in message


def test_a_schema_file_may_have_integers_of_any_size_and_the_same_name_in_two_objects(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_bytes(
        b'\xef\xbb\xbf{"properties": {"a": {"maximum": 18446744073709551616}, "b": {"maximum": 2}}}'
    )
    (tmp_path / "policy.yaml").write_text(POLICY)
    assert load(tmp_path / "policy.yaml", environ={}).warnings == ()


def test_an_evaluation_report_with_a_metric_twice_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"auc": 0.9, "auc": 0.1}')
    assert not report.readable(tmp_path / "r.json")


def test_evidence_with_a_member_twice_is_none(tmp_path: Path) -> None:
    place = evidence.place(tmp_path / "policy.yaml", "drill")
    place.parent.mkdir()
    place.write_text('{"passed": false, "passed": true}')
    content = evidence.read(tmp_path / "policy.yaml", "drill", service="s", now=None)  # type: ignore[arg-type]
    assert isinstance(content, evidence.Unusable)
    assert "json_duplicate" in content.why


def test_an_example_with_a_member_twice_is_not_tried(tmp_path: Path) -> None:
    folder = tmp_path / files.FOLDER
    folder.mkdir(parents=True)
    (folder / "a.json").write_text('{"route": "POST /p", "body": {"a": 1}, "body": {"a": 2}}')
    assert list(files.examples(tmp_path / "policy.yaml")) == [("a.json", "a name stands twice in one object")]


def test_orders_with_a_member_twice_are_damaged() -> None:
    raw = encode(Orders())
    decode(raw, 0.0)
    with pytest.raises(Damaged):
        decode(raw.replace(b'"epoch"', b'"epoch": 9, "epoch"'), 0.0)


def test_a_file_that_is_read_is_what_json_says() -> None:
    text = json.dumps({"a": [1, 2.5, None, {"b": "ü"}]})
    assert parse_file(text.encode()) == json.loads(text)
    with pytest.raises(Unreadable):
        parse_file(b'{"a": 1, "a": 1}')
