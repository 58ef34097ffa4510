"""What stands next to a private value, and in which characters it is written, does not decide whether it is found."""

import itertools
import json
import random
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard.privacy.detectors import DETECTORS, compile_detectors
from guard.privacy.detectors.folding import fold
from guard.privacy.detectors.providers import PROVIDERS
from guard.privacy.detectors.replace import spans_of
from guard.privacy.detectors.values import Unbounded
from tests.privacy import measured
from tests.privacy.forms import FORMS
from tests.privacy.other_forms import OTHER_FORMS
from tests.privacy.tricks import NEIGHBOURS, VALUES, arabic, wide

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
PLAIN = {
    "email": "jane@example.com", "card": "4111111111111111", "iban": "DE89370400440532013000", "ip": "192.168.17.4",
    "phone": "+49 30 901820", "us_ssn": "536-90-4399", "token": "ghp_a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2",
}  # fmt: skip


@pytest.mark.parametrize("name", DETECTORS)
def test_no_neighbour_on_either_side_hides_a_value(name: str) -> None:
    scrub = compile_detectors([name])
    hidden = []
    for before, _ in NEIGHBOURS:
        for _, after in NEIGHBOURS:
            text, counts = scrub(f"{before}{PLAIN[name]}{after}")
            if not counts or PLAIN[name] in text or not text.endswith(after):
                hidden.append((before, after, text))
    assert hidden == []


@pytest.mark.parametrize("name", DETECTORS)
@given(
    before=st.characters(exclude_categories=("Cs", "Nd", "Ll", "Lu", "Lm", "Lo")),
    after=st.characters(exclude_categories=("Cs", "Nd", "Ll", "Lu", "Lo")),
)
@example(".", ":")
def test_no_sign_of_unicode_hides_a_value(name: str, before: str, after: str) -> None:
    if name == "phone" and fold(before).text == "+":
        return  # two signs: no number begins so
    text, counts = compile_detectors([name])(f"{before}{PLAIN[name]}{after}")
    assert counts == {name: 1}, text
    assert PLAIN[name] not in text


@pytest.mark.parametrize(("name", "form"), [(name, form) for name, forms in FORMS.items() for form in forms])
def test_forms_that_people_met_are_found(name: str, form: str) -> None:
    assert compile_detectors([name])(form)[1].get(name), form


def test_every_detector_has_forty_forms() -> None:
    assert {name: len(set(forms)) >= 40 for name, forms in FORMS.items()} == dict.fromkeys(DETECTORS, True)
    assert VALUES.keys() == DETECTORS.keys()


def test_nine_of_ten_are_found_and_one_of_a_hundred_is_mistaken() -> None:
    for name, (by_hand, count, made) in measured.found().items():
        assert by_hand >= 0.9 * count, name
        assert made >= 0.9 * measured.TRICKS, name
    assert {kind: share for kind, share in measured.mistaken().items() if share > 0.01} == {}


def test_the_page_says_what_was_measured() -> None:
    assert measured.tables() in PAGE.read_text(), "python -m tests.privacy.measured"


@pytest.mark.parametrize("name", ["email", "card", "iban", "ip", "phone", "us_ssn"])
def test_a_folded_value_is_replaced_where_it_stands(name: str) -> None:
    scrub = compile_detectors([name])
    for form in {wide(PLAIN[name]), arabic(PLAIN[name]), PLAIN[name].replace("1", "1\u200b", 1)}:
        if name == "iban" and form == arabic(PLAIN[name]):
            continue
        assert scrub(f"客户 \u200b<{form}> %20ü")[0] == f"客户 \u200b<[{name}]> %20ü"


@given(st.text(alphabet=st.sampled_from("a1@.%4０＠\u200b\\u0&#;n客é 0")))
def test_a_place_in_the_folded_text_is_one_in_the_text(text: str) -> None:
    folded = fold(text)
    ends = [folded.original(index, index + 1) for index in range(len(folded.text))]
    assert all(begin < end for begin, end in ends)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(ends))
    assert not ends or ends[-1][1] <= len(text)


@pytest.mark.parametrize("name", DETECTORS)
def test_json_in_a_text_stays_json(name: str) -> None:
    rng = random.Random(name)
    scrub = compile_detectors([name])
    for _ in range(50):
        value = VALUES[name](rng)
        for text in (
            json.dumps({"a": value, "b": [value, 1.5, None]}), json.dumps({value: 1}), json.dumps([f"x {value} y\n"], indent=1),
        ):  # fmt: skip
            made, counts = scrub(text)
            assert counts.get(name), text
            json.loads(made)


def test_numbers_in_json_become_strings() -> None:
    scrub = compile_detectors(DETECTORS)
    assert scrub('{"card": 4111111111111111, "n": 12}')[0] == '{"card": "[card]", "n": 12}'
    assert scrub('{"password": "hunter22", "b": true}')[0] == '{"password": "[token]", "b": true}'


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=100000",
        "password: required",
        "token: ${TOKEN}",
        "std::vector<int>",
        "v1.2.3.4",
        "1.2.3.4.5",
        "lodash@4.17.21",
        "@user",
        "10:30:45",
        "1e-10",
        "sk-short",
        "eyJ",
        "the password is secret",
    ],
)
def test_what_only_looks_private_stays(text: str) -> None:
    assert compile_detectors(DETECTORS)(text) == (text, {})


@pytest.mark.parametrize(
    "unit", ["a@b.cd ", "1", "1 ", "1.", "eyJaaaaaaaa", "://a:", "4111 ", "DE89", "%40", "a\u200b", "sk-", "x=", "(030) 1"]
)
@pytest.mark.parametrize("name", DETECTORS)
def test_candidates_are_not_more_than_the_text_is_long(name: str, unit: str) -> None:
    looks = 0

    def counted(match: re.Match[str]) -> tuple[int, int] | None:
        nonlocal looks
        looks += 1
        return None

    for part in (DETECTORS[name], *DETECTORS[name].also):
        text = fold(unit * 2000).text
        spans_of(text, part._replace(extent=counted), Unbounded())
    assert looks <= 2 * len(text)


def test_searches_know_with_which_characters_a_key_begins() -> None:
    assert {pattern.partition("|")[0][0] in "([" for pattern in PROVIDERS.values()} == {False}


def test_digits_of_every_script_are_read() -> None:
    digits = [chr(code) for code in range(0x660, 0x110000) if unicodedata.decimal(chr(code), None) is not None]
    assert [fold(digit).text for digit in digits] == [str(unicodedata.decimal(digit)) for digit in digits]


@pytest.mark.parametrize(
    "escape", ["&#64;", "&#x40;", "&#X40;", "&#0064;", "&#x0040;", "&commat;", "%40", r"\u0040", r"\x40", r"\\u0040"]
)
def test_every_escape_of_a_character_is_read(escape: str) -> None:
    assert compile_detectors(["email"])(f"jo{escape}web.de")[0] == "[email]"


_PIECES = st.sampled_from(
    [
        "&",
        "#",
        "x",
        "X",
        ";",
        "%",
        "\\",
        "u",
        "0",
        "4",
        "d8",
        "D8",
        "00",
        "ffff",
        "110000",
        "amp",
        "NotEqualTilde",
        "\u200b",
        "a",
        "@",
    ]
)


@given(st.lists(_PIECES, max_size=12).map("".join))
@example("&#x;")
@example("&#xd800;")
@example("&#x110000;")
@example("&#0;")
def test_nothing_that_looks_like_an_escape_stops_the_search(text: str) -> None:
    made, counts = compile_detectors(DETECTORS)(f"{text} jo@web.de {text}")
    assert "email" in counts or "jo@web.de" not in made


NUMBER = "4012888888881881"


@pytest.mark.parametrize(
    "text", ["paid {}", "valid {}", "what {}", "that {}", "chat: {}", "casino {}", "grid {}", "bid {}", "combat {}"]
)
def test_the_end_of_a_word_denies_no_card(text: str) -> None:
    assert compile_detectors(["card"])(text.format(NUMBER))[1] == {"card": 1}


@pytest.mark.parametrize(
    "text",
    [
        "id {}", "userId: {}", "user_id={}", '{{"order_id": {}}}', "orderid {}", "#id:{}", "{} bytes", "{}ns", "{} rows", "{}.jpg",
        "[8000000000000001, {}, 7000000000000003]", "8000000000000001, {}", "{}, 8000000000000001", "1,8000000000000001,{},7000000000000003",
        "8000000000000001\n{}\n7000000000000003",
    ],
)  # fmt: skip
def test_what_stands_around_an_id_denies_that_it_is_a_card(text: str) -> None:
    assert compile_detectors(["card"])(text.format(NUMBER))[1] == {}


@pytest.mark.parametrize(
    "text",
    [
        "{},8000000000000001", "8000000000000001,{}", "[4111111111111111, {}]", "{}, 123456789012", "card {}, 8000000000000001",
        "id {} exp 12/27", '{{"number": "{}", "cvc": "123"}}',
    ],
)  # fmt: skip
def test_one_other_number_beside_a_card_hides_it_only_in_a_list(text: str) -> None:
    assert "card" in compile_detectors(["card"])(text.format(NUMBER))[1]
    assert NUMBER not in compile_detectors(["card"])(text.format(NUMBER))[0]


def test_forms_that_were_written_after_the_patterns_are_found() -> None:
    for name, forms in OTHER_FORMS.items():
        scrub = compile_detectors([name])
        missed = [form for form in forms if not scrub(form)[1]]
        assert len(forms) >= 40
        assert len(missed) <= len(forms) // 10, (name, missed)
