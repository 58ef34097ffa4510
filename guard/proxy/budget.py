"""The memory limit of a process for bytes that peers sent."""


class Budget:
    """Bytes held at once, all clients and upstreams together: bodies, and requests that clients sent ahead of their turn.

    Code that buffers bytes adds to `used` and subtracts from it directly: a method call for each would cost time. One read
    of a socket may pass the limit.
    """

    __slots__ = ("ahead", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.ahead = 0
        """The part of `used` that waits for its turn: unparsed bytes, unfinished heads and queued requests."""

    def __repr__(self) -> str:
        return f"<Budget {self.used}/{self.limit}>"

    @property
    def spent(self) -> bool:
        """Whether nothing more may be buffered."""
        return self.used > self.limit

    @property
    def crowded(self) -> bool:
        """Whether `ahead` takes half of the limit; the other half is for requests under way."""
        return self.ahead > self.limit // 2
