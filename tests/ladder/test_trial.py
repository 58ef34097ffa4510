"""Who is asked of the candidate: the same keys each time, and more of them when the share rises."""

from types import SimpleNamespace
from typing import Any

import pytest

from guard.ladder.trial import BUCKETS, CandidateShare, Trial
from guard.proxy.values import Head, Record

pytestmark = pytest.mark.source  # stand-ins take the place of permits
CANDIDATE: Any = SimpleNamespace(source="candidate")
MODEL: Any = SimpleNamespace(source="model")


def permit(
    key: str | None = None, document: object = None, request_id: str = "r", lowered: Any = None, *, breaks: bool = False
) -> Any:
    headers = [(b"x-customer", key.encode())] if key is not None else []
    head = Head(b"POST", b"/p", headers)
    return SimpleNamespace(head=head, document=document, request_id=request_id, lowered=lowered, breaks=breaks)


def asked(trial: Trial, request: Any) -> bool:
    record = Record("r", 0.0)
    ladder = trial.ladder(request, record)
    assert ladder[-1] is MODEL
    return ladder[0] is CANDIDATE


def trial(share: CandidateShare, header: bytes = b"x-customer", field: Any = None) -> Trial:
    return Trial(CANDIDATE, (MODEL,), share, header, field)


def test_raising_the_share_keeps_who_is_in() -> None:
    share = CandidateShare()
    each, before = trial(share), set[str]()
    people = [str(number) for number in range(2_000)]
    for buckets in (0, 100, 500, 2_500, BUCKETS):
        share.buckets = buckets
        now = {name for name in people if asked(each, permit(name))}
        assert now >= before
        assert abs(len(now) / len(people) - buckets / BUCKETS) < 0.04
        before = now
    assert len(before) == len(people)


def test_a_person_stays_whatever_the_request_and_another_secret_draws_others() -> None:
    share = CandidateShare()
    share.buckets = 5_000
    each = trial(share)
    first = [asked(each, permit(str(number), request_id="a")) for number in range(200)]
    assert first == [asked(each, permit(str(number), request_id="b")) for number in range(200)]
    share.secret = b"another"
    assert first != [asked(each, permit(str(number))) for number in range(200)]


def test_a_field_of_the_body_is_a_key_too_and_without_a_key_each_request_is_drawn() -> None:
    share = CandidateShare()
    share.buckets = 5_000
    each = trial(share, b"", lambda document: document)
    by_field = [asked(each, permit(document=number, request_id=str(number))) for number in range(200)]
    assert by_field == [asked(each, permit(document=number, request_id="x")) for number in range(200)]
    drawn = {asked(trial(share), permit(None, request_id=str(number))) for number in range(200)}
    assert drawn == {True, False}


def test_a_lowered_request_and_no_share_never_reach_the_candidate() -> None:
    share = CandidateShare()
    assert not asked(trial(share), permit("a"))
    share.buckets = BUCKETS
    assert not asked(trial(share), permit("a", lowered="stale"))


def test_the_field_of_a_request_that_breaks_its_contract_is_not_read() -> None:
    share = CandidateShare()
    share.buckets = BUCKETS

    def read(document: object) -> object:
        raise ValueError(document)

    assert asked(trial(share, b"", read), permit(document=[], breaks=True))
