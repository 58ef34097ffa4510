"""Examples come from anybody: what is wrong with one is said of that one, and the others are tried."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.kit.rehearse import files
from guard.kit.rehearse.examples import differences
from guard.kit.rehearse.files import Example, examples


def read(folder: Path, **named: Any) -> dict[str, Any]:
    """What is made of files; values that are no bytes are written as JSON."""
    requests = folder / files.FOLDER
    requests.mkdir(parents=True, exist_ok=True)
    for name, content in named.items():
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        (requests / f"{name}.json").write_bytes(raw)
    found = examples(folder / "policy.yaml")
    return {item.name: item for item in found if isinstance(item, Example)} | {
        example[0]: example[1] for example in examples(folder / "policy.yaml") if isinstance(example, tuple)
    }


def test_no_folder_is_no_example(tmp_path: Path) -> None:
    assert list(examples(tmp_path / "policy.yaml")) == []


def test_the_form_and_the_bare_body(tmp_path: Path) -> None:
    by_name = {
        "route": "POST /p", "path": "/p/7?x=1", "headers": {"X-Tenant": "a"}, "body": {"a": 1},
        "expect": {"status": 422, "code": "max", "source": "none", "reason": "mode", "body": [1]},
    }  # fmt: skip
    content = read(tmp_path, whole=by_name, bare=b'{ "a": 1.50 }', a_list=[1, 2], odd={"body": 1, "income": 3})
    one = content["whole.json"]
    assert (one.route, one.path, one.headers, one.document) == ("POST /p", "/p/7?x=1", {"x-tenant": "a"}, {"a": 1})
    assert not one.good
    assert content["bare.json"].body == b'{ "a": 1.50 }', "as it lies there"
    assert content["bare.json"].good
    assert content["a_list.json"].document == [1, 2]
    assert content["odd.json"].document == {"body": 1, "income": 3}, "an unknown member: it is a bare body"


def test_a_text_of_another_type_and_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / files.FOLDER).mkdir(parents=True)
    (tmp_path / files.FOLDER / "cat.jpg").write_bytes(b"\xff\xd8")
    content = read(
        tmp_path,
        table={"headers": {"Content-Type": "text/csv"}, "body": "a,b\n1,2\n"},
        cat={"headers": {"content-type": "image/jpeg"}, "file": "cat.jpg"},
    )
    assert content["table.json"].body == b"a,b\n1,2\n"
    assert content["cat.json"].body == b"\xff\xd8"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"), (b"{", "line 1 column 2"), (b"\xff", "not JSON in UTF-8"), (b"[" * 200_000, "nested too deep"),
        ({"body": 1, "expect": {"status": "200"}}, "expect.status"), ({"body": 1, "expect": {"status": 99}}, "expect.status"),
        ({"body": 1, "expect": {"score": 1}}, "expect.score"), ({"body": 1, "headers": {"a": 1}}, "headers.a"),
        ({"body": 1, "headers": {"a\r\nb": "c"}}, "names of letters"), ({"body": 1, "headers": {"a": "c\r\nd: e"}}, "printable"),
        ({"body": 1, "path": "http://evil/"}, "the path of a URL"), ({"body": 1, "path": "/a b"}, "the path of a URL"),
        ({"body": 1, "file": "a"}, "not both"), ({"file": "../../policy.yaml"}, "in the same folder"),
        ({"file": "missing.bin"}, "cannot read missing.bin"), ({"file": ".."}, "in the same folder"),
        ({"body": 1, "route": 7}, "route"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_example_is_said_and_the_next_one_is_read(tmp_path: Path, content: Any, why: str) -> None:
    content_read = read(tmp_path, a=content, b={"body": 1})
    assert why in content_read["a.json"]
    assert isinstance(content_read["b.json"], Example)


def test_huge_files_pipes_and_folders_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    (requests := tmp_path / files.FOLDER).mkdir(parents=True)
    (requests / "huge.json").write_bytes(b'"' + b"x" * 1000 + b'"')
    os.mkfifo(requests / "pipe.json")
    (requests / "folder.json").mkdir()
    (requests / "secret").write_text("{}")
    content = read(tmp_path)
    assert set(content) == {"huge.json", "pipe.json", "folder.json"}
    assert "larger than" in content["huge.json"]
    assert all(isinstance(item, str) for item in content.values())


def test_thousands_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_FILES", 3)
    content = read(tmp_path, **{f"f{index}": index for index in range(5)})
    assert set(content) == {"f0.json", "f1.json", "f2.json", "tests/requests"}
    assert content["tests/requests"] == "5 files; the first 3 were read"


@given(st.binary(max_size=200))
def test_whatever_bytes_are_there_nothing_is_raised(raw: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        read(Path(folder), a=raw)


def test_differences_are_told_by_pointer() -> None:
    wanted = {"a": 1, "b": {"c/d": [1, 2]}, "e": None, "f": True, "g": 0.1}
    came = {"a": 1.0, "b": {"c/d": [1, 3], "more": 1}, "e": None, "f": 1, "g": 0.1 + 1e-9, "more": 2}
    found = dict(differences(wanted, came))
    assert found == {"/b/c~1d/1": "expected 2, got 3", "/f": "expected true, got 1"}
    assert dict(differences({"a": [1]}, {"a": [1, 2]})) == {"/a": "expected 1 elements, got 2"}
    assert dict(differences({"a": 1}, [])) == {"": 'expected {"a": 1}, got []'}
    assert dict(differences({"a": 1}, {})) == {"/a": "expected 1, got nothing"}
    assert all(len(words) < 300 for _, words in differences("x" * 9999, "y" * 9999))
