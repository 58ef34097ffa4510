"""Lowers one route of a running service for a while and gives it back as it was.

The orders of a drill are conditional: each names the epoch of the order before it, so that guard refuses it where somebody
else has decided something about the route since. Each has a time to live, so that a drill whose process or connection is
lost ends by itself.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final, Self

import click

from guard.cli.operate import AdminAnswer, Endpoint, Where, ask
from guard.ladder.mode import NORMAL

REASON: Final = "drill"
"""The reason of every order of a drill. Alerts tell such an order as information."""
TTL: Final = 60.0
TRIES: Final = 3
"""Attempts to restore a route while guard does not answer."""
PAUSE: Final = 1.0
"""Seconds between two of them."""


class Untouched(Exception):  # noqa: N818
    """The route is not lowered, or not any further: somebody else decided about it, or guard refuses the order."""


def decided(status: dict[str, Any], route: str | None = None) -> str:
    """The order that lowers the service or a route, in words; empty if none does."""
    order = status if route is None else next((item for item in status["routes"] if item["route"] == route), {})
    if order.get("mode", NORMAL.mode) == NORMAL.mode:
        return ""
    who, reason = order.get("who") or "an unknown operator", order.get("reason") or "no reason given"
    return f"lowered to {order['mode']} by {who}: {reason}"


class Lowering:
    """One route. Entering raises Untouched where it is lowered already; leaving gives it back, whatever happened."""

    def __init__(self, endpoint: Endpoint, where: Where, route: str) -> None:
        self._endpoint, self._where, self._route = endpoint, where, route
        self._epoch = 0  # of the last order that is known to be ours, or of the status it was begun on
        self._mode: str = NORMAL.mode
        self._ours = True  # nobody else has decided about the route, as far as it is known
        self._requested_mode: str | None = None  # the mode of an order whose answer has not come

    def __enter__(self) -> Self:
        self._epoch = self._undecided()["epoch"]
        return self

    def order(self, mode: str) -> None:
        """Order a mode. Raises Untouched."""
        if self._mode != NORMAL.mode:
            self._check_status(self._status())
        if mode != self._mode:
            self._put(mode)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the route back. What somebody else decided meanwhile stands."""
        with _undisturbed():
            for tries_left in range(TRIES, 0, -1):
                if not self._ours or (self._mode == NORMAL.mode and self._requested_mode is None):
                    return
                try:
                    self._give_back()
                except Untouched:
                    if tries_left > 1:
                        time.sleep(PAUSE)
        if self._ours and self._mode != NORMAL.mode:
            click.echo(f"guard: this drill still lowers {self._route}, for {TTL:g} s at most", err=True)

    def _give_back(self) -> None:
        if self._requested_mode is not None:
            self._find_out()
        if self._ours and self._mode != NORMAL.mode:
            self._put(NORMAL.mode)

    def _find_out(self) -> None:
        """Whether the order whose answer was lost is in force."""
        status = self._status()
        order = next(route for route in status["routes"] if route["route"] == self._route)
        lost = self._requested_mode
        if order["mode"] == lost and order.get("reason") == REASON:
            self._mode, self._epoch = order["mode"], status["epoch"]
        elif order["mode"] == NORMAL.mode:
            self._mode = NORMAL.mode
        self._requested_mode = None

    def _put(self, mode: str) -> None:
        body = {
            "mode": mode, "route": self._route, "reason": REASON, "ttl": TTL if mode != NORMAL.mode else None,
            "expected_epoch": self._epoch,
        }  # fmt: skip
        self._requested_mode = mode
        answer = ask(self._endpoint, "PUT", "/mode", body, ca=self._where.ca, epoch=str(self._epoch))
        if answer.status == 200:
            self._epoch, self._mode, self._requested_mode = answer.body["epoch"], mode, None
            return
        if answer.status == 412:
            self._ours, self._requested_mode = False, None
            raise Untouched("another operator changed this route meanwhile; that order stays in force")
        if answer.status != 0:
            self._requested_mode = None
        raise Untouched(f"guard refused the order: {answer.body.get('code')}")

    def _undecided(self) -> dict[str, Any]:
        """The status, where nobody has lowered the route. Raises Untouched."""
        status = self._status()
        if lowered := decided(status) or decided(status, self._route):
            raise Untouched(f"{lowered}; the drill leaves it as it is")
        return status

    def _check_status(self, status: dict[str, Any]) -> None:
        """End the drill if another order lowers the service or this route further. Raises Untouched."""
        ours = any(route["route"] == self._route and route.get("reason") == REASON for route in status["routes"])
        if lowered := decided(status) or ("" if ours else decided(status, self._route)):
            raise Untouched(f"{lowered}, meanwhile")

    def _status(self) -> dict[str, Any]:
        answer: AdminAnswer = ask(self._endpoint, "GET", "/status", ca=self._where.ca)
        if answer.status != 200:
            raise Untouched(f"guard's status cannot be read: {answer.body.get('code')}")
        return answer.body


# ── signals ───────────────────────────────────────────────────────────────────────────────────────────────────────────

ENDING: Final = (
    signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU,
)  # fmt: skip
"""Signals that end a process and, unlike SIGINT, raise nothing by themselves."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the signals that end this process into SystemExit, so that what is lowered is given back."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handled(end, *ENDING):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off every signal that would end the process until this is over."""
    came: list[int] = []
    with _handled(lambda number, _frame: came.append(number), signal.SIGINT, *ENDING):
        yield
    for number in came:
        signal.raise_signal(number)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object], *numbers: signal.Signals) -> Iterator[None]:
    """Handle signals so, unless they are ignored (nohup). Only the main thread can, and only it receives them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [
        (number, signal.signal(number, handler)) for number in numbers if signal.getsignal(number) is not signal.SIG_IGN
    ]
    try:
        yield
    finally:
        for number, handled in before:
            signal.signal(number, handled)
