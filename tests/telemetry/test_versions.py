"""Which version of a model answers: changes, alternation, disagreement."""

from guard.events import Event, VersionChanged, VersionDisagrees
from guard.telemetry.versions import MOST, REMEMBERED, Versions
from tests.telemetry.records import attempt, record


class Watch:
    """Versions, with what operators were told."""

    def __init__(self, expected: str = "") -> None:
        self.events: list[Event] = []
        self.versions = Versions(self.events.append)
        self.versions.expected = expected

    def served(self, version: str, at: float = 100.0) -> None:
        one = attempt()
        one.version = version
        self.versions.take(iter([record(attempts=[one], ended_at=at)]))


def test_a_change_is_an_event() -> None:
    watch = Watch()
    for version in ("1", "1", "2", "2"):
        watch.served(version)
    assert watch.events == [VersionChanged(route="POST /p", target="model", before="1", after="2")]
    assert watch.versions.served("POST /p", "model") == "2"
    assert list(watch.versions.served_now()) == [("POST", "/p", "model", "2")]


def test_versions_that_alternate_behind_one_address_are_told_once() -> None:
    watch = Watch()
    for second in range(200):
        watch.served("1" if second % 2 else "2", 100.0 + second)
    assert len(watch.events) == 1
    watch.served("1", 100.0 + 2 * REMEMBERED)
    assert len(watch.events) == 1, "the last one met was the same"
    watch.served("2", 101.0 + 2 * REMEMBERED)
    assert len(watch.events) == 2, "it had not been met for long"


def test_another_version_than_the_releases_is_a_warning_once() -> None:
    watch = Watch("7")
    for version in ("7", "8", "8"):
        watch.served(version)
    assert [type(event) for event in watch.events] == [VersionChanged, VersionDisagrees]
    assert watch.events[1] == VersionDisagrees(route="POST /p", served="8", release="7")


def test_an_answer_without_a_version_says_nothing() -> None:
    watch = Watch("7")
    watch.served("")
    assert (watch.events, list(watch.versions.served_now())) == ([], [])


def test_what_a_server_makes_up_is_bounded() -> None:
    watch = Watch()
    for number in range(10 * MOST):
        watch.served(f"v{number}")
    assert len(watch.versions._met["POST /p", "model"]) <= MOST
    watch.versions.keep(frozenset())
    assert list(watch.versions.served_now()) == []
