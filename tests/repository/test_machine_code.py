"""Installing compiles where it can, says so where it cannot, and keeps what it compiled."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hook():
    """The module of the build hook, read without leaving byte code beside the sources."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec = importlib.util.spec_from_file_location("build_hook", ROOT / "requirements/build_hook.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


@pytest.mark.parametrize(
    ("environment", "value"), [({}, ""), ({"GUARD_COMPILE": "yes"}, "yes"), ({"GUARD_COMPILE": "no"}, "no")]
)
def test_the_environment_chooses(hook, environment, value):
    assert hook.choice(environment) == value


def test_an_unknown_choice_is_an_error_that_names_the_choices(hook):
    with pytest.raises(ValueError, match="GUARD_COMPILE is '1': write yes, no, or leave it unset"):
        hook.choice({"GUARD_COMPILE": "1"})


def test_a_machine_without_a_compiler_is_told_what_is_missing(hook):
    assert hook.lacking({"CC": "/nowhere/cc"}) == "no C compiler (/nowhere/cc)"
    assert hook.lacking({"CC": "false"}) == "no C compiler (false)"


def test_a_machine_without_headers_is_told_what_is_missing(hook, monkeypatch, tmp_path):
    monkeypatch.setattr(hook.sysconfig, "get_path", lambda _: str(tmp_path))
    assert hook.lacking({"CC": "true"}) == "no headers of Python (Debian: python3-dev)"
    (tmp_path / "Python.h").touch()
    assert hook.lacking({"CC": "true"}) == ""


def built(tmp_path, *environment):
    """The wheel that this checkout makes with these variables, and what the build wrote."""
    command = [sys.executable, "-B", "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    given = dict(part.split("=", 1) for part in environment)
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, timeout=120)
    return list((tmp_path / "dist").glob("*.whl")), done


def test_without_a_compiler_the_wheel_is_interpreted_and_one_line_says_so(tmp_path):
    wheels, done = built(tmp_path, "CC=/nowhere/cc")
    assert done.returncode == 0, done.stderr
    assert [wheel.name.endswith("-py3-none-any.whl") for wheel in wheels] == [True]
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "interpreted" in line]
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines] == [
        "no C compiler (/nowhere/cc): guard runs interpreted, at about two thirds of the requests per second"
    ]


def test_who_asks_for_machine_code_gets_it_or_an_error(tmp_path):
    """A broken compiler is an error for somebody who asked, and no silent loss of a third of the speed."""
    wheels, done = built(tmp_path, "GUARD_COMPILE=yes", "CC=/nowhere/cc")
    assert done.returncode != 0
    assert wheels == []


def test_a_build_leaves_nothing_in_the_folder_for_temporary_files(hook, tmp_path):
    building = hook.CompileHook(str(ROOT), {}, None, None, str(tmp_path), "wheel")
    building.finalize("standard", {}, "")  # an interpreted wheel has nothing to remove
    building._built = tmp_path / "libraries"
    building._built.mkdir()
    (building._built / "one.so").touch()
    building.finalize("standard", {}, "")
    assert list(tmp_path.iterdir()) == []


def test_each_compiled_file_exists():
    """A pattern that no longer matches would leave a module interpreted, and nobody would notice but the benchmark."""
    builder = WheelBuilder(str(ROOT))
    patterns = builder.config.target_config["hooks"]["custom"]["include"]
    assert patterns
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern.lstrip("/")))] == []
