"""What RFC 9111 says of a shared cache, directive by directive; and that nobody gets what was another's."""

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.ladder.cache_control import CREDENTIALS, directives, terms
from guard.proxy.values import Answer, Headers
from tests.ladder.test_cached import JSON, found, permit, rung

MAX_AGE = 60.0  # of the policy
DATE = (b"date", b"Mon, 01 Jan 2024 00:00:00 GMT")


def cc(value: bytes) -> Headers:
    return [(b"cache-control", value)]


ANSWERS: dict[str, tuple[Headers, float]] = {
    # what the model says, and for how many seconds its answer may be given; 0: it is not kept
    "nothing": ([], MAX_AGE),
    "public": (cc(b"public"), MAX_AGE),
    "no-store": (cc(b"no-store"), 0),
    "no-store in capitals": (cc(b"No-Store"), 0),
    "no-store among others": (cc(b"max-age=5, no-store"), 0),
    "no-store on a second line": ([*cc(b"max-age=5"), *cc(b"no-store")], 0),
    "no-store in a text": (cc(b'x="no-store", public'), MAX_AGE),
    "a name that begins alike": (cc(b"no-storeage"), MAX_AGE),
    "private": (cc(b"private"), 0),
    "private for a field": (cc(b'private="x-a"'), 0),
    "no-cache": (cc(b"no-cache"), 0),
    "no-cache for a field": (cc(b'no-cache="x-a"'), 0),
    "max-age": (cc(b"max-age=5"), MAX_AGE),  # stale: as stale-if-error
    "max-age 0": (cc(b"max-age=0"), MAX_AGE),
    "max-age 0, must-revalidate": (cc(b"max-age=0, must-revalidate"), 0),
    "max-age, must-revalidate": (cc(b"max-age=5, must-revalidate"), 5),
    "must-revalidate alone": (cc(b"must-revalidate"), 0),
    "max-age, proxy-revalidate": (cc(b"max-age=5, proxy-revalidate"), 5),
    "s-maxage": (cc(b"s-maxage=7"), 7),  # implies proxy-revalidate (§5.2.2.10)
    "s-maxage before max-age": (cc(b"max-age=50, s-maxage=7"), 7),
    "s-maxage 0": (cc(b"s-maxage=0, max-age=50"), 0),
    "two max-age": (cc(b"max-age=50, max-age=5, must-revalidate"), 5),
    "a strange max-age": (cc(b"max-age=x, must-revalidate"), 0),
    "a negative max-age": (cc(b"max-age=-1, must-revalidate"), 0),
    "a quoted max-age": (cc(b'max-age="5", must-revalidate'), 5),
    "longer than the policy": (cc(b"max-age=5000, must-revalidate"), MAX_AGE),
    "stale-if-error": (cc(b"max-age=5, stale-if-error=10"), 15),
    "stale-if-error 0": (cc(b"max-age=5, stale-if-error=0"), 5),
    "stale-if-error, must-revalidate": (cc(b"max-age=5, stale-if-error=10, must-revalidate"), 5),
    "Age": ([*cc(b"max-age=10, must-revalidate"), (b"age", b"4")], 6),
    "two Age": ([*cc(b"max-age=10, must-revalidate"), (b"age", b"4"), (b"age", b"9")], 6),  # the first (§5.1)
    "Age past any number": ([*cc(b"max-age=10, must-revalidate"), (b"age", b"9" * 20)], 0),
    "max-age past any number": (cc(b"max-age=99999999999, must-revalidate"), MAX_AGE),
    "Age beyond": ([*cc(b"max-age=10, must-revalidate"), (b"age", b"10")], 0),
    "Expires": ([*cc(b"must-revalidate"), DATE, (b"expires", b"Mon, 01 Jan 2024 00:00:08 GMT")], 8),
    "Expires before Date": ([*cc(b"must-revalidate"), DATE, (b"expires", b"Sun, 31 Dec 2023 00:00:08 GMT")], 0),
    "Expires 0": ([*cc(b"must-revalidate"), DATE, (b"expires", b"0")], 0),
    "max-age before Expires": ([*cc(b"max-age=3, must-revalidate"), DATE, (b"expires", b"Mon, 01 Jan 2024 00:00:08 GMT")], 3),
    "Set-Cookie": ([(b"set-cookie", b"a=b")], 0),
    "Vary *": ([(b"vary", b"*")], 0),
    "Vary * in a list": ([(b"vary", b"accept, *")], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_what_the_model_says_of_its_answer(name: str) -> None:
    headers, until = ANSWERS[name]
    cached = rung()
    cached.remember(permit(), Answer(200, [*JSON, *headers], b"{}"), 100.0, "7")
    assert bool(len(cached.store)) == (until > 0)
    if until:
        assert found(cached, permit(), 100.0 + until - 0.01)
    assert not found(cached, permit(), 100.0 + until)


REQUESTS: dict[str, tuple[Headers, Headers, float, bool]] = {
    # what the client says, what the model said, the answer's age, and whether it is given
    "nothing": ([], [], 30, True),
    "no-cache": (cc(b"no-cache"), [], 1, False),
    "Pragma": ([(b"pragma", b"no-cache")], [], 1, False),
    "Pragma beside Cache-Control": ([(b"pragma", b"no-cache"), *cc(b"max-age=5")], [], 1, True),
    "max-age": (cc(b"max-age=5"), [], 5, True),
    "max-age below": (cc(b"max-age=5"), [], 6, False),
    "max-age 0": (cc(b"max-age=0"), [], 1, False),
    "a strange max-age": (cc(b"max-age=x"), [], 1, False),
    "max-age, of a stale answer": (cc(b"max-age=30"), cc(b"max-age=5"), 6, False),
    "max-age and max-stale": (cc(b"max-age=30, max-stale"), cc(b"max-age=5"), 6, True),
    "max-stale": (cc(b"max-stale=2"), cc(b"max-age=5"), 7, True),
    "max-stale below": (cc(b"max-stale=2"), cc(b"max-age=5"), 8, False),
    "stale-if-error": (cc(b"stale-if-error=2"), cc(b"max-age=5"), 7, True),
    "stale-if-error below": (cc(b"stale-if-error=2"), cc(b"max-age=5"), 8, False),
    "min-fresh": (cc(b"min-fresh=2"), cc(b"max-age=5"), 3, True),
    "min-fresh above": (cc(b"min-fresh=2"), cc(b"max-age=5"), 4, False),
    "min-fresh by the policy": (cc(b"min-fresh=50"), [], 11, False),
    "only-if-cached": (cc(b"only-if-cached"), [], 30, True),
    "no-transform": (cc(b"no-transform"), [], 30, True),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_a_client_says(name: str) -> None:
    asked, said, age, given_out = REQUESTS[name]
    cached = rung()
    cached.remember(permit(), Answer(200, [*JSON, *said], b"{}"), 100.0, "7")
    assert found(cached, permit(b'{"age":1}', *asked), 100.0 + age) is given_out


@pytest.mark.parametrize("value", [b"no-store", b"NO-STORE", b"max-age=5, no-store"])
def test_no_store_of_a_request_is_kept_for_nobody(value: bytes) -> None:
    cached = rung()
    cached.remember(permit(b'{"age":1}', *cc(value)), Answer(200, JSON, b"{}"), 1.0, "7")
    assert len(cached.store) == 0


@pytest.mark.parametrize("name", sorted(CREDENTIALS))
def test_an_answer_to_credentials_is_nobody_elses(name: bytes) -> None:
    mine = permit(b'{"age":1}', (name, b"a"))
    cached = rung()
    cached.remember(mine, Answer(200, [*JSON, *cc(b"public")], b"{}"), 1.0, "7")
    assert len(cached.store) == 0
    scoped = rung(scope=frozenset((name,)))
    scoped.remember(mine, Answer(200, JSON, b"{}"), 1.0, "7")
    assert found(scoped, mine)
    assert not found(scoped, permit(b'{"age":1}', (name, b"b")))
    assert not found(scoped, permit())


NAMES = st.sampled_from([b"accept-language", b"accept", b"x-tenant", b"accept-encoding"])
VALUES = st.sampled_from([b"", b"a", b"b", b"a, b"])
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=4)


@given(st.lists(NAMES, min_size=1, max_size=3), HEADERS, HEADERS)
def test_two_clients_that_differ_in_what_vary_names_never_share_an_answer(vary: Any, one: Any, other: Any) -> None:
    cached = rung()
    results = [*JSON, (b"vary", b", ".join(name.title() for name in vary))]
    cached.remember(permit(b'{"age":1}', *one), Answer(200, results, b'"one"'), 1.0, "7")

    def sent(headers: Any, name: bytes) -> bytes | None:
        values = [value for key, value in headers if key == name]
        return b", ".join(values) if values else None

    alike = all(sent(one, name) == sent(other, name) for name in vary)
    assert found(cached, permit(b'{"age":1}', *one))
    assert found(cached, permit(b'{"age":1}', *other)) is alike


def test_answers_that_vary_stand_beside_each_other() -> None:
    cached = rung()
    vary = [*JSON, (b"vary", b"accept-language")]
    for language in (b"de", b"en"):
        cached.remember(
            permit(b'{"age":1}', (b"accept-language", language)), Answer(200, vary, b'"%b"' % language), 1.0, "7"
        )
    for language in (b"de", b"en"):
        step = cached.ask(permit(b'{"age":1}', (b"accept-language", language)), None, 2.0)
        assert isinstance(step, Answer)
        assert step.body == b'"%b"' % language


def test_the_age_that_an_answer_came_with_is_told() -> None:
    cached = rung()
    cached.remember(permit(), Answer(200, [*JSON, (b"age", b"7")], b"{}"), 100.0, "7")
    step = cached.ask(permit(), None, 103.0)
    assert isinstance(step, Answer)
    assert (b"age", b"10") in step.headers


HUGE = (
    b"Mon, 01 Jan 99999999999999999999 00:00:00 GMT", b"Mon, 01 Jan 2024 00:00:00 +99999999999999",
    b"Mon, 01 Jan 2024 00:00:99999999999999999999 GMT", b"9" * 5000, b"",
)  # fmt: skip


@given(st.sampled_from(HUGE) | st.binary(max_size=40), st.sampled_from((*HUGE, DATE[1])), st.sampled_from(HUGE))
def test_no_date_or_age_is_a_crash(expires: bytes, date: bytes, age: bytes) -> None:
    """One would cost its client the model's answer: it is met when that is kept."""
    for headers in ([(b"expires", expires), (b"date", date)], [(b"expires", DATE[1]), (b"date", expires)]):
        law = terms([*headers, *cc(b"must-revalidate"), (b"age", age)])
        assert law is None or law.lifetime == 0


@given(st.binary(max_size=40))
def test_no_cache_control_is_a_crash_or_takes_long(value: bytes) -> None:
    assert len(directives(value)) <= 40
    law = terms([(b"cache-control", value)])
    assert law is None or law.latest in (inf, law.latest)
