"""Sends notices to webhooks, from a thread with a loop of its own: nobody who handles requests waits for a receiver.

Each webhook has a queue, sent in order: what is over is never told before it began. A queue is bounded, and its oldest goes
when it is full. A notice is tried five times, each within ten seconds, with a pause between that doubles and is drawn at
random below that ("full jitter", AWS Architecture Blog, 2015), or is as long as the receiver asks for. What it answers
is not read beyond 64 KiB, and no redirect is followed. TLS is verified by the system's certificates (`SSL_CERT_FILE`).

A webhook's URL may be a secret: it is looked up when it is used, and stands in no log, error or metric.
"""

import asyncio
import random
import ssl
from collections import Counter, deque
from collections.abc import Callable, Collection
from contextlib import suppress
from threading import Thread
from typing import Any, Final, NamedTuple

from guard import __version__
from guard.control.place import place_of_error
from guard.control.worker import Worker
from guard.events import AlertLost, IncidentFailed, Publish

MOST: Final = 64
"""Notices that wait for one webhook."""
TRIES: Final = 5
WITHIN: Final = 10.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
MOST_ANSWER: Final = 65536
CLOSE_WITHIN: Final = 1.0
AGAIN: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses after which it is worth trying again (RFC 9110 §15; 425 is RFC 8470)."""


class Delivery(NamedTuple):
    """A notice on its way to a webhook. `tries`: how often at most; a repetition is not worth more than one."""

    kind: str
    body: bytes
    tries: int = TRIES


class Receiver(NamedTuple):
    """A webhook. `url` looks the address up; None where it is not there."""

    number: int
    format: str
    url: Callable[[], str | None]


class Outcome(NamedTuple):
    """The outcome of one attempt. `retry_after`: seconds that the receiver asks for."""

    why: str  # empty: taken
    again: bool = False
    retry_after: float | None = None


class WebhookNotifier:
    """Owns the thread. `delivered` counts by (kind, format), `lost` by ("alerts", why)."""

    def __init__(
        self,
        publish: Publish,
        delivered: "Counter[tuple[str, str]]",
        lost: "Counter[tuple[str, str]]",
        pause: Callable[[float], float] = lambda most: random.uniform(0.0, most),  # noqa: S311 — no secret
    ) -> None:
        self._publish, self._delivered, self._lost, self._pause = publish, delivered, lost, pause
        self._loop = asyncio.new_event_loop()
        self._queues: dict[Receiver, deque[Delivery]] = {}
        self._wakes: dict[Receiver, asyncio.Event] = {}
        self._tasks: dict[Receiver, asyncio.Task[None]] = {}
        self._client: Any = None
        self._urls = Worker("guard-urls")
        self._going: frozenset[Receiver] = frozenset()
        self._last: asyncio.Task[None] | None = None
        self._thread = Thread(target=self._run, name="guard-alerts", daemon=True)
        self._thread.start()

    # ── from any thread ───────────────────────────────────────────────────────────────────────────────────────────

    def put(self, receiver: Receiver, delivery: Delivery) -> None:
        """Take it; the oldest goes where there is no room."""
        self._call(lambda: self._put(receiver, delivery))

    def keep(self, receivers: Collection[Receiver]) -> None:
        """Let go of the others, once their queues are sent."""
        self._call(lambda: self._keep(frozenset(receivers)))

    def close(self) -> None:
        """Send what waits, for a moment."""
        self._call(self._end)
        self._thread.join(CLOSE_WITHIN * 2)

    def _call(self, work: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(work)

    # ── in the thread ─────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _put(self, receiver: Receiver, delivery: Delivery) -> None:
        queue = self._queues.setdefault(receiver, deque())
        if len(queue) >= MOST:
            queue.popleft()
            self._lost["alerts", "queue_full"] += 1
        queue.append(delivery)
        if receiver not in self._tasks:
            self._wakes[receiver] = asyncio.Event()
            self._tasks[receiver] = self._loop.create_task(self._serve(receiver))
        self._wakes[receiver].set()

    def _keep(self, receivers: frozenset[Receiver]) -> None:
        self._going = frozenset(self._wakes) - receivers
        for item in self._going:
            self._wakes[item].set()

    def _end(self) -> None:
        self._keep(frozenset())
        self._last = self._loop.create_task(self._finish())

    async def _serve(self, receiver: Receiver) -> None:
        """One webhook's queue, until nobody names it any more."""
        queue, wake = self._queues[receiver], self._wakes[receiver]
        while queue or receiver not in self._going:
            await wake.wait()
            wake.clear()
            while queue:
                delivery = queue.popleft()
                try:
                    why = await self._deliver(receiver, delivery)
                except Exception as error:  # noqa: BLE001 — a bug of guard loses this notice, and not those after it
                    why = "failed"
                    failed = IncidentFailed(event=delivery.kind, error=type(error).__name__, place=place_of_error(error))
                    self._publish(failed)
                if why:
                    self._lost["alerts", why] += 1
                else:
                    self._delivered[delivery.kind, receiver.format] += 1
        del self._queues[receiver], self._wakes[receiver], self._tasks[receiver]

    async def _deliver(self, receiver: Receiver, delivery: Delivery) -> str:
        """Try; why it was given up, or nothing."""
        pause = FIRST_PAUSE
        outcome = Outcome("failed")
        for number in range(delivery.tries):
            outcome = await self._once(receiver, delivery)
            if not outcome.why or not outcome.again:
                break
            if number + 1 < delivery.tries:
                wait = self._pause(pause) if outcome.retry_after is None else min(outcome.retry_after, LONGEST_PAUSE)
                await asyncio.sleep(wait)
                pause = min(2 * pause, LONGEST_PAUSE)
        if outcome.why:
            self._publish(AlertLost(webhook=receiver.number, format=receiver.format, kind=delivery.kind, why=outcome.why))
            return outcome.why if outcome.why == "no_url" else "failed" if outcome.again else "refused"
        return ""

    async def _once(self, receiver: Receiver, delivery: Delivery) -> Outcome:
        try:
            url = await self._urls.run(receiver.url, WITHIN)  # it may be in a file on a mount that hangs
            if url is None:
                return Outcome("no_url")
            async with asyncio.timeout(WITHIN):
                return await self._post(url, delivery.body)
        except TimeoutError:
            return Outcome("timeout", again=True)
        except Exception as error:  # noqa: BLE001 — whatever a client of HTTP raises; its words may hold the URL
            return Outcome(type(error).__name__, again=True)

    async def _post(self, url: str, body: bytes) -> Outcome:
        if self._client is None:
            import httpx2  # noqa: PLC0415 — a tenth of a second, in this thread, for who has webhooks

            self._client = httpx2.AsyncClient(
                verify=ssl.create_default_context(),
                trust_env=False,
                follow_redirects=False,
                timeout=WITHIN,
                limits=httpx2.Limits(max_keepalive_connections=0),
                headers={"user-agent": f"guard/{__version__}", "content-type": "application/json"},
            )
        async with self._client.stream("POST", url, content=body) as answer:
            read = 0
            async for chunk in answer.aiter_raw():
                read += len(chunk)
                if read > MOST_ANSWER:
                    break
            status = answer.status_code
            if 200 <= status < 300:
                return Outcome("")
            retry_after = answer.headers.get("retry-after", "")
            return Outcome(
                str(status),
                again=status in AGAIN,
                retry_after=float(retry_after)
                if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 6
                else None,
            )

    async def _finish(self) -> None:
        """The last deliveries, for a moment; what is left is counted."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_WITHIN)
        unsent = sum(map(len, self._queues.values())) + sum(not task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        if unsent:
            self._lost["alerts", "shutdown"] += unsent
        if self._client is not None:
            with suppress(Exception):
                await self._client.aclose()
        self._loop.stop()
