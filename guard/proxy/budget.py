"""How many bytes that peers sent a process may hold."""


class Budget:
    """Bytes held at once, all clients and upstreams together: bodies, and what clients sent ahead of its turn.

    Whoever buffers adds and gives back by writing to `used`: a method call for each would be felt. A limit can be passed by
    what one read of a socket brings.
    """

    __slots__ = ("ahead", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.ahead = 0
        """Of these, bytes that wait for their turn: unparsed, of unfinished heads, of requests that are queued."""

    def __repr__(self) -> str:
        return f"<Budget {self.used}/{self.limit}>"

    @property
    def spent(self) -> bool:
        """Whether nothing more may be buffered."""
        return self.used > self.limit

    @property
    def crowded(self) -> bool:
        """Whether what waits for its turn takes half of the room: the other half is for what is under way."""
        return self.ahead > self.limit // 2
