"""The starter of model servers; what each of them does is seen in tests/upstreams."""

import json
import urllib.request

import pytest

from tests.servers.fake import fake
from tests.servers.fastapi import fastapi
from tests.servers.model_server import ModelServer, serving

SETOSA = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def species(server: ModelServer) -> str:
    request = urllib.request.Request(
        f"{server.url}/predict", json.dumps(SETOSA).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["species"])


def test_a_server_is_killed_and_comes_back_on_its_port() -> None:
    with fastapi() as server:
        assert species(server) == "setosa"
        server.kill()
        assert not server.is_ready
        server.start()
        assert species(server) == "setosa"
        server.restart()
        assert species(server) == "setosa"
        assert server.log.count("Application startup complete") == 3
    assert not server.is_ready


def test_a_server_that_does_not_start_says_why(tmp_path_factory: pytest.TempPathFactory) -> None:
    with fake("vertex") as taken:
        command = [*taken._command[:-1], str(taken.port)]
        late = ModelServer(command, tmp_path_factory.mktemp("late"), port=taken.port, ready="/nothing")
        with pytest.raises(AssertionError, match="address already in use"), serving(late):
            pass
