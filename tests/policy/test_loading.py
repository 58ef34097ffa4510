"""Loading is a pipeline: its steps are the files of `guard/policy/loading`, and each is passed once."""

import re
import sys
from itertools import groupby
from pathlib import Path

from guard.policy import loading

FOLDER = Path(loading.__file__).parent
STEPS = re.findall(r"^\d\. `(\w+)`", loading.__doc__, re.MULTILINE)
POLICIES = Path(__file__).parents[2] / "policies"


def passed(path):
    """The files of the loading that run, in order."""
    stops = []

    def enter(frame, event, _argument):
        if event == "call" and Path(frame.f_code.co_filename).parent == FOLDER:
            stops.append(Path(frame.f_code.co_filename).stem)

    sys.setprofile(enter)
    try:
        loading.load(path, environ={})
    finally:
        sys.setprofile(None)
    return [stop for stop, _ in groupby(stop for stop in stops if stop != "__init__")]


def test_the_steps_that_the_package_lists_are_its_files():
    assert set(STEPS) == {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}


def test_each_step_is_passed_once_and_in_the_order_that_the_package_lists(tmp_path):
    path = tmp_path / "guard.yaml"
    path.write_text(
        "version: guard/v1\nservice: s\nupstream: http://m:1\nroutes:\n  POST /p:\n    input: {n: {type: integer}}\n"
    )
    assert passed(path) == STEPS


def test_only_a_document_that_another_names_is_read_and_parsed_between_later_steps(tmp_path):
    (tmp_path / "org.yaml").write_text("service: s\n")
    path = tmp_path / "guard.yaml"
    path.write_text("version: guard/v1\nextends: org.yaml\nupstream: http://m:1\nroutes: {POST /p: passthrough}\n")
    assert passed(path) == [*STEPS[:3], *STEPS[:3], *STEPS[3:]]
