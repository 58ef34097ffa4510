"""The page that the bench writes: whatever was measured has its place in it."""

import re
from typing import Any

import pytest

from benchmarks import bench
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


ONE = ["guard", "forwarding"]


def test_what_the_promise_is_of_takes_more_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, int]] = []

    def closed_loop(one: Any, many: int, _: int) -> dict[str, float]:
        ran.append((one, many))
        return {"rps": float(len(ran))}

    monkeypatch.setattr(bench, "closed_loop", closed_loop)
    monkeypatch.setattr(bench, "say", lambda _: None)
    found = bench.rounds_of({name: name for name in ("relay", "guard", "forwarding")}, 2, 1, (32, 256), 3)  # type: ignore[misc]
    turns = {name: {many: len(runs) for many, runs in of_it["runs"].items()} for name, of_it in found.items()}
    assert turns == {"relay": {"32": 2, "256": 2}, "guard": {"32": 6, "256": 2}, "forwarding": {"32": 6, "256": 2}}
    assert [name for name, many in ran[3:] if many == 32][:7] == ["relay", *ONE, *ONE[::-1], *ONE]
