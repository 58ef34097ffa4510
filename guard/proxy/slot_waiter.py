"""A place in the queue for a slot."""

from typing import TYPE_CHECKING

from guard.proxy.values import ConcurrencyLimiter

if TYPE_CHECKING:
    from guard.proxy.driver import Exchange


class SlotWaiter:
    """The place of a queued call. If the call is dropped while a slot is on its way, the waiter releases the slot."""

    __slots__ = ("exchange", "limiter", "over")

    def __init__(self, exchange: "Exchange", limiter: ConcurrencyLimiter) -> None:
        self.exchange = exchange
        self.limiter = limiter
        self.over = False

    def leave(self) -> None:
        """Leave the queue."""
        self.over = True
        self.limiter.forget(self)

    def __call__(self) -> None:
        """Take the slot that is held for this call."""
        if self.over:
            self.limiter.release()
        else:
            self.exchange.granted(self)
