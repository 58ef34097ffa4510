"""Receipts: what was signed is read back, and nothing else is believed."""

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.labels.book import Issuer, Sequence32
from guard.labels.counts import Cohort
from guard.labels.layout import Layout
from guard.labels.receipt import MOST_CHARACTERS, Keyring, Receipt, drawn, room, split_keys, unpack

KEY = b"k" * 32
CLASSES = Layout("POST /p", "label", ("no", "yes"), "score", 0.0, 1.0, 1)
NUMBER = Layout("POST /p", "price", low=0.0, high=100.0)
BY_CHANNEL = Layout("POST /p", "label", ("no", "yes"), "score", 0.0, 1.0, 1, (("channel", ("web", "app")),))


def issuer(layout: Layout, keyring: Keyring, share: float = 1.0, cohort: Cohort | None = None) -> Issuer:
    counts = cohort or Cohort(1e12)
    instances = lambda document, most: document[:most]  # noqa: E731
    return Issuer(layout, ["label", "score", "price"], keyring, share, Sequence32(lambda: 7), lambda *_: counts, instances)


def issued(layout: Layout, values: Any, keyring: Keyring, document: Any = None) -> str:
    receipt = issuer(layout, keyring)(values, "7", document, 1e9)
    assert receipt is not None
    return receipt.decode()


@given(st.lists(st.tuples(st.sampled_from(("no", "yes")), st.floats(0, 1)), min_size=1, max_size=600))
def test_a_receipt_holds_the_rows_of_an_answer(rows: list[tuple[str, float]]) -> None:
    keyring = Keyring([KEY])
    text = issued(CLASSES, [[label for label, _ in rows], [score for _, score in rows], []], keyring)
    assert len(text) <= MOST_CHARACTERS
    receipt = keyring.verify(text)
    assert isinstance(receipt, Receipt)
    assert (receipt.issued, receipt.rows, receipt.layout) == (10**9, len(rows), CLASSES.digest)
    kept = drawn(receipt.slot, len(rows), room(CLASSES))
    found = unpack(receipt, CLASSES)
    assert len(found) == len(kept) == min(len(rows), room(CLASSES))
    for at, (_, class_, score) in zip(kept, found, strict=True):
        label, own = rows[at]
        assert CLASSES.classes[class_] == label
        assert abs(score / 255 - own) <= 1 / 510 + 1e-9


@given(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=300))
def test_a_receipt_holds_numbers(values: list[float]) -> None:
    keyring = Keyring([KEY])
    text = issued(NUMBER, [[], [], values], keyring)
    receipt = keyring.verify(text)
    assert len(text) <= MOST_CHARACTERS
    assert isinstance(receipt, Receipt)
    kept = drawn(receipt.slot, len(values), room(NUMBER))
    assert [row[2] for row in unpack(receipt, NUMBER)] == [values[at] for at in kept]


def test_segments_stand_in_the_rows() -> None:
    keyring = Keyring([KEY])
    document = [{"channel": "app"}, {"channel": "web"}, {}]
    text = issued(BY_CHANNEL, [["no", "yes", "no"], [0.1, 0.9, 0.2], []], keyring, document)
    receipt = keyring.verify(text)
    assert isinstance(receipt, Receipt)
    of_rows = [BY_CHANNEL.segment_values(row[0]) for row in unpack(receipt, BY_CHANNEL)]
    assert of_rows == [[("channel", "app")], [("channel", "web")], []]


def test_thousands_of_forged_receipts_are_rejected() -> None:
    """Each bit of the bytes changed, receipts cut at each length, and bytes drawn by chance."""
    keyring, random_ = Keyring([KEY]), random.Random(1)
    genuine = issued(CLASSES, [["no"] * 30, [0.5] * 30, []], keyring)
    raw = urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4))
    forged = [raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :] for at in range(len(raw)) for bit in range(8)]
    forged += [raw[:length] for length in range(len(raw))]
    forged += [raw[:1] + raw[1:2] + random_.randbytes(len(raw) - 2) for _ in range(4000)]
    for each in forged:
        assert keyring.verify(urlsafe_b64encode(each).rstrip(b"=").decode()) in {"bad_mac", "unknown_key"}
    assert isinstance(keyring.verify(genuine), Receipt)


@pytest.mark.parametrize("text", ["", "é", "A" * 5000, None, 5, ["x"], {"a": 1}, "====", " ", "\x00", "AR" + "A" * 60])
def test_what_is_no_receipt_is_rejected(text: object) -> None:
    assert Keyring([KEY]).verify(text) in {"bad_mac", "unknown_key"}


def test_an_old_key_verifies_until_it_is_removed() -> None:
    old, new = b"old key of sixteen", b"new key of sixteen"
    text = issued(CLASSES, [["no"], [0.5], []], Keyring([old]))
    keyring = Keyring([new, old])
    assert isinstance(keyring.verify(text), Receipt)
    keyring.replace([new])
    assert keyring.verify(text) == "unknown_key"
    assert isinstance(Keyring([old, new]).verify(issued(CLASSES, [["no"], [0.5], []], keyring)), Receipt)
    with pytest.raises(ValueError, match="at least 16 bytes"):
        keyring.replace([b"short"])
    assert keyring.verify(text) == "unknown_key", "the keys before stay"
    assert split_keys(b"\n first \n\nsecond\n") == [b"first", b"second"]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5000), st.integers(1, 256))
def test_drawn_rows_are_rows_of_the_batch(slot: int, rows: int, most: int) -> None:
    chosen = drawn(slot, rows, most)
    assert len(chosen) == min(rows, most)
    assert list(chosen) == sorted(set(chosen))
    assert 0 <= chosen[0] <= chosen[-1] < rows


def test_a_share_of_answers_has_receipts_evenly() -> None:
    make = issuer(CLASSES, Keyring([KEY]), share=0.05)
    drawn_ = [make([["no"], [0.5], []], "7", None, 1e9) is not None for _ in range(2000)]
    assert 95 <= sum(drawn_) <= 105
    assert all(1 <= sum(drawn_[at : at + 100]) <= 9 for at in range(0, 2000, 100))


@pytest.mark.parametrize(
    "values", [[["other"], [0.5], []], [[None], [0.5], []], [["no"], [None], []], [["no"], [], []], [[], [], []]]
)
def test_values_that_are_not_of_the_contract_get_no_receipt(values: Any) -> None:
    counts = Cohort(1e12)
    assert issuer(CLASSES, Keyring([KEY]), cohort=counts)(values, "7", None, 1e9) is None
    assert counts.issued == {}


def test_slots_begin_anew_with_another_process_number() -> None:
    numbers = iter((1, 2))
    sequence = Sequence32(lambda: next(numbers))
    assert sequence.take(2**32 - 10) == (1, 0)
    assert sequence.take(9) == (1, 2**32 - 10)
    assert sequence.take(9) == (2, 0)
