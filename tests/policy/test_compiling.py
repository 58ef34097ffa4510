"""Compiling is a pipeline: its steps are the files of `guard/policy/compiling`, and a route passes each once."""

import re
import sys
from itertools import groupby
from pathlib import Path

import pytest

from guard.policy import compiling
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load

FOLDER = Path(compiling.__file__).parent
STEPS = re.findall(r"^\d\. `(\w+)`", compiling.__doc__, re.MULTILINE)
SHARED = {"context", "targets", "budgets", "comparison"}
ROUTES = [
    "input: {n: {type: integer}}\n    output: {m: {type: integer}}\n    fallback: [cached: {}, rules: [{answer: {m: 1}}]]",
    "dialect: oip\n    input: {n: {type: integer}}\n    output: {m: {type: integer}}\n    fallback: [rules: [{answer: {m: 1}}]]",
    "content: [image/png]",
]


def test_the_steps_that_the_package_lists_are_its_files():
    assert {*STEPS, *SHARED} == {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_passes_each_step_once_and_in_the_order_that_the_package_lists(tmp_path, route):
    path = tmp_path / "guard.yaml"
    path.write_text(f"version: guard/v1\nservice: s\nupstream: http://m:1\nroutes:\n  POST /p:\n    {route}\n")
    loaded, stops = load(path, environ={}), []

    def enter(frame, event, _argument):
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.parent == FOLDER and frame.f_back.f_code.co_filename == compiling.__file__:
            stops.append(file.stem)

    sys.setprofile(enter)
    try:
        compile_plan(loaded, CompileContext())
    finally:
        sys.setprofile(None)
    assert [stop for stop, _ in groupby(stop for stop in stops if stop in STEPS)] == STEPS
