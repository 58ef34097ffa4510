"""A model server that is killed and comes back while clients ask."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from tests.servers.model_server import ModelServer
from tests.servers.process import until
from tests.upstreams.families import FAMILIES, SETOSA
from tests.upstreams.front import Scene, before, client_of

QUICK = "{minimum_calls: 1000, consecutive_failures: 3, open_for: 100ms, max_open_for: 100ms, close_after: 1}"
ONE_EACH = {family.server: name for name, family in FAMILIES.items()}


@pytest.mark.parametrize("name", ONE_EACH.values())
def test_a_restart_under_load_is_nobodys_problem(name: str, servers: Callable[[str], ModelServer]) -> None:
    """Killed, and started on the same port: every request of four clients is answered, by the model or by the rules."""
    family = FAMILIES[name]
    with before(family, servers(family.server), breaker=QUICK) as scene:
        load = Load(scene)
        with load:
            until(lambda: load.counts["model"] >= 20, load.seen)
            scene.server.kill()
            before_rules = load.counts["rules"]
            until(lambda: load.counts["rules"] >= before_rules + 20, load.seen)
            scene.server.start()
            before_model = load.counts["model"]
            until(lambda: load.counts["model"] >= before_model + 20, load.seen, within=60)
        assert not load.wrong
        assert load.reasons <= {"connect", "reset", "status", "backoff", "breaker_open", "overloaded", "timeout"}


class Load:
    """Four clients that ask until the end, and leave the machine some time for a server that starts."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.counts: Counter[str] = Counter()
        self.reasons: set[str] = set()
        self.wrong: list[str] = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]

    def _ask(self) -> None:
        scene = self.scene
        with client_of(scene.guard) as client:
            mine = Scene(scene.family, scene.server, scene.guard, client)
            while not self._end.wait(0.01):
                try:
                    answer = mine.send(scene.family.row(SETOSA))
                    source = answer.headers["x-guard-source"]
                    assert mine.read(answer) == (["setosa"] if source == "model" else ["versicolor"])
                except Exception as error:
                    self.wrong.append(repr(error))
                    return
                self.counts[source] += 1
                if source == "rules":
                    self.reasons.add(answer.headers["x-guard-reason"])

    def seen(self) -> str:
        return f"{self.counts} {self.reasons} {self.wrong} {self.scene.server!r}"

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
