"""What an attack is."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, NamedTuple

from tests.attack.stage import Target

Kind = Literal["valid", "invalid", "unfinished"]
MANY = (1, 250, 4000)
BEHIND = 100
"""Connections in the small form of an attack behind which a newcomer waits: the time grows with their number, and with how slow
the machine is. Behind 250 of them a processor that is slow by half needs more than the bound; the full form says how long."""


class Attack(NamedTuple):
    """One attack. `run` is what one of its connections does, for ever; it is given the number of the connection."""

    name: str
    port: Literal["data", "admin", "ops"]
    kind: Kind
    run: Callable[[Target, int], Awaitable[None]]
    connections: tuple[int, ...] = MANY
    small: int = 250
    """Connections in the small form, for CI."""
    tls: Literal["", "admin", "data"] = ""
    """The listener that has TLS."""
    faults: Mapping[str, str] = {}
    """What goes wrong once guard is ready, as tests/orders/launcher.py has it; a file of the policy's folder by its name."""
    secret: str = ""
    """A word of the attackers that must stand on no page of guard and in no line of its log."""
    path: str = ""
    """Where they send it: a path that nobody else asks."""
    collected: bool = False
    """Whether guard exports to a collector that never ends its answer."""
