"""Whoever waits for a dial hears how it ended, once, however it ends; a reload cancels none that is under way."""

import asyncio
import socket
from typing import Any

import pytest

from guard.proxy.back import Link
from guard.proxy.pool import Pool
from guard.proxy.values import CallOutcome, Reason
from tests.proxy.stand import answering, post, run, standing, until

pytestmark = pytest.mark.source
LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


class Waiting:
    """The owner of a dial."""

    def __init__(self) -> None:
        self.heard: list[tuple[Link | None, Reason | None]] = []

    def dialled(self, dial: object, link: Link | None, reason: Reason | None) -> bool:
        self.heard.append((link, reason))
        return False

    answered = data = done = failed = resumed = dialled


def silent() -> socket.socket:
    """A listener that accepts nothing more: its queue is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    return listener


def full(listener: socket.socket) -> list[socket.socket]:
    """Fill its queue, so that a connect waits."""
    clients = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        clients.append(client)
    return clients


@LOOPS
@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "connect"),
        ("no.such.host.invalid", "connect"),
        ("a" * 64 + ".example", "connect"),
        ("a\0b", "connect"),
    ],
)
def test_a_dial_that_fails_is_heard_whatever_was_raised(loop: str, host: str, reason: str) -> None:
    async def main() -> None:
        owner, pool = Waiting(), Pool(host=host, port=1)
        pool.dial(owner, 2.0)
        await until(lambda: bool(owner.heard))
        assert owner.heard == [(None, reason)]
        assert (pool.links, pool.dialling) == (0, 0)

    run(main, loop)


@pytest.mark.parametrize("moment", ["before it began", "under way"])
def test_a_dial_that_is_cancelled_is_heard_and_blames_nobody(moment: str) -> None:
    async def main() -> None:
        with silent() as listener:
            filling = full(listener)
            owner, pool = Waiting(), Pool(host="127.0.0.1", port=listener.getsockname()[1])
            dial = pool.dial(owner, 5.0)
            if moment == "under way":
                await asyncio.sleep(0.01)
            assert dial.task is not None
            dial.task.cancel()
            await until(lambda: bool(owner.heard))
            assert owner.heard == [(None, None)]
            assert pool.dialling == 0
            for client in filling:
                client.close()

    run(main, "asyncio")


def test_a_dial_that_crashes_is_heard_and_reported() -> None:
    async def main() -> None:
        reported: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))

        def crash(*_: object, **__: object) -> Any:
            raise RuntimeError("bug")

        loop.create_connection = crash  # type: ignore[method-assign]
        owner, pool = Waiting(), Pool(host="127.0.0.1", port=1)
        pool.dial(owner, 2.0)
        await until(lambda: bool(owner.heard))
        assert owner.heard == [(None, None)]
        assert [type(error) for error in reported] == [RuntimeError]

    run(main, "asyncio")


@LOOPS
def test_a_pool_that_a_reload_drops_finishes_the_connects_under_way_and_keeps_nothing(loop: str) -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            pool = stand.pool
            dial = pool.dial

            def reloaded(owner: Any, timeout: float) -> Any:
                try:
                    return dial(owner, timeout)
                finally:
                    pool.close()

            pool.dial = reloaded
            assert (await stand.exchange(post())).startswith(b"HTTP/1.1 200 ")
            await until(lambda: pool.links == 0)
            assert pool.idle == 0
            assert stand.models[0].breaker.counts[CallOutcome.SUCCESS] == 1

    run(main, loop)


@LOOPS
def test_a_connect_that_is_given_up_closes_the_rung_and_is_no_failure_of_the_target(loop: str) -> None:
    async def main() -> None:
        with silent() as listener:
            filling = full(listener)
            async with standing(answering()) as stand:
                pool = stand.pool
                pool._port = listener.getsockname()[1]
                asking = asyncio.create_task(stand.exchange(post()))
                await until(lambda: pool.dialling == 1)
                for dial in tuple(pool._dials):
                    assert dial.task is not None
                    dial.task.cancel()
                assert (await asking)[9:12] == b"503"
                assert stand.models[0].breaker.counts[CallOutcome.FAILURE] == 0
                assert stand.models[0].breaker.counts[CallOutcome.IGNORED] == 1
            for client in filling:
                client.close()

    run(main, loop)


@LOOPS
def test_a_connection_that_is_lost_before_its_owner_hears_of_it_is_refused(loop: str) -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            owner, pool = Waiting(), stand.pool
            connect = pool._connect

            async def lost(within: float) -> Any:
                link = await connect(within)
                link.drop()
                return link

            pool._connect = lost
            pool.dial(owner, 2.0)
            await until(lambda: bool(owner.heard))
            assert owner.heard == [(None, "connect")]
            await until(lambda: pool.links == 0)

    run(main, loop)


@LOOPS
def test_an_idle_connection_is_closed_before_the_server_would(loop: str) -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            assert stand.pool.keep < 2.0  # gunicorn's keep-alive
            stand.pool.keep = 0.05
            assert (await stand.exchange(post())).startswith(b"HTTP/1.1 200 ")
            assert stand.pool.idle == 1
            await until(lambda: stand.pool.links == 0)

    run(main, loop)
