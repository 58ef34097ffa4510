"""What an attack is."""

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from tests.attack.stage import Target

Kind = Literal["valid", "invalid", "unfinished"]
MANY = (1, 250, 4000)


class Attack(NamedTuple):
    """One attack. `run` is what one of its connections does, for ever; it is given the number of the connection."""

    name: str
    port: Literal["data", "admin", "ops"]
    kind: Kind
    run: Callable[[Target, int], Awaitable[None]]
    connections: tuple[int, ...] = MANY
    small: int = 250
    """Connections in the small form, for CI."""
    held: bool = True
    """Whether bystanders do not notice it today; the small form leaves out what is not held yet."""
    tls: bool = False
    """Whether the admin listener has TLS."""
