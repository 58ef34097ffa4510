"""The rung that answers with what the model said before."""

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.ladder.cached import OVERHEAD, Cached, Store
from guard.proxy.values import STREAM, Answer, Closed, Head, Headers, Permit
from tests.telemetry.records import ROUTE

JSON: Headers = [(b"content-type", b"application/json")]
GOOD = Answer(200, [*JSON, (b"server", b"x")], b'{"label":"b"}')


def permit(
    body: Any = b'{"age":1}', *headers: tuple[bytes, bytes], target: bytes = b"/p", rows: int | None = None
) -> Permit:
    head = Head(b"POST", target, list(headers))
    document = json.loads(body) if isinstance(body, bytes) else None
    return Permit(ROUTE, head, list(headers), body, document, rows, None, 10.0, "id")


def rung(store: Store | None = None, **changes: Any) -> Cached:
    options: dict[str, Any] = {
        "route": "POST /p",
        "version": "7",
        "contract": "c",
        "key": None,
        "scope": frozenset(),
        "read": lambda _headers, body: json.loads(body),
    }
    return Cached(Store(entries=100, bytes_=1 << 20, max_age=60.0) if store is None else store, **{**options, **changes})


def found(cached: Cached, asked: Permit, now: float = 1.0) -> bool:
    step = cached.ask(asked, None, now)
    if isinstance(step, Closed):
        assert step.reason == "miss"
        return False
    return True


def test_the_same_question_gets_the_same_answer_with_its_age_and_version() -> None:
    cached = rung()
    cached.remember(permit(), GOOD, 1.0, "7")
    step = cached.ask(permit(), None, 31.5)
    assert isinstance(step, Answer)
    assert (step.status, step.body, step.document, step.version) == (200, GOOD.body, {"label": "b"}, "7")
    assert step.headers == [*JSON, (b"age", b"30")]
    assert found(cached, permit(), 60.9)
    assert not found(cached, permit(), 61.0)
    assert len(cached.store) == 0


@pytest.mark.parametrize("other", [permit(b'{"age":2}'), permit(target=b"/p?x"), permit(rows=2), permit(STREAM)])
def test_another_question_does_not(other: Permit) -> None:
    cached = rung()
    cached.remember(permit(), GOOD, 1.0, "7")
    assert not found(cached, other)


@pytest.mark.parametrize("change", [{"version": "8"}, {"contract": "d"}, {"route": "POST /q"}])
def test_an_answer_of_another_release_or_contract_is_none(change: dict[str, str]) -> None:
    store = Store(entries=100, bytes_=1 << 20, max_age=60.0)
    rung(store).remember(permit(), GOOD, 1.0, "7")
    assert found(rung(store), permit()), "a reload that changed nothing keeps what was kept"
    assert not found(rung(store, **change), permit())


@pytest.mark.parametrize(
    "answer",
    [
        Answer(201, JSON, b"{}"), Answer(200, JSON, b"{}", complete=False), Answer(200, [(b"set-cookie", b"a")], b"{}"),
        Answer(200, [(b"cache-control", b"No-Store")], b"{}"), Answer(200, [(b"cache-control", b"max-age=1, private")], b"{}"),
        Answer(200, JSON, b"x" * 200_000),
    ],
)  # fmt: skip
def test_what_is_not_for_everybody_or_not_whole_is_not_kept(answer: Answer) -> None:
    cached = rung()
    cached.remember(permit(), answer, 1.0, "7")
    assert len(cached.store) == 0


@pytest.mark.parametrize("name", [b"authorization", b"cookie"])
def test_credentials_are_never_shared(name: bytes) -> None:
    cached = rung()
    cached.remember(permit(b"{}", (name, b"a")), GOOD, 1.0, "7")
    assert len(cached.store) == 0
    scoped = rung(scope=frozenset((name,)))
    scoped.remember(permit(b"{}", (name, b"a")), GOOD, 1.0, "7")
    assert found(scoped, permit(b"{}", (name, b"a")))
    assert not found(scoped, permit(b"{}", (name, b"b")))
    assert not found(scoped, permit(b"{}"))
    assert not found(scoped, permit(b"{}", (name, b"a"), (b"cookie" if name != b"cookie" else b"authorization", b"z")))


def test_a_key_of_some_fields() -> None:
    cached = rung(key=(lambda document: document["age"],))  # type: ignore[index]
    cached.remember(permit(b'{"age":1,"note":"x"}'), GOOD, 1.0, "7")
    assert found(cached, permit(b'{"age":1,"note":"y"}'))
    assert not found(cached, permit(b'{"age":"1","note":"x"}'))


def test_nothing_of_a_request_is_kept() -> None:
    cached = rung(scope=frozenset((b"authorization",)))
    cached.remember(permit(b'{"a":"canary"}', (b"authorization", b"canary"), target=b"/p?canary"), GOOD, 1.0, "7")
    assert len(cached.store) == 1
    assert b"canary" not in pickle.dumps(dict(cached.store._lru))
    assert repr(cached.store) == f"<Store 1/100 answers, {len(GOOD.body) + OVERHEAD}/1048576 bytes>"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 1500), st.booleans()), max_size=60))
def test_entries_and_bytes_are_bounded_and_the_least_used_go_first(steps: list[tuple[int, int, bool]]) -> None:
    cached = rung(Store(entries=4, bytes_=20_000, max_age=1e9))
    model: dict[int, int] = {}  # number → size, the least recently used first
    for number, size, ask in steps:
        asked = permit(b'{"age":%d}' % number)
        if ask:
            assert found(cached, asked) == (number in model)
            if number in model:
                model[number] = model.pop(number)
            continue
        cached.remember(asked, Answer(200, JSON, b"1" * size), 1.0, "")
        if (size + OVERHEAD) * 10 > 20_000:
            continue
        model.pop(number, None)
        while len(model) >= 4 or sum(model.values()) + size + OVERHEAD > 20_000:
            del model[next(iter(model))]
        model[number] = size + OVERHEAD
        assert (len(cached.store), cached.store.size) == (len(model), sum(model.values()))
