"""What is found in texts, and what only looks like it."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from stdnum import iban, luhn

from guard.privacy.detectors import DETECTORS, card, compile_detectors
from guard.privacy.detectors.replace import MOST_REFUSED
from tests.privacy.tricks import CARDS

ALL = compile_detectors(DETECTORS)
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC/+=\n"

FOUND = {
    "email": [
        "bob@example.org", "bob.smith+x@mail.example.co.uk", "üser@münchen.de", "u%40example.com", "o'neil@x.io", "a@b.xn--p1ai",
        "BOB@EXAMPLE.ORG", "почта@пример.рф",
    ],
    "phone": [
        "+49 30 901820", "+1 (415) 555-2671", "0049 30 901820", "(415) 555-2671", "415-555-2671", "415.555.2671",
        "0171 1234567", "030/901820", "+44-20-7946-0958", "+٤٩ ٣٠ ٩٠١٨٢٠",
    ],
    "card": [
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "3782 822463 10005",
        "٤١١١ ١١١١ ١١١١ ١١١١", "４１１１１１１１１１１１１１１１", "6011000990139424",
    ],
    "iban": [
        "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "GB82 WEST 1234 5698 7654 32", "gb82west12345698765432",
        "NO93 8601 1117 947", "FR14 2004 1010 0505 0001 3M02 606",
    ],
    "us_ssn": ["536-90-4399", "536–90–4399", "５３６-９０-４３９９"],
    "ip": ["192.168.1.1", "2001:db8::1", "fe80::1ff:fe23:4567:890a", "::ffff:10.0.0.1"],
    "token": [
        "Bearer abcdefghijklmnop", "ghp_" + "a" * 36, "github_pat_" + "b" * 30, "xoxb-123456789012-abc", "sk-proj-abcdefghij0123456789",
        "AKIAIOSFODNN7EXAMPLE", "AIza" + "x" * 35, "sk_live_abcdefghijkl", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "password=hunter22", "api_key: 12345678", PEM + "-----END RSA PRIVATE KEY-----",
    ],
}  # fmt: skip
CLEAN = [
    "2024-01-15", "2024-01-15T10:00:00Z", "10:30:45", "3.14159", "12345", "v1.2.3", "0.00012345678", "1700000000", "00000000",
    "565173098b88-4", "4bf92f3577b34da6a3ce929d0e0e4736", "sha256:ae61a98314f0", "hmac:deadbeef:0123456789abcdef0123456789abcdef",
    "000-12-3456", "666-12-3456", "900-12-3456", "536-00-4399", "536-90-0000", "536904399", "536 90 4399", "2024-536-90-4399",
    "4111111111111112", "DE89370400440532013001", "999.1.1.1", "bob at example dot org", "@", "a@b", "", "the customer called twice",
    "100,000.00", "12/24", "x=y", "10-20", "approve", "<value>",
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in FOUND.items() for text in texts])
def test_found_wherever_it_stands(name: str, text: str) -> None:
    scrub = compile_detectors([name])
    assert scrub(text) == (f"[{name}]", {name: 1})
    assert scrub(f"so: {text}, and then") == (f"so: [{name}], and then", {name: 1})
    assert scrub(f"({text})")[1] == {name: 1} or text.startswith("(")


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_looks_like_it_stays_as_it_is(text: str) -> None:
    scrubbed, counts = ALL(text)
    assert scrubbed is text
    assert counts == {}


def test_a_number_ends_where_the_next_begins() -> None:
    assert ALL("order 12 34 4111 1111 1111 1111 12/27")[0] == "order 12 34 [card] 12/27"
    assert ALL("3782 822463 10005 cvv 123")[0] == "[card] cvv 123"
    assert ALL("pay DE89 3704 0044 0532 0130 00 with love")[0] == "pay [iban] with love"
    assert ALL("NO93 8601 1117 947 then more")[0] == "[iban] then more"


def test_a_private_key_that_was_cut_is_one() -> None:
    assert ALL(f"key {PEM}")[0] == "key [token]"


def test_a_private_key_ends_with_its_last_line() -> None:
    head = PEM.replace("\n", "\nDEK-Info: AES-128-CBC,0A1B\n\n", 1)
    assert ALL(f"{head}-----END RSA PRIVATE KEY-----\n-- \nbye")[0] == "[token]\n-- \nbye"


def test_userinfo_of_a_url() -> None:
    assert ALL("https://user:pw@host/x")[0] == "https://[token]@host/x"


def test_all_are_counted() -> None:
    text = "bob@example.org and eve@example.org from 10.0.0.1"
    assert ALL(text) == ("[email] and [email] from [ip]", {"email": 2, "ip": 1})


def test_only_what_was_asked_for() -> None:
    assert compile_detectors(["ip"])("bob@example.org 10.0.0.1")[0] == "bob@example.org [ip]"
    with pytest.raises(ValueError, match="no detector is called nose"):
        compile_detectors(["nose"])


def test_too_many_that_only_look_like_it_are_taken_for_it() -> None:
    text = " ".join(["4111111111111112"] * (MOST_REFUSED + 50))
    assert compile_detectors(["card"])(text)[1] == {"card": 50}


@given(st.text())
@example("a@a.aa@a.aa")
@example("[email]@example.org")
@example("+1234567 +12345678")
def test_once_is_enough(text: str) -> None:
    once, counts = ALL(text)
    assert ALL(once)[0] == once
    assert (once == text) is not bool(counts) or bool(counts)


PLAIN = st.from_regex(r"[a-z]{1,8}( [a-z]{1,8}){0,3}", fullmatch=True)


@given(PLAIN, st.sampled_from(CARDS), st.integers(0, 10**18), PLAIN)
def test_every_card_is_found(before: str, issuer: tuple[str, int], digits: int, after: str) -> None:
    prefix, length = issuer
    body = (prefix + str(digits).zfill(19))[: length - 1]
    number = body + luhn.calc_check_digit(body)
    assume(card._OTHER.search(f"{before} ") is None)  # what a word says is something else
    assume(card._UNIT.match(f" {after}".lower()) is None)
    assert compile_detectors(["card"])(f"{before} {number} {after}")[0] == f"{before} [card] {after}"


@given(PLAIN, st.integers(0, 10**18 - 1), PLAIN)
def test_every_german_account_is_found(before: str, account: int, after: str) -> None:
    number = iban.compact(f"DE{iban.calc_check_digits(f'DE00{account:018d}')}{account:018d}")
    assume(iban.is_valid(number))
    grouped = re.sub(r"(.{4})(?=.)", r"\1 ", number)
    for form in (number, grouped, number.lower()):
        found, counts = compile_detectors(["iban"])(f"{before}, {form}, {after}")
        assert counts == {"iban": 1}
        assert number[8:] not in found.replace(" ", "")


@given(PLAIN, st.from_regex(r"[a-z0-9]{1,12}([.+_-][a-z0-9]{1,8})?@[a-z0-9]{1,12}(\.[a-z]{2,8}){1,2}", fullmatch=True))
def test_every_address_is_found(before: str, address: str) -> None:
    assert compile_detectors(["email"])(f"{before} <{address}>")[0] == f"{before} <[email]>"
