"""A bound on how long a test waits."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Given = TypeVar("Given")


async def within(awaitable: Awaitable[Given], seconds: float) -> Given:
    """What the awaitable gives, or TimeoutError.

    Not `asyncio.wait_for`: in Python 3.11 it forgets a cancellation that comes in the same turn as the result, and a task in
    a loop then never ends.
    """
    async with asyncio.timeout(seconds):
        return await awaitable
