"""Many requests on a connection before the first is answered, and bytes that wait in guard."""

from tests.attack.base import BEHIND, Attack
from tests.attack.stage import Target
from tests.attack.wire import held, pipelined, request

SLOW = request("POST", "/slow", {})
TINY = request("GET", "/n")


async def _unknown_paths(target: Target, _: int) -> None:
    await pipelined(target.data, TINY)


async def _bad_requests(target: Target, _: int) -> None:
    await pipelined(target.data, request("GET", "//bad"))


async def _valid(target: Target, _: int) -> None:
    await pipelined(target.data, request("POST", "/predict", {"age": 1}))


async def _behind_slow(target: Target, _: int) -> None:
    await held(target.data, SLOW + TINY * 2000)


async def _bodies_behind_slow(target: Target, _: int) -> None:
    await held(target.data, SLOW + request("POST", "/predict", b'{"age": 1' + b" " * 50_000 + b"}") * 2)


async def _large_heads(target: Target, _: int) -> None:
    await held(target.data, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Y: %s\r\n" % (b"z" * 300) * 99)


async def _bodies(target: Target, _: int) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
    await held(target.data, head + b" " * 500_000)


ATTACKS = (
    Attack("pipelined unknown paths", "data", "invalid", _unknown_paths, (1, 250), 1),
    Attack("pipelined bad requests", "data", "invalid", _bad_requests, (1, 250), 1),
    Attack("pipelined valid requests", "data", "valid", _valid, (1, 250), 1),
    Attack("2,000 tiny requests behind a slow one", "data", "valid", _behind_slow, (1, 250, 3147), BEHIND),
    Attack("bodies behind a slow request", "data", "valid", _bodies_behind_slow, small=BEHIND),
    Attack("heads of 30 KiB without an end", "data", "unfinished", _large_heads),
    Attack("bodies without an end", "data", "unfinished", _bodies, small=BEHIND),
)
