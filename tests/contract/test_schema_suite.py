"""Schema files against the official JSON Schema Test Suite, and the page that publishes the score."""

import re
from pathlib import Path

import pytest

from guard.contract.fields import ContractInvalid
from guard.contract.schema_file import compile_schema_output
from guard.proxy.values import Allow
from tests.contract.suite import DRAFTS, Case, cases

PAGE = Path(__file__).parents[2] / "docs" / "schema-files.md"
PARTS = ("required", "optional", "format")

REFUSALS = (
    r"leaves the file: nothing is ever fetched",
    r"^unknown \$schema ",
    r"^#.* may be visited more than 64 times",
    r"not the file's, draft",
)
"""Why a schema of the suite may be refused: a reason that the page gives. Refused is never misread."""


def judged(case: Case) -> list[tuple[str, bool, bool]] | str:
    """Test, whether it is valid, whether guard allows it; or why the schema is refused."""
    try:
        contract = compile_schema_output(case.schema)
    except ContractInvalid as error:
        return str(error)
    return [(test, valid, isinstance(contract.judge_own(data), Allow)) for test, data, valid in case.tests]


def annotation_only(draft: str, case: Case) -> bool:
    """Whether the case wants `format` to assert nothing, which a contract cannot want."""
    return draft == "draft2020-12" and case.part == "required" and case.file == "format.json"


@pytest.mark.parametrize("draft", DRAFTS)
def test_a_schema_is_refused_or_means_what_the_draft_says(draft: str) -> None:
    """No document is judged otherwise than the suite says, but for formats, which are asserted."""
    score = {part: [0, 0, 0] for part in PARTS}
    for case in cases(draft):
        counts = score[case.part]
        counts[1] += len(case.tests)
        results = judged(case)
        if isinstance(results, str):
            assert any(re.search(reason, results) for reason in REFUSALS), (case.file, case.description, results)
            counts[2] += len(case.tests)
            continue
        wrong = [test for test, valid, allowed in results if valid is not allowed]
        counts[0] += len(results) - len(wrong)
        if wrong:
            assert annotation_only(draft, case), (case.file, case.description, wrong)
            assert all("annotation by default" in test for test in wrong)
    row = " | ".join(f"{passed:,} of {total:,} ({refused} refused)" for passed, total, refused in score.values())
    assert f"| {draft.removeprefix('draft')} | {row} |" in PAGE.read_text(), f"docs/schema-files.md: | {draft} | {row} |"


def test_references_within_a_file_are_taken() -> None:
    """Whatever the suite refuses for a reference names a document that is not in its file."""
    outside = re.compile(
        r"http://localhost:1234|folderInteger|name\.json|ref-and-def|tree\.json|extendible|foo-ref|name-defs|json-schema\.org"
    )
    refused = [judged(case) for draft in DRAFTS for case in cases(draft)]
    leaving = [why for why in refused if isinstance(why, str) and "leaves the file" in why]
    assert len(leaving) > 50
    assert [why for why in leaving if not outside.search(why)] == []


def test_the_suite_is_whole() -> None:
    """So many tests were recorded; a file that is cut short would pass in silence."""
    assert {draft: sum(len(case.tests) for case in cases(draft)) for draft in DRAFTS} == {
        "draft4": 863,
        "draft6": 1149,
        "draft7": 1465,
        "draft2019-09": 1864,
        "draft2020-12": 1906,
    }
