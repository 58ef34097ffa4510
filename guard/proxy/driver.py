"""Performs the commands of a life, straight from the socket callbacks: no task, future or queue per request.

Laws:
- one command is outstanding at a time (`waiting`); an event that answers no outstanding command is stale and dropped;
- a trampoline with an inbox: events may arrive while a command is being performed (`pause_writing` fires inside
  `write`), and a generator cannot be re-entered;
- the next Call, a return or a throw cancels a call whose answer is incomplete and frees its slot;
- the slot belongs to the call and is freed at the upstream's last byte;
- backpressure stays here, the life never sees it;
- the loss of the client is thrown as Gone, never `close()`d.
"""

from math import inf
from time import monotonic
from typing import cast

from guard.proxy.life import Lived, Over, lived
from guard.proxy.parties import AHEAD, UNKNOWN, Client, Link, Pool
from guard.proxy.turn import Turn
from guard.proxy.values import (
    CUT,
    DONE,
    STREAM,
    Answer,
    Body,
    Call,
    Command,
    Ending,
    Failed,
    Gone,
    Head,
    Plan,
    Reason,
    RefusalCode,
    Refused,
    Relay,
    Relayed,
    Reply,
    Settlement,
    Slots,
)


class Exchange:
    """One request of a connection, its body as it arrives, and the life that answers it."""

    __slots__ = (
        "_body_sent", "_call", "_dial", "_inbox", "_life", "_link", "_opened", "_prefix", "_replayed", "_running",
        "_sent", "_slot", "_turn", "_waiting",
        "body_done", "broken", "chunks", "client", "ended", "expects", "fault", "head", "held", "keep_alive", "length",
        "request_id", "size", "taken",
    )  # fmt: skip

    def __init__(self, client: Client, head: Head, request_id: str, length: int, fault: RefusalCode | None) -> None:
        self.client = client
        self.head = head
        self.request_id = request_id
        self.length = length  # of the request body as declared; UNKNOWN where chunked
        self.fault = fault
        self.chunks: list[bytes] = []
        self.size = self.held = 0  # bytes in chunks; bytes of the budget
        self.body_done = self.taken = length == 0  # all of it arrived; all of it was used
        self.broken: RefusalCode | None = None  # why it will never be whole
        self.keep_alive = True
        self.expects = False
        self.ended = False
        self._life: Lived | None = None
        self._inbox: list[tuple[bytes | Answer | Relayed | None, Exception | None]] | None = None
        self._running = self._replayed = False
        self._waiting: Command | None = None
        self._call: Call | None = None
        self._slot: Slots | None = None
        self._turn: Turn | None = None
        self._dial: object = None
        self._link: Link | None = None
        self._body_sent = False  # the streamed body's end was passed on
        self._opened = False  # a relay's head was written
        self._prefix = b""
        self._sent = 0

    def start(self, plan: Plan) -> None:
        """Begin the life; called once, when this exchange is the first of its connection."""
        self._life = lived(self, plan, monotonic)
        self._advance(None, None)

    # ── the trampoline ────────────────────────────────────────────────────────────────────────────────────────────

    def _advance(self, value: bytes | Answer | Relayed | None, error: Exception | None) -> None:
        lived = self._life
        if self._running or lived is None:
            self._inbox = [*(self._inbox or ()), (value, error)]
            return
        self._running = True
        try:
            while True:
                command = lived.send(value) if error is None else lived.throw(error)  # type: ignore[arg-type]
                if type(command) is Over:
                    break
                value = error = None
                try:
                    if type(command) is Body:
                        value, error = self._read_body(command)
                    elif type(command) is Call:
                        error = self._begin_call(command)
                    else:
                        self._begin_relay(command)  # type: ignore[arg-type]
                except Exception as bug:  # noqa: BLE001 — law 3: the life makes it a 500 with a Record
                    self._waiting, error = None, bug
                if value is None and error is None:
                    if not self._inbox:
                        self._running = False
                        return
                    value, error = self._inbox.pop(0)
        except BaseException:
            self._finish(CUT)  # a bug in the rescue itself: nobody is left waiting, nothing is kept
            raise
        self._life = None  # it knows us: a cycle
        self._finish(command.result)

    def _answer(self, value: bytes | Answer | Relayed | None, error: Exception | None = None) -> None:
        self._waiting = None
        self._advance(value, error)

    def _finish(self, result: Reply | Ending) -> None:
        self.ended = True
        if self._call is not None:
            self._drop_call()
        client = self.client
        client.budget.used -= self.held
        self.held = 0
        client.alarm.due = inf
        if type(result) is Reply and not self._opened:
            client.reply(self, result)
        elif result is DONE and self._opened:
            client.close_stream(self)
        else:
            client.abort()

    # ── Body ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_body(self, command: Body) -> tuple[bytes | None, Refused | None]:
        if self.length > command.limit or self.size > command.limit:
            return None, Refused("body_too_large")
        if self.broken is not None:
            return None, Refused(self.broken)
        if self.body_done:
            return self._take_body(), None
        if self.client.budget.spent:
            return None, Refused("overloaded")
        self._waiting = command
        if self.expects:
            self.expects = False
            self.client.send_continue()
        self.client.alarm.set(self.client.body_deadline)
        return None, None

    def _take_body(self) -> bytes:
        chunks, self.chunks, self.size = self.chunks, [], 0
        self.taken = self.body_done
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def body_progress(self) -> None:
        """The front added to `chunks` or set `body_done`."""
        waiting = self._waiting
        if type(waiting) is Body:
            if self.size > waiting.limit:
                self._answer(None, Refused("body_too_large"))
            elif self.body_done:
                self._answer(self._take_body())
            elif self.client.budget.spent:
                self._answer(None, Refused("overloaded"))
        elif self._link is not None and self._call is not None and self._call.body is STREAM:
            self._pump_body(self._link)
        elif self.size > AHEAD:
            self.client.pause_reading()

    def refuse(self, code: RefusalCode) -> None:
        """The body cannot be read to its end."""
        self.broken = code
        if not self.ended:
            self._fail(Refused(code))

    def _pump_body(self, link: Link) -> None:
        if self._body_sent:
            return
        if self.chunks:
            link.send_body(self._take_body())
            self.client.budget.used -= self.held
            self.held = 0
        if type(self._waiting) is Call:  # the model server's time begins when it has the whole; until then both must get on
            self.client.alarm.set(monotonic() + self._waiting.target.attempt if self.body_done else self._idle_deadline())
        if self.body_done:
            self._body_sent = self.taken = True
            link.end_body()
        elif link.paused:
            self.client.pause_reading()
        else:
            self.client.resume_reading()

    # ── Call ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_call(self, call: Call) -> Failed | Refused | None:
        if self._link is not None:
            self._drop_call()
        if self.broken is not None and call.body is STREAM:
            return Refused(self.broken)
        self._waiting = self._call = call
        slots = call.target.slots
        if slots.acquire():
            self._slot = slots
            return self._place(call)
        turn = Turn(self, slots)
        if slots.enqueue(turn):
            self._turn = turn
            self.client.alarm.set(min(call.until, monotonic() + call.target.queue_timeout))
            return None
        self._waiting = None
        return Failed("overloaded", sent=False, retry_after=1.0)

    def granted(self, turn: "Turn") -> None:
        """A slot became free for the queued call."""
        self._turn = None
        self._slot = turn.slots
        call = cast("Call", self._call)
        reason = call.target.closed or call.ticket.recheck(monotonic())
        failure = Failed(reason, sent=False) if reason is not None else self._place(call)
        if failure is not None:
            self._fail(failure)

    def _place(self, call: Call) -> Failed | None:
        now = monotonic()
        pool: Pool = call.target.pool  # type: ignore[assignment]
        if (link := None if self._replayed else pool.take(now)) is not None:
            self._send(link, call, now)
        else:
            self.client.alarm.set(min(call.until, now + call.target.connect))
            self._dial = pool.dial(self, min(call.until - now, call.target.connect))
        return None

    def dialled(self, dial: object, link: Link | None, reason: Reason | None) -> bool:
        """A connection is there, or cannot be had. False: it is not wanted any more."""
        if dial is not self._dial or (call := self._call) is None:
            return False
        self._dial = None
        reason = reason or call.target.closed
        if link is None or reason is not None:
            self._fail(Failed(reason or "connect", sent=False))
            return False
        self._send(link, call, monotonic())
        return True

    def _send(self, link: Link, call: Call, now: float) -> None:
        self._link = link
        self.client.alarm.set(call.until)
        link.send(self, call, self.length, now)
        if call.body is STREAM and self._link is link:
            if self.expects:
                self.expects = False
                self.client.send_continue()
            self._pump_body(link)

    def answered(self, link: Link, answer: Answer) -> None:
        """The head, or the whole, of an answer is there."""
        if link is not self._link or type(self._waiting) is not Call:
            return
        self.client.alarm.due = inf
        if answer.complete:
            self._link = self._call = None
            self._free_slot()
        else:
            self._prefix = answer.body
        self._answer(answer)

    def failed(self, link: Link, reason: Reason) -> None:
        """The call broke."""
        if link is not self._link:
            return
        if type(self._waiting) is Relay:
            self._end_relay(reason)
        elif (call := self._call) is not None:
            if reason == "reset" and call.replay and link.reused and not link.heard and not self._replayed:
                self._replayed, self._link = True, None
                self._place(call)
                return
            self._fail(Failed(reason))

    def resumed(self, link: Link) -> None:
        """The upstream takes request bytes again."""
        if link is self._link:
            self._pump_body(link)

    def _fail(self, failure: Failed | Refused | Gone) -> None:
        """Cancel what is under way; the life hears of it if it waits."""
        self._drop_call()
        if self._waiting is not None:
            self._answer(None, failure)

    def _free_slot(self) -> None:
        if self._slot is not None:
            slot, self._slot = self._slot, None
            slot.release()

    def _drop_call(self) -> None:
        """Cancel the current call, whatever stage it is in, and free its slot."""
        link, self._link, self._dial, self._call = self._link, None, None, None
        if link is not None:
            link.cancel()
        if self._turn is not None:
            self._turn.leave()
            self._turn = None
        self._free_slot()

    # ── Relay ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_relay(self, relay: Relay) -> None:
        self._waiting, link = relay, self._link
        if link is None:  # lost between its head and this command
            self._end_relay("reset")
            return
        length = link.length if relay.inspector is None else UNKNOWN
        self._opened = True
        self.client.open_stream(self, relay.status, relay.headers, length)
        if prefix := self._prefix:
            self._prefix = b""
            self.data(link, prefix)
        if self._link is link:
            self.client.alarm.set(self._idle_deadline())
            if not self.client.paused:
                link.flow()

    def _idle_deadline(self) -> float:
        return monotonic() + self._call.target.idle if self._call is not None else inf

    def data(self, link: Link, chunk: bytes) -> None:
        """The next bytes of a relayed answer."""
        if link is not self._link or type(self._waiting) is not Relay:
            return
        if self._waiting.inspector is not None:
            chunk = self._waiting.inspector.feed(chunk, monotonic())
        if chunk:
            self._sent += len(chunk)
            self.client.send_chunk(chunk)
        if self.client.paused:
            link.pause_reading()
        else:
            self.client.alarm.set(self._idle_deadline())

    def done(self, link: Link) -> None:
        """The relayed answer is whole."""
        if link is self._link and type(self._waiting) is Relay:
            self._link = None
            self._end_relay(None)

    def _end_relay(self, failed: Reason | None) -> None:
        relay, tail = self._waiting, b""
        if type(relay) is Relay and relay.inspector is not None:
            tail = relay.inspector.end() if failed is None else relay.inspector.stop(failed)
            if tail:
                self._sent += len(tail)
                self.client.send_chunk(tail)
        self._drop_call()
        self._answer(Relayed(self._sent, monotonic(), failed, bool(tail)))

    # ── the client and the clock ──────────────────────────────────────────────────────────────────────────────────

    def client_resumed(self) -> None:
        """The client takes bytes again."""
        if type(self._waiting) is Relay and self._link is not None:
            self.client.alarm.set(self._idle_deadline())
            self._link.resume_reading()
            self._link.flow()

    def gone(self, cause: str) -> None:
        """The client left: cancel upstream at once."""
        if not self.ended:
            if self._turn is not None and self._call is not None:  # what was never sent says nothing of the target
                self._call.ticket.settle(Settlement.IGNORED, monotonic())
            self._fail(Gone(cause))

    def cut(self) -> bool:
        """End a relayed answer whose source operators do not allow any more."""
        reason = self._call.target.closed if type(self._waiting) is Relay and self._call is not None else None
        if reason is not None:
            self._end_relay(reason)
        return reason is not None

    def expire(self) -> None:
        """The alarm of the outstanding command rang."""
        waiting, link = self._waiting, self._link
        if type(waiting) is Body:
            self._answer(None, Refused("request_timeout"))
        elif type(waiting) is Relay:
            self._end_relay("timeout")
        elif self._turn is not None:
            self._fail(Failed("overloaded", sent=False, retry_after=1.0))
        elif link is None:
            self._fail(Failed("connect", sent=False))
        elif type(waiting) is Call:
            client_is_late = waiting.body is STREAM and not (self._body_sent or link.paused)
            self._fail(Refused("request_timeout") if client_is_late else Failed("timeout"))
