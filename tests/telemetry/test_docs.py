"""docs/telemetry.md names every instrument, variable and reason that there is."""

import re
from pathlib import Path
from typing import get_args

from guard.proxy.values import StreamError
from guard.telemetry import environment
from tests.telemetry.page import PAGE, written


def test_the_tables_are_the_instruments_and_the_events() -> None:
    assert PAGE.read_text() == written(PAGE.read_text()), "run: python -m tests.telemetry.page"


def test_every_variable_that_is_read_is_documented() -> None:
    read = set(re.findall(r"OTEL_[A-Z_]+[A-Z]", Path(environment.__file__).read_text()))
    page = PAGE.read_text()
    assert len(read) > 10
    named = {name for name in read if name in page or any(name.startswith(stem) for stem in ("OTEL_BSP", "OTEL_BLRP"))}
    assert read - named == set()


def test_every_error_of_a_record_is_documented() -> None:
    page = PAGE.read_text()
    [told] = re.findall(r"^`error` of an exchange says .*?\n\n", page, re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", told))
    assert set(get_args(StreamError)) <= named
    relayed = {"reset", "timeout", "malformed", "mode", "kill_file", "overloaded"}  # what ends a call whose head was given
    assert relayed <= named
