"""How many bytes of bodies a process may hold."""


class Budget:
    """Bytes of bodies held at once, all clients and upstreams together.

    Whoever buffers adds and gives back by writing to `used`: a method call for each would be felt. A limit can be passed by
    what one read of a socket brings.
    """

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def __repr__(self) -> str:
        return f"<Budget {self.used}/{self.limit}>"

    @property
    def spent(self) -> bool:
        """Whether nothing more may be buffered."""
        return self.used > self.limit
