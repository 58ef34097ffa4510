"""One attack, until it is killed: `python -m tests.attack.attacker NAME CONNECTIONS TARGET`."""

import asyncio
import json
import resource
import sys

import uvloop

from tests.attack.registry import ATTACKS
from tests.attack.stage import Target


async def main(name: str, connections: int, target: Target) -> None:
    """Attack on every connection at once."""
    attack = next(attack for attack in ATTACKS if attack.name == name)
    await asyncio.gather(*(attack.run(target, number) for number in range(connections)))


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), Target(*json.loads(sys.argv[3]))))
