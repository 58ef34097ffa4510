"""The money of a shadow: no copy is made that is not on disk as paid."""

from guard.control.shadow import Wallet


def test_nothing_is_spent_that_was_not_leased() -> None:
    wallet = Wallet()
    assert not wallet.take(10, 100, day=1)
    leased = wallet.lease(10, 100, 1, copies=3)
    assert leased == 30
    wallet.granted(1, leased)
    assert [wallet.take(10, 100, 1) for _ in range(4)] == [True, True, True, False]


def test_a_day_is_never_exceeded() -> None:
    wallet = Wallet()
    for _ in range(20):
        wallet.granted(1, wallet.lease(30, 100, 1, copies=5))
        while wallet.take(30, 100, 1):
            pass
    assert wallet.spent == 90


def test_after_a_kill_the_lease_counts_as_spent_and_the_next_day_begins_anew() -> None:
    wallet = Wallet(1, 100)
    assert not wallet.take(10, 100, 1)
    assert not wallet.take(10, 100, 2)
    wallet.granted(2, wallet.lease(10, 100, 2, copies=1))
    assert wallet.take(10, 100, 2)
