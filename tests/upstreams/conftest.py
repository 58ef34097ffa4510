"""Each server is started once, by the first test that needs it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial

import pytest

from tests.servers.fake import READY, fake
from tests.servers.fastapi import fastapi
from tests.servers.kserve import kserve
from tests.servers.mlflow import mlflow
from tests.servers.mlserver import mlserver
from tests.servers.model_server import ModelServer

STARTERS: dict[str, Callable[[], AbstractContextManager[ModelServer]]] = {
    "mlserver": mlserver,
    "mlflow": mlflow,
    "kserve": kserve,
    "fastapi": fastapi,
    **{name: partial(fake, name) for name in READY},
}


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], ModelServer]]:
    """A running server, by its name."""
    with ExitStack() as stack:
        started: dict[str, ModelServer] = {}

        def of(name: str) -> ModelServer:
            if name not in started:
                started[name] = stack.enter_context(STARTERS[name]())
            return started[name]

        yield of
