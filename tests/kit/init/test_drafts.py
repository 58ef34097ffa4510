"""Drafts of real servers' documents, line by line. `GUARD_GOLDEN=write` writes them anew, to be read in the diff."""

import os
from pathlib import Path

import pytest

from guard.cli.check import compiled
from guard.kit.init import mlmodel
from guard.kit.init.draft import Wanted
from tests.kit.init.fake import RECORDED, drafted, recorded

GOLDEN = Path(__file__).parents[2] / "golden" / "init"
WANTED = {
    "tfserving": Wanted(models=("iris",)),
    "mlflow": Wanted(mlmodel=mlmodel.read(RECORDED)),
}
SERVERS = sorted(path.stem for path in RECORDED.glob("*.json"))


@pytest.mark.parametrize("name", SERVERS)
def test_a_draft_says_this_and_guard_accepts_it(name: str) -> None:
    text = drafted(recorded(name), WANTED.get(name, Wanted()))
    golden = GOLDEN / f"{name}.yaml"
    if os.environ.get("GUARD_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    loaded, plan = compiled(golden)
    assert not loaded.warnings
    assert plan.routes
    for route in plan.routes:
        assert not route.enforce


@pytest.mark.parametrize("name", SERVERS)
def test_nothing_but_reading_is_asked(name: str) -> None:
    server = recorded(name)
    drafted(server, WANTED.get(name, Wanted()))
    assert {wanted for wanted in server.asked if not wanted.startswith("GET ")} <= {"POST /v2/repository/index"}


def test_the_listing_of_models_is_asked_only_of_servers_that_have_one() -> None:
    for name in set(SERVERS) - {"mlserver", "triton"}:
        server = recorded(name)
        drafted(server, WANTED.get(name, Wanted()))
        assert "POST /v2/repository/index" not in server.asked


@pytest.mark.parametrize("name", SERVERS)
def test_management_routes_are_never_listed(name: str) -> None:
    text = drafted(recorded(name), WANTED.get(name, Wanted()))
    keys = [line for line in text.splitlines() if not line.startswith("#")]
    assert not [key for key in keys if any(word in key for word in ("repository", "lora", "sleep", "metrics", "shutdown"))]
