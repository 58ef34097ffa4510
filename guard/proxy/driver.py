"""Performs the commands of a request's pipeline, straight from the socket callbacks: no task, future or queue per request.

Laws:
- one command is outstanding at a time (`waiting`); an event that answers no outstanding command is stale and dropped;
- the next Call, a return or a throw cancels a call whose answer is incomplete and frees its slot;
- the slot belongs to the call and is freed at the upstream's last byte;
- backpressure stays here, the pipeline never sees it;
- a call is made again only once, on another connection, and only if it cannot be executed twice;
- the loss of the client is thrown as Gone, never `close()`d.
"""

from math import inf
from time import monotonic
from typing import cast

from guard.proxy.deadlines import ATTEMPT, BODY, CONNECT, HEARTBEAT, IDLE, NONE, QUEUE, REQUEST
from guard.proxy.interfaces import AHEAD, LARGE, Client, Link, Pool
from guard.proxy.pipeline import handle_request
from guard.proxy.relaying import Relaying
from guard.proxy.slot_waiter import SlotWaiter
from guard.proxy.values import (
    DONE,
    STREAM,
    Answer,
    Body,
    Call,
    CallOutcome,
    ConcurrencyLimiter,
    Ending,
    Failed,
    Gone,
    Head,
    Plan,
    Reason,
    RefusalCode,
    Refused,
    Relay,
    Reply,
)


class Exchange(Relaying):
    """One request of a connection, its body as it arrives, and the pipeline that answers it."""

    __slots__ = (
        "_armed", "_body_sent", "_complete", "_dial", "_resent", "_slot", "_waiter", "expects", "fault", "head",
        "keep_alive",
        "length", "request_id",
    )  # fmt: skip

    def __init__(self, client: Client, head: Head, request_id: str, length: int, fault: RefusalCode | None) -> None:
        self._pipeline, self._inbox, self._waiting, self._running = None, None, None, False
        self.client = client
        self.head = head
        self.request_id = request_id
        self.length = length  # of the request body as declared; UNKNOWN where chunked
        self.fault = fault
        self.chunks = []
        self.size = self.held = 0
        self.body_done = self.consumed = length == 0
        self.broken: RefusalCode | None = None  # why the body will never be complete
        self.keep_alive = True
        self.expects = False
        self.ended = False
        self._resent = False
        self._retained, self._spent = None, False
        self._call = None
        self._slot: ConcurrencyLimiter | None = None
        self._waiter: SlotWaiter | None = None
        self._dial: object = None
        self._link = None
        self._complete: Answer | None = None  # a large answer that waits for its turn to be judged
        self._body_sent = False  # the streamed body's end was passed on
        self._opened = False
        self._prefix = b""
        self._sent = 0
        self._waited = False
        self._armed = NONE  # the purpose of the armed deadline: one command waits, for one event

    def start(self, plan: Plan) -> None:
        """Begin the pipeline; called once, when this exchange is the first of its connection."""
        self._pipeline = handle_request(self, plan, monotonic)
        self._advance(None, None)

    def _finish(self, result: Reply | Ending) -> None:
        self.ended = True
        if self._call is not None:
            self._drop_call()
        client = self.client
        client.budget.used -= self.held
        self.held = 0
        client.timer.due[self._armed] = inf
        if self._opened:
            client.timer.due[HEARTBEAT] = inf
        if type(result) is Reply and not self._opened:
            client.reply(self, result)
        elif result is DONE and self._opened:
            client.close_stream(self)
        else:
            client.abort()

    def _arm(self, purpose: int, due: float) -> None:
        timer = self.client.timer
        if purpose != self._armed:
            timer.due[self._armed] = inf
            self._armed = purpose
        timer.set(purpose, due)

    def _arm_within(self, purpose: int, due: float, call: Call) -> None:
        """Arm a deadline of a call, or that of the whole request if it is earlier."""
        if due < call.deadline:
            self._arm(purpose, due)
        else:
            self._arm(REQUEST, call.deadline)

    def _arm_idle(self) -> None:
        if self._call is not None:
            self._arm(IDLE, monotonic() + self._call.target.idle)

    def _disarm(self) -> None:
        self.client.timer.due[self._armed] = inf

    # ── Body ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_body(self, command: Body) -> tuple[bytes | None, Refused | None]:
        if self.length > command.limit or self.size > command.limit:
            return None, Refused("body_too_large")
        if self.broken is not None:
            return None, Refused(self.broken)
        if self.body_done:
            if self.size < LARGE:
                return self._take_body(), None
            self._waiting = command
            self.client.wait_to_judge()
            return None, None
        if self.client.budget.spent and not self.client.make_room():
            return None, Refused("overloaded")
        self._waiting = command
        if self.expects:
            self.expects = False
            self.client.send_continue()
        self._arm(BODY, self.client.body_deadline)
        return None, None

    def body_progress(self) -> None:
        """Continue after the front has added to `chunks` or set `body_done`."""
        waiting = self._waiting
        if type(waiting) is Body:
            if self.size > waiting.limit:
                self._answer(None, Refused("body_too_large"))
            elif self.body_done and self.size < LARGE:
                self._answer(self._take_body())
            elif self.body_done:
                self._disarm()
                self.client.wait_to_judge()
            elif self.client.budget.spent and not self.client.make_room():
                self._answer(None, Refused("overloaded"))
        elif self._link is not None and self._call is not None and self._call.body is STREAM:
            self._pump_body(self._link)
        elif self.size > AHEAD:
            self.client.pause_reading()

    def _pump_body(self, link: Link) -> None:
        if self._body_sent:
            return
        if self.chunks:
            self._pass_on(link)
        if type(self._waiting) is Call:  # the attempt's time begins once the server has the whole body
            if self.body_done:
                self._arm(ATTEMPT, monotonic() + self._waiting.target.attempt)
            else:
                self._arm_idle()
        if self.body_done:
            self._body_sent = self.consumed = True
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
        limiter = call.target.limiter
        if limiter.acquire():
            self._slot = limiter
            self._place(call)
            return None
        turn = SlotWaiter(self, limiter)
        if limiter.enqueue(turn):
            self._waiter = turn
            self._arm_within(QUEUE, monotonic() + call.target.queue_timeout, call)
            return None
        self._waiting = None
        return Failed("overloaded", sent=False, retry_after=1.0)

    def granted(self, turn: "SlotWaiter") -> None:
        """Make the queued call, which holds a slot now, unless its ticket or the target is closed."""
        self._waiter = None
        self._slot = turn.limiter
        call = cast("Call", self._call)
        reason = call.target.closed or call.ticket.recheck(monotonic())
        if reason is not None:
            self._fail(Failed(reason, sent=False))
        else:
            self._placed(call)

    def _placed(self, call: Call) -> None:
        """Place a call from outside of the trampoline; an exception is thrown into the pipeline."""
        try:
            self._place(call)
        except Exception as bug:  # noqa: BLE001 — the pipeline makes it a 500 with a Record
            self._fail(bug)

    def _place(self, call: Call) -> None:
        """Send the call on a kept connection, or dial a new one."""
        now = monotonic()
        pool: Pool = call.target.pool  # type: ignore[assignment]
        if (link := None if self._resent else pool.take(now)) is not None:
            self._send(link, call, now)
        else:
            self._arm_within(CONNECT, now + call.target.connect, call)
            self._dial = pool.dial(self, min(call.until - now, call.target.connect))

    def dialled(self, dial: object, link: Link | None, reason: Reason | None) -> bool:
        """Use the dialled connection, or fail the call. False: the connection is not needed any more."""
        if dial is not self._dial or (call := self._call) is None:
            return False
        self._dial = None
        if link is None:
            self._fail(Failed(reason or "connect", sent=False, ours=reason is None))
            return False
        if (closed := call.target.closed) is not None:
            self._fail(Failed(closed, sent=False))
            return False
        try:
            self._send(link, call, monotonic())
        except Exception as bug:  # noqa: BLE001 — the pipeline makes it a 500 with a Record
            self._fail(bug)
        return True

    def _send(self, link: Link, call: Call, now: float) -> None:
        self._link = link
        self._arm(ATTEMPT if call.until < call.deadline else REQUEST, call.until)
        if call.hold is not None:
            call.hold.sent = True
        link.send(self, call, self.length, now)
        if call.body is STREAM and self._link is link:
            if self.expects:
                self.expects = False
                self.client.send_continue()
            self._pump_body(link)

    def answered(self, link: Link, answer: Answer) -> None:
        """Take an answer, or the head of one whose body follows."""
        if link is not self._link or type(self._waiting) is not Call:
            return
        self.client.timer.due[self._armed] = inf
        if answer.complete:
            self._link = self._call = None
            self._free_slot()
        else:
            self._prefix = answer.body
        if self._retained is not None:
            self._let_go()
        if answer.complete and len(answer.body) >= LARGE:
            self._wait_to_judge(answer, self._waiting)
        else:
            self._answer(answer)

    def _wait_to_judge(self, answer: Answer, call: Call) -> None:
        """Queue a large answer until its turn. It counts in the budget, and its wait counts in the request's time."""
        size = len(answer.body)
        self._complete = answer
        self.held += size
        self.client.budget.used += size
        self._arm(REQUEST, call.deadline)
        self.client.wait_to_judge()

    def judge(self) -> None:
        """Judge the large, complete document whose turn has come: the answer, or the body."""
        answer, self._complete = self._complete, None
        if answer is not None:
            self._disarm()
            self._answer(answer)
        else:
            super().judge()

    def failed(self, link: Link, reason: Reason) -> None:
        """Handle the failure of a call: end the relay, send the call again, or fail it."""
        if link is not self._link:
            return
        if type(self._waiting) is Relay:
            self._end_relay(reason)
        elif (call := self._call) is not None:
            final = not link.reused or link.answer_begun or self._resent or self._spent
            if reason == "reset" and not final and (link.unread or (call.repeatable and _may_repeat(call))):
                self._send_again(call)
                return
            self._fail(Failed(reason, ours=link.partial))

    def _send_again(self, call: Call) -> None:
        """Send the call once more, on a new connection: the server has not read it, or it may be executed twice."""
        self._resent, self._link = True, None
        self._rewind()
        self._body_sent = False
        self._placed(call)

    def resumed(self, link: Link) -> None:
        """The upstream takes request bytes again."""
        if link is self._link:
            self._pump_body(link)

    def _fail(self, failure: Exception) -> None:
        """Cancel the call; the failure is thrown into the pipeline if it waits."""
        self._complete = None
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
        if self._waiter is not None:
            self._waiter.leave()
            self._waiter = None
        self._free_slot()

    def _open(self, relay: Relay, length: int) -> None:
        self._opened = True
        self.client.open_stream(self, relay.status, relay.headers, length)

    # ── the client and the clock ──────────────────────────────────────────────────────────────────────────────────

    def client_left(self, cause: str) -> None:
        """The client left: cancel upstream at once."""
        if not self.ended:
            if self._waiter is not None and self._call is not None:  # an unsent call proves nothing about the target
                self._call.ticket.settle(CallOutcome.IGNORED, monotonic())
            self._fail(Gone(cause))

    def expire(self, purpose: int) -> None:
        """The deadline that was armed for the outstanding command passed."""
        waiting, link = self._waiting, self._link
        if purpose == HEARTBEAT:
            self._beat()
            return
        if purpose != self._armed or waiting is None:
            return
        if purpose == BODY:
            self._answer(None, Refused("request_timeout"))
        elif type(waiting) is Relay:
            self._end_relay("timeout", late=self.client.timer.late)
        elif self._waiter is not None:
            self._fail(Failed("overloaded", sent=False, retry_after=1.0))
        elif self._complete is not None:  # the target has answered in time
            self._fail(Failed("timeout", ours=True))
        elif link is None:
            self._fail(Failed("connect", sent=False, ours=self.client.timer.late))
        elif type(waiting) is Call:
            client_is_late = waiting.body is STREAM and not (self._body_sent or link.paused)
            self._fail(Refused("request_timeout") if client_is_late else Failed("timeout", ours=self.client.timer.late))


def _may_repeat(call: Call) -> bool:
    """Whether the budgets of a call, if it has any, allow that the server executes it twice."""
    return call.hold is None or call.hold.again()
