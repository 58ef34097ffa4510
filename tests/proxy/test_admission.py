"""Many clients at once: what is new waits for what is under way, and nobody is forgotten."""

import asyncio
from itertools import pairwise
from time import monotonic
from typing import Any, cast

import pytest

from guard.proxy.admission import A_TURN, LoopAdmission
from guard.proxy.budget import Budget
from guard.proxy.deadlines import KEEP_ALIVE
from guard.proxy.front import Connection
from guard.proxy.values import Head, Route
from tests.proxy.stand import OK, Stand, answering, post, run, standing, until
from tests.within import within

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
MANY = 3 * A_TURN
ROOM = {"concurrency": 2 * MANY, "queue": 2 * MANY, "connect": 60.0, "attempt": 60.0, "request": 60.0}
"""For all at once, on a machine that others use too."""


async def together(stand: Stand, *segments: bytes, clients: int = MANY) -> list[bytes]:
    """So many clients are here, and then all of them ask in one turn of the loop."""
    results = [await stand.connect() for _ in range(clients)]
    await until(lambda: len(stand.listener.connections) == clients)
    for segment in segments:
        for _, writer in results:
            writer.write(segment)
    answers = [await reader.read() for reader, _ in results]
    for _, writer in results:
        writer.close()
    await until(lambda: not stand.listener.connections)
    return answers


@LOOPS
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_all_are_answered_and_nothing_is_held_afterwards(loop: str, pieces: int) -> None:
    raw = post()
    cuts = [len(raw) * number // pieces for number in range(pieces + 1)]
    waited: list[int] = []

    async def main() -> None:
        async with standing(answering(), paths={"/p": ROOM}) as stand:

            def match(head: Head) -> Route:
                waited.append(len(stand.listener.admission._waiting))
                return Stand.match(stand, head)

            stand.match = match
            answers = await together(stand, *[raw[at:to] for at, to in pairwise(cuts)])
            assert {answer[9:12] for answer in answers} == {b"200"}
            assert max(waited) > 0
            assert len(stand.records) == MANY
            assert (stand.listener.budget.used, len(stand.listener.admission._waiting)) == (0, 0)

    run(main, loop)


class Client:
    """Stands for a connection."""

    def __init__(self, told: list[int], number: int, *, crashes: bool) -> None:
        self.told, self.number, self.crashes = told, number, crashes

    def go_on(self) -> int:
        self.told.append(self.number)
        if self.crashes:
            raise ValueError(self.number)
        return 1


@pytest.mark.parametrize("crashes", [False, True])
def test_a_turn_begins_so_many_in_order_and_one_that_crashes_takes_nobody_along(*, crashes: bool) -> None:
    async def main() -> None:
        loop, told = asyncio.get_running_loop(), cast("list[int]", [])
        loop.set_exception_handler(lambda *_: None)
        admission = LoopAdmission()
        waits = [admission.full(cast("Connection", Client(told, number, crashes=crashes))) for number in range(4 * A_TURN)]
        assert waits == [False] * A_TURN + [True] * 3 * A_TURN
        turns = []
        while len(told) < 3 * A_TURN:
            before = len(told)
            await asyncio.sleep(0)
            turns.append(len(told) - before)
        assert told == list(range(A_TURN, 4 * A_TURN))
        assert max(turns) == (1 if crashes else A_TURN)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not admission.full(cast("Connection", Client(told, 0, crashes=False)))

    try:
        run(main, "asyncio")
    except TypeError:
        pytest.skip("compiled, it takes guard's own connections only")


class Slow:
    """Stands for a connection whose document takes the loop for 5 ms."""

    def __init__(self, judged: list[int], number: int) -> None:
        self.judged, self.number = judged, number

    def judge(self) -> None:
        self.judged.append(self.number)
        until = monotonic() + 0.005
        while monotonic() < until:
            pass


def test_a_large_document_is_followed_by_turns_of_others_and_a_rest_before_the_next() -> None:
    rests: list[float] = []

    async def main() -> None:
        loop, judged = asyncio.get_running_loop(), cast("list[int]", [])
        admission = LoopAdmission()
        for number in range(6):
            admission.wait_to_judge(cast("Connection", Slow(judged, number)))
        assert judged == []
        seen, turns, ended = 0, 0, 0.0
        while len(judged) < 6:
            await asyncio.sleep(0)
            turns += 1
            assert len(judged) <= seen + 1
            if len(judged) > seen:
                if seen:
                    assert turns > 1
                    rests.append(loop.time() - ended - 0.005)
                seen, turns, ended = len(judged), 0, loop.time()
        assert judged == list(range(6))

    try:
        run(main, "asyncio")
    except TypeError:
        pytest.skip("compiled, it takes guard's own connections only")
    assert min(rests) > 0


LARGE_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n" + b" " * 5000


@pytest.mark.source
@LOOPS
@pytest.mark.parametrize(("body", "answer"), [(b" " * 5000, OK), (b"{}", LARGE_ANSWER)], ids=["requests", "answers"])
def test_large_documents_that_are_complete_together_are_judged_one_in_a_turn(loop: str, body: bytes, answer: bytes) -> None:
    judged: list[int] = []

    async def main() -> None:
        async with standing(answering(answer), paths={"/p": ROOM}) as stand:
            turn, judge = 0, Connection.judge

            def tick() -> None:
                nonlocal turn
                turn += 1
                asyncio.get_running_loop().call_soon(tick)

            class Counted(Connection):
                def judge(self) -> None:
                    judged.append(turn)
                    judge(self)
                    until = monotonic() + 0.003
                    while monotonic() < until:
                        pass

            tick()
            stand.server.close()
            server = await asyncio.get_running_loop().create_server(lambda: Counted(stand.listener), "127.0.0.1", 0)
            stand.port = server.sockets[0].getsockname()[1]
            answers = await together(stand, post("/p", body), clients=8)
            server.close()
            assert [said[9:12] for said in answers] == [b"200"] * 8
            assert all(said.endswith(answer[-2:]) for said in answers)
            assert stand.listener.budget.used == 0

    run(main, loop)
    assert len(judged) == 8
    assert max(judged.count(turn) for turn in judged) == 1 or loop == "uvloop"
    assert max(judged.count(turn) for turn in judged) <= 2  # of which uvloop runs one before and one behind the count


@pytest.mark.source
@LOOPS
@pytest.mark.parametrize("leaves", [False, True], ids=["its time is over", "its client leaves"])
def test_a_large_answer_that_never_has_its_turn_blames_nobody(
    loop: str, leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[Connection] = []

    async def main() -> None:
        monkeypatch.setattr(Connection, "wait_to_judge", lambda connection: waiting.append(connection))
        async with standing(answering(LARGE_ANSWER), paths={"/p": {"request": 0.3}}) as stand:
            reader, writer = await stand.connect()
            writer.write(post())
            await until(lambda: bool(waiting))
            assert stand.listener.budget.used == len(b"{}") + 5000
            assert not any(limiter.held for limiter in stand.limiter)
            if leaves:
                writer.transport.abort()
                waiting[0]._client_left("client")
            else:
                assert (await within(reader.read(), 10)).endswith(b"\r\n\r\ntimeout")
                writer.close()
            waiting[0].judge()  # it comes too late
            await until(lambda: not stand.listener.connections)
            assert stand.listener.budget.used == 0
            counts = stand.models[0].breaker.counts
            assert {how.name: count for how, count in counts.items() if count} == {"GONE" if leaves else "IGNORED": 1}

    run(main, loop)


class Wire:
    """A transport that does nothing."""

    reading = True

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        """Nothing."""

    abort = write = close


def waiting(stand: Stand) -> tuple[Connection, Wire]:
    """A client whose request waits."""
    listener = stand.listener
    for _ in range(MANY):
        Connection(listener).connection_made(cast("asyncio.Transport", Wire()))
    connection, wire = Connection(listener), Wire()
    connection.connection_made(cast("asyncio.Transport", wire))
    while not listener.admission.full(connection):
        pass
    connection.data_received(post()[:-2])
    assert connection._waits
    return connection, wire


def test_who_leaves_while_it_waits_is_let_go() -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            connection, _ = waiting(stand)
            assert stand.listener.budget.used == len(post()) - 2
            now = monotonic()
            assert 0 < stand.listener.admission.waited(now + 5) - 5 < 5
            connection.connection_lost(None)
            assert stand.listener.budget.used == 0
            await asyncio.sleep(0.01)
            assert stand.records == []
            assert stand.listener.admission.waited(now) == 0.0

    run(main, "asyncio")


def test_a_fin_a_deadline_and_a_drain_find_the_request_that_waits() -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            leaving, _ = waiting(stand)
            leaving.eof_received()
            late, _ = waiting(stand)
            late._expired(KEEP_ALIVE)
            assert leaving.current is None
            assert late.current is not None
            for connection in (leaving, late):
                assert not connection._waits
                connection.connection_lost(None)
            assert [record.departure for record in stand.records] == ["client", "client"]
            draining, _ = waiting(stand)
            draining.drain()
            assert draining._waits
            draining.go_on()
            assert draining.current is not None
            draining.connection_lost(None)

    run(main, "asyncio")


def test_a_client_that_sends_much_while_it_waits_is_read_no_further() -> None:
    async def main() -> None:
        async with standing(answering()) as stand:
            connection, wire = waiting(stand)
            while wire.reading:
                connection.data_received(b"x" * 1000)
            assert stand.listener.budget.used < Budget(1 << 20).limit
            connection.go_on()
            assert stand.listener.budget.used < 1000
            connection.connection_lost(None)

    run(main, "asyncio")
