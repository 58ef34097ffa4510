"""One attack, until it is killed: `python -m tests.attack.attacker NAME CONNECTIONS TARGET`.

Nice, for an attacker has a machine of its own: what is measured is guard, not who gets the processor of this machine.
"""

import asyncio
import json
import os
import resource
import sys

import uvloop

from tests.attack.registry import ATTACKS
from tests.attack.stage import Target

NICE = 10


async def main(name: str, connections: int, target: Target) -> None:
    """Attack on every connection at once."""
    attack = next(attack for attack in ATTACKS if attack.name == name)
    await asyncio.gather(*(attack.run(target, number) for number in range(connections)))


if __name__ == "__main__":
    os.nice(NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), Target(*json.loads(sys.argv[3]))))
