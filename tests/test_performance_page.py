"""The page that the bench writes: whatever was measured has its place in it."""

import re

from benchmarks.bench import in_turn
from benchmarks.report import PARTS, WORDS, machine


def test_each_part_has_one_place_in_the_template() -> None:
    assert sorted(re.findall(r"\{(\w+)\}", WORDS.read_text())) == sorted(PARTS)


def test_the_machine_and_the_versions_are_said() -> None:
    versions = {"processor": "one of two cores", "envoy": "1.33"}
    assert machine({"versions": versions}) == "| processor | one of two cores |\n| envoy | 1.33 |"


def test_what_is_held_against_guard_runs_beside_it_on_either_side_by_turns() -> None:
    names = ["direct", "envoy", "relay", "forwarding", "source", "guard"]
    assert in_turn(names, 0) == ["direct", "relay", "source", "envoy", "guard", "forwarding"]
    assert in_turn(names, 1) == ["forwarding", "guard", "envoy", "source", "relay", "direct"]
