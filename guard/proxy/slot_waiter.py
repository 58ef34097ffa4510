"""A place in the queue for a slot."""

from typing import TYPE_CHECKING

from guard.proxy.values import ConcurrencyLimiter

if TYPE_CHECKING:
    from guard.proxy.driver import Exchange


class SlotWaiter:
    """A queued call's place. A slot may be on its way to it when the call is dropped: then it gives the slot back."""

    __slots__ = ("exchange", "limiter", "over")

    def __init__(self, exchange: "Exchange", limiter: ConcurrencyLimiter) -> None:
        self.exchange = exchange
        self.limiter = limiter
        self.over = False

    def leave(self) -> None:
        """The call does not wait any more."""
        self.over = True
        self.limiter.forget(self)

    def __call__(self) -> None:
        """A slot is held for this call."""
        if self.over:
            self.limiter.release()
        else:
            self.exchange.granted(self)
