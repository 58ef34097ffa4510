"""Profiles of hypothesis, fast on every run, deep with HYPOTHESIS_PROFILE=deep; and how workers share the tests."""

import os
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("fast", max_examples=100, **_COMMON)  # type: ignore[arg-type]
settings.register_profile("deep", max_examples=5000, **_COMMON)  # type: ignore[arg-type]
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

LONGEST = ("tests/upstreams/", "tests/kit/rehearse/test_faults.py", "tests/launch/test_launch.py")
"""What takes more than half a minute by itself: it begins first, or else one worker ends with it while the others wait."""


COMPILED = not str(find_spec("guard.proxy.pipeline").origin).endswith(".py")  # type: ignore[union-attr]  # make test-compiled


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "source: puts something of its own in the place of guard's parts, and needs their source"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if COMPILED and item.get_closest_marker("source"):
            item.add_marker(pytest.mark.skip(reason="machine code takes only what its types say"))
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


class Shares(LoadFileScheduling):
    """A file is one worker's, so what a module starts is started once; tests/upstreams is too, for its servers' sake."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/upstreams" if nodeid.startswith("tests/upstreams/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Shares:
    return Shares(config, log)
