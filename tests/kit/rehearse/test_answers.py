"""An answer is held against what was wanted; each way of being wrong has words, and something to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from guard.kit.rehearse import leaks
from guard.kit.rehearse.answers import broken, error_texts, fault
from guard.kit.rehearse.canaries import Cage
from guard.kit.rehearse.fields import ANSWERED, Wanted, denied
from guard.kit.rehearse.stage import resident
from guard.kit.rehearse.subject import Subject
from guard.kit.rehearse.values import Got, Part
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.policy.route import Route

OUTPUTS = """version: guard/v1
service: t
upstream: http://127.0.0.1:1
routes:
  POST /p:
    rows: /rows
    input: {a: {type: number}}
    output:
      label: {enum: [a, b]}
      score: {type: number, min: 0, max: 1}
      rank: {type: integer, required: false, at: /rank}
      why: {type: string, nullable: true, max_length: 3}
"""


@pytest.fixture(name="subject")
def _subject(tmp_path: Path) -> Subject:
    (path := tmp_path / "policy.yaml").write_text(OUTPUTS)
    loaded = load(path, environ={})
    [route] = compile_plan(loaded, CompileContext()).routes
    declared = loaded.policy.routes["POST /p"]
    assert isinstance(declared, Route)
    return Subject("POST /p", declared, route, "/p", ())


def got(body: Any, status: int = 200, source: str = "model", reason: str = "") -> Got:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {name: value for name, value in (("x-guard-source", source), ("x-guard-reason", reason)) if value}
    return Got(status, headers, raw, 0.1)


def answer(rank: Any = 1, **changes: Any) -> dict[str, Any]:
    return {"predictions": [{"label": "a", "score": 0.5, "why": None, **changes}], "rank": rank, "more": 1}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (answer(), ""), (answer(score=1), ""), (answer(rank=None), ""), (answer(rank=2.0), ""), (answer(why="abc"), ""),
        (answer(label="c"), "label is outside the declared range"), (answer(score=1.5), "score is outside"),
        (answer(score=True), "score is not of type number"), (answer(score="1"), "score is not of type number"),
        (answer(score=float("nan")), "it holds NaN"), (answer(score=float("inf")), "it holds Infinity"),
        (answer(score=None), "score is null"), (answer(rank=1.5), "rank is not an integer"), (answer(why="abcd"), "why is outside"),
        ({"predictions": []}, "label does not have a value for each of 1 rows"), ({"predictions": {}}, "label is missing"),
        ({"predictions": [{}]}, "label is missing"), (b"<html>", "the answer is not JSON"), ([], "label is missing"), (7, "missing"),
        (b"\xff", "the answer is not JSON"), (b'{"predictions": [{"score": 1e999}]}', "label is missing"),
    ],
)  # fmt: skip
def test_outputs_are_held_by_a_reading_of_their_own(subject: Subject, body: Any, why: str) -> None:
    found = broken(subject, 1, got(body))
    assert found.startswith(why) or why in found if why else found == ""


@pytest.mark.parametrize(
    ("wanted", "came", "words", "todo"),
    [
        (ANSWERED, got(answer()), None, ""),
        (ANSWERED, got(answer(), source="rules", reason="status"), "200 from rules because of status", "fix the model"),
        (ANSWERED, got(answer(), source="rules", reason="invalid"), "because of invalid", "output contract"),
        (ANSWERED, got(answer(score=2)), "but score is outside", "bug of guard"),
        (ANSWERED, got({"code": "upstream_refused", "violations": []}, 400, ""), "upstream_refused", "same bounds"),
        (ANSWERED, got({}, 504, "disabled", "timeout"), "504 from disabled", "make it faster"),
        (ANSWERED, got({}, 500, ""), "500", "bug of guard"),
        (ANSWERED, Got(0, {}, b"", 1.0, "ReadTimeout"), "no answer (ReadTimeout)", "guard may have ended"),
        (denied("max"), got({"code": "contract", "violations": [{"code": "max"}]}, 422, ""), None, ""),
        (denied("max"), got({"code": "contract", "violations": [{"code": "min"}]}, 422, ""), "422: min", "guard status"),
        (denied("max"), got({"code": "contract", "violations": [{"code": "max"}]}, 400, ""), "400: max", "guard status"),
        (denied("max"), got(answer()), "200 from model", "guard status"),
        (
            denied("max"),
            got({"code": "contract", "violations": [{"code": "max"}]}, 422),
            "must not name a source",
            "bug of guard",
        ),
        (Wanted("lowered", codes=("stale",)), got({}, 200, "rules", "stale"), None, ""),
        (Wanted("lowered", codes=("stale",)), got({}, 503, "disabled"), None, ""),
        (Wanted("lowered", codes=("stale",)), got({}, 200, "model"), "200 from model", "guard status"),
        (Wanted("lowered", codes=("stale",)), got({}, 200, "rules", "timeout"), "because of timeout", "guard status"),
        (Wanted("free"), got({}, 422, ""), None, ""),
        (Wanted("free"), got({}, 500, ""), "500", "bug of guard"),
    ],
)
def test_what_came_against_what_was_wanted(
    subject: Subject, wanted: Wanted, came: Got, words: str | None, todo: str
) -> None:
    found = fault(subject, wanted, 1, came, Cage())
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert words in found.got
        assert todo in found.todo


def test_an_error_that_repeats_what_was_sent_is_a_leak_whatever_else_it_is(subject: Subject) -> None:
    cage = Cage()
    secret, number = cage.text("field a"), cage.near("field b", 17.5)
    for body in (f'{{"detail": "{secret}"}}', f'{{"detail": "{secret.encode().hex()}"}}', f'{{"input": {number!r}}}'):
        found = fault(subject, Wanted("free"), None, got(body.encode(), 422, ""), cage)
        assert found is not None
        assert "repeats a value of the request (field " in found.got
        assert secret not in str(found)
    assert fault(subject, Wanted("free"), None, got({"label": secret}), cage) is None, "an answer may say what it was asked"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"code": "contract", "violations": [{"code": "max"}]}', ("contract", ["max"])),
        (b'{"error": {"details": [{"code": "contract", "violations": []}]}}', ("contract", [])),
        (b'{"error": "text"}', ("", [])), (b"[]", ("", [])), (b"no", ("", [])), (b'{"violations": [7]}', ("", [])),
    ],
)  # fmt: skip
def test_errors_are_read_in_the_shape_of_every_dialect(body: bytes, code: Any) -> None:
    assert error_texts(body) == code


def test_resident_memory_is_read_from_the_page() -> None:
    assert resident('# TYPE x\nprocess_memory_usage_bytes{a="b"} 5.25e+07\n') == 52_500_000
    assert resident("nothing") is None


class Pages:
    """Of a stage, what `leaks` asks."""

    def __init__(self, page: str, log: bytes) -> None:
        self.cage = Cage()
        self.secret = self.cage.text("POST /p: field a")
        self._page, self._log = page, log
        self.progress = self

    def page(self) -> str:
        return self._page.replace("SECRET", self.secret)

    def log_bytes(self) -> bytes:
        return self._log.replace(b"SECRET", self.secret.encode())

    def at(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("page", "log", "results"),
    [
        ("fine", b"fine", ["pass", "pass"]), ("a SECRET", b"fine", ["fail", "pass"]), ("fine", b"SECRET", ["pass", "fail"]),
        ("", b"", ["skip", "skip"]),
    ],
)  # fmt: skip
def test_what_got_out_is_found_and_named_by_field(page: str, log: bytes, results: list[str]) -> None:
    stage, part = Pages(page, log), Part("leaks", "")
    leaks.run(stage, part)  # type: ignore[arg-type]
    assert [check.result for check in part.checks] == results
    assert all(stage.secret not in str(check) for check in part.checks)
    for check in part.failures:
        assert check.fields[0].startswith("POST /p: field a in ")
