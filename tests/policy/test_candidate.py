"""The candidate's part of a policy: what is read, and what is refused at its place."""

from pathlib import Path

import pytest

from guard.policy.errors import PolicyInvalid
from guard.policy.loading import Loaded, load

HEAD = """version: guard/v1
service: s
upstream: http://127.0.0.1:1
routes:
  POST /p:
    input: {id: {type: string}, age: {type: integer}}
    output: {decision: {enum: [yes, no]}}
candidate:
  release: next.yaml
"""


def _load(tmp_path: Path, text: str) -> Loaded:
    (tmp_path / "next.yaml").write_text("version: '2.4'\n")
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + text)
    return load(path, environ={"NEXT": "http://127.0.0.1:2"})


def test_the_record_is_read_from_its_own_file_and_the_address_from_a_variable(tmp_path: Path) -> None:
    loaded = _load(tmp_path, "  url: '{env:NEXT}'\n")
    candidate = loaded.policy.candidate
    assert candidate is not None
    assert (candidate.release.version, str(candidate.url)) == ("2.4", "http://127.0.0.1:2")
    assert tmp_path / "next.yaml" in loaded.contents


@pytest.mark.parametrize(
    ("text", "pointer", "words"),
    [
        ("  key: customer\n", ("candidate", "key"), "no key of a person"),
        ("  key: 'field:ages'\n", ("candidate", "key"), "not a declared field"),
        ("  key: 'header:'\n", ("candidate", "key"), "without a name"),
        ("  compare: {POST /q: {invalid: 1%}}\n", ("candidate", "compare", "POST /q"), "no route with a contract"),
        (
            "  compare: {POST /p: {label: {field: decisions, disagree: 1%}}}\n",
            ("candidate", "compare", "POST /p", "label", "field"),
            "not a declared output",
        ),
        ("  shadow: {share: 1%}\n", ("candidate", "shadow"), "missing"),
        ("  canary: {steps: [5%, 5%]}\n", ("candidate", "canary", "steps", 1), "larger share"),
        ("  engine: {command: [./x], mlflow: {url: u, model: m}}\n", ("candidate", "engine"), "exactly one"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(
    tmp_path: Path, text: str, pointer: tuple[str | int, ...], words: str
) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        _load(tmp_path, text)
    assert [(error.path, words in str(error)) for error in refused.value.errors] == [(pointer, True)]
