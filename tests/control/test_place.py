"""Places in the code: the innermost of guard, else of the library; never a value, never a machine's path."""

import asyncio
import json
import re
from typing import Any

import pytest

from guard.control.place import ROOT, UNKNOWN, place_of_error, place_of_task, shortened
from guard.control.state import StateFolder

PLACE = re.compile(r"[\w./<>-]+:\d+:[\w.<>]+")


def raised(work: Any) -> BaseException:
    with pytest.raises(Exception) as caught:
        work()
    return caught.value


def test_the_innermost_frame_of_guard_is_named() -> None:
    place = place_of_error(raised(lambda: StateFolder(None)))  # type: ignore[arg-type]
    assert place.startswith("guard/control/state.py:")
    assert PLACE.fullmatch(place)


def test_where_guard_has_no_frame_the_librarys_innermost_one_is() -> None:
    place = place_of_error(raised(lambda: json.loads("CANARY")))
    assert place.startswith("json/decoder.py:")
    assert "CANARY" not in place


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert place_of_error(None) == place_of_error(ValueError("x")) == UNKNOWN


@pytest.mark.parametrize(
    ("filename", "short"),
    [
        (f"{ROOT}/control/x.py", "guard/control/x.py"),
        ("guard/proxy/pipeline.py", "guard/proxy/pipeline.py"),  # as compiled code names itself
        ("/opt/venv/lib/python3.11/site-packages/uvicorn/server.py", "uvicorn/server.py"),
        ("/usr/lib/python3.11/json/decoder.py", "json/decoder.py"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
    ],
)
def test_no_path_of_a_machine_is_in_a_place(filename: str, short: str) -> None:
    assert shortened(filename) == short


def test_a_task_waits_at_its_innermost_await() -> None:
    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    async def main() -> None:
        task = asyncio.get_running_loop().create_task(outer())
        await asyncio.sleep(0)
        assert place_of_task(task).endswith(":Event.wait")
        task.cancel()

    asyncio.run(main())
