"""Slots against a naive model."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from guard.ladder.limits import ConcurrencyLimiter


@given(st.integers(1, 4), st.integers(0, 4), st.lists(st.sampled_from(["acquire", "release", "forget"]), max_size=60))
def test_never_more_than_allowed_and_first_come_first_served(concurrency: int, queue: int, steps: list[str]) -> None:
    limiter = ConcurrencyLimiter(concurrency, queue, lambda waiter: waiter())
    held: list[int] = []
    waiting: list[tuple[int, Callable[[], None]]] = []
    for number, step in enumerate(steps):
        if step == "acquire":

            def waiter(number: int = number) -> None:
                first, _ = waiting.pop(0)
                assert first == number
                held.append(number)

            assert limiter.acquire() is (len(held) < concurrency and not waiting)
            if len(held) < concurrency and not waiting:
                held.append(number)
            else:
                assert limiter.enqueue(waiter) is (len(waiting) < queue)
                if len(waiting) < queue:
                    waiting.append((number, waiter))
        elif step == "release" and held:
            held.pop()
            limiter.release()
        elif step == "forget" and waiting:
            _, gone = waiting.pop()
            limiter.forget(gone)
            limiter.forget(gone)
        assert (limiter.held, limiter.waiting) == (len(held), len(waiting))
        assert limiter.held <= concurrency
    assert f"{limiter.held}/{concurrency}" in repr(limiter)
