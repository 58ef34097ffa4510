"""Attacks by what surrounds guard: a disk, a mount, a collector; and by clients that give up at once."""

from tests.attack.base import Attack
from tests.attack.stage import Target
from tests.attack.wire import held, repeated, request

ONE = (1,)
PREDICT = {"age": 40}


async def _nothing(target: Target, _: int) -> None:
    await held(target.data, b"")


async def _viewers(target: Target, _: int) -> None:
    await repeated(target.admin, request("GET", "/admin/v1/contract", Authorization=f"Bearer {target.viewer}"))


async def _requests(target: Target, _: int) -> None:
    await repeated(target.data, request("POST", "/predict", PREDICT))


async def _impatient(target: Target, _: int) -> None:
    await repeated(target.data, request("POST", "/predict", PREDICT, x_request_timeout="0.0001"))


SECRET, CHAT = "alice-sokolova", "/v1/chat/completions"


async def _words(target: Target, connection: int) -> None:
    """A chat with another word for the model each time, of which the server makes its own."""
    chat = {"model": f"{SECRET}-{connection}", "messages": [{"role": "user", "content": "a"}]}
    await repeated(target.data, request("POST", CHAT, chat))


ATTACKS = (
    Attack("words for the model that the server repeats", "data", "valid", _words, (1, 250), 30, secret=SECRET, path=CHAT),
    Attack("a disk of 2 s for each fsync, and viewers", "admin", "valid", _viewers, (1, 30), 30, faults={"fsync": "2"}),
    Attack("a policy file that hangs", "data", "unfinished", _nothing, ONE, 1, faults={"hang": "policy.yaml"}),
    Attack("a collector that answers without end", "data", "valid", _requests, ONE, 1, collected=True),
    Attack("deadlines of clients that are too short", "data", "valid", _impatient, (1, 30), 30),
)
