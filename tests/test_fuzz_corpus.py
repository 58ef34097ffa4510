"""The kept corpus of every fuzz target holds its laws."""

import importlib
from pathlib import Path

import pytest

from fuzz import TARGETS, loop, policy_text

pytestmark = pytest.mark.source

FUZZ = Path(__file__).parents[1] / "fuzz"


@pytest.fixture(scope="module", autouse=True)
def afterwards():
    yield
    loop.close()
    policy_text.close()


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_holds_the_laws(target):
    check = importlib.import_module(f"fuzz.{target}").check
    files = sorted((FUZZ / "corpus" / target).iterdir())
    assert 0 < len(files) <= 60
    for file in files:
        data = file.read_bytes()
        assert len(data) <= 2048
        try:
            check(data)
        except BaseException as broken:
            broken.add_note(f"python fuzz/run.py {target} --replay {file.relative_to(FUZZ.parent)}")
            raise


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_hold_the_laws(target):
    module = importlib.import_module(f"fuzz.{target}")
    for seed in module.seeds():
        module.check(seed)
