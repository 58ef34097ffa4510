"""How much of one document is searched, and how much may be found in it: beyond that it is refused, at the field."""

import json

import pytest

from guard.contract.input import InputContract
from guard.contract.scrub import MAX_FINDS, MAX_SEARCHED
from guard.privacy.detectors import DETECTORS, compile_detectors
from guard.privacy.detectors.replace import replaced
from guard.proxy.values import Allow, Amend
from tests.contract.making import JSON, WALL, input_of, said

IBAN = "DE89370400440532013000 "
FINDS = {
    "iban": IBAN,
    "us_ssn": "536-90-4399 ",
    "phone": "+49 30 901820 ",
    "ip": "192.168.17.4 ",
    "card": "4111111111111111 ",
    "email": "a@b.de ",
    "token": "sk-abcdefghijklmnop ",
}


def contract(keys: str = "", enforcement: str = "enforce") -> InputContract:
    names = ", ".join(DETECTORS)
    return input_of(
        f"{keys}\nenforcement: {enforcement}\nrows: /rows\n"
        f"input: {{s: {{type: string, detect: [{names}]}}, t: {{type: array, items: {{type: string, detect: [{names}]}}}}}}",
        detect=compile_detectors,
    )


def body(*texts: str, more: list[str] | None = None) -> bytes:
    return json.dumps({"rows": [{"s": text, "t": more or []} for text in texts]}).encode()


def test_every_detector_has_its_example() -> None:
    assert FINDS.keys() == DETECTORS.keys()


@pytest.mark.parametrize("name", FINDS)
def test_a_document_full_of_finds_is_refused_at_its_field(name: str) -> None:
    few = MAX_FINDS // DETECTORS[name].weight // 2
    assert isinstance(contract().judge(JSON, body(FINDS[name] * few), WALL), Amend)
    assert said(contract().judge(JSON, body("x", FINDS[name] * (2 * few + 1)), WALL)) == ["/rows/1/s items"]


def test_finds_are_counted_over_all_texts() -> None:
    judge = contract("max_finds: 8")
    assert isinstance(judge.judge(JSON, body(*["a@b.de"] * 8), WALL), Amend)
    assert said(judge.judge(JSON, body(*["a@b.de"] * 9), WALL)) == ["/rows/8/s items"]
    assert said(judge.judge(JSON, body("x", "a@b.de", more=["a@b.de"] * 4), WALL)) == ["/rows/1/t items"]
    assert isinstance(judge.judge(JSON, body(IBAN * 2), WALL), Amend)
    assert said(judge.judge(JSON, body(IBAN * 3), WALL)) == ["/rows/0/s items"]


def test_numbers_that_only_look_like_one_count_too() -> None:
    judge = contract("max_finds: 8")
    assert said(judge.judge(JSON, body("4111111111111112 " * 9), WALL)) == ["/rows/0/s items"]


def test_a_document_of_too_long_texts_is_refused_at_its_field() -> None:
    half = "x" * (MAX_SEARCHED // 2)
    assert isinstance(contract().judge(JSON, body(half, half), WALL), Amend)
    assert said(contract().judge(JSON, body(half, half, "x"), WALL)) == ["/rows/2/s length"]
    assert said(contract("max_searched: 5").judge(JSON, body("xx", more=["xxx", "x"]), WALL)) == ["/rows/0/t length"]
    assert isinstance(contract("max_searched: 100000").judge(JSON, body(half, half, "x"), WALL), Amend)


def test_what_is_only_observed_is_not_searched() -> None:
    assert isinstance(contract("max_finds: 1", "observe").judge(JSON, body(IBAN * 9), WALL), Allow)


@pytest.mark.parametrize("name", DETECTORS)
def test_no_more_is_searched_than_the_tally_allows(name: str) -> None:
    class Tally:
        finds = 3 * DETECTORS[name].weight

    checked: list[str] = []

    def check(text: str) -> bool:
        checked.append(text)
        return True

    replaced(FINDS[name] * 100, "[x]", DETECTORS[name]._replace(check=check), Tally())
    assert len(checked) == 3
