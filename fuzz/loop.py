"""One event loop for all inputs: a loop per input would cost more than the input."""

import asyncio
from collections.abc import Callable

_LOOP: list[asyncio.AbstractEventLoop] = []


def in_loop(function: Callable[[], None]) -> None:
    """Run a function where `get_running_loop` works; timers it leaves behind do not ring while it runs."""
    if not _LOOP:
        _LOOP.append(asyncio.new_event_loop())

    async def main() -> None:
        function()

    _LOOP[0].run_until_complete(main())


def close() -> None:
    """Give the loop's sockets back; a test run counts a loop left open as a fault."""
    while _LOOP:
        _LOOP.pop().close()
