"""What a release builds, and which Pythons `make wheels` finds."""

import tomllib
from pathlib import Path

import pytest
import yaml

from requirements import wheels

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)
    return path


def test_a_release_builds_for_each_python_that_is_wanted() -> None:
    built = PROJECT["tool"]["cibuildwheel"]["build"].split()
    assert built == [f"cp{version.replace('.', '')}-*" for version in wheels.WANTED]
    assert PROJECT["tool"]["cibuildwheel"]["environment"] == {"GUARD_COMPILE": "yes"}


def test_only_a_tag_publishes_and_only_after_all_parts() -> None:
    publish = WORKFLOW["jobs"]["publish"]
    assert publish["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert set(publish["needs"]) == set(WORKFLOW["jobs"]) - {"publish"}
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for name, job in WORKFLOW["jobs"].items() if name != "publish")


def test_what_is_published_is_attested_before() -> None:
    used = [step.get("uses", "").partition("@")[0] for step in WORKFLOW["jobs"]["publish"]["steps"]]
    assert used.index("actions/attest-build-provenance") < used.index("pypa/gh-action-pypi-publish")
    assert used.index("actions/attest-sbom") < used.index("pypa/gh-action-pypi-publish")


def test_interpreters_are_those_listed_then_those_on_the_path_then_those_of_pyenv(tmp_path: Path) -> None:
    listed = _program(tmp_path / "own" / "python", "3.14")
    on_path = _program(tmp_path / "bin" / "python3.12", "3.12")
    _program(tmp_path / "pyenv" / "versions" / "3.12.1" / "bin" / "python3.12", "3.12")
    of_pyenv = _program(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin" / "python3.13", "3.13")
    _program(tmp_path / "bin" / "python3.11", "no headers")
    environment = {
        "PATH": str(on_path.parent),
        "PYENV_ROOT": str(tmp_path / "pyenv"),
        "GUARD_PYTHONS": f"{tmp_path}/nothing:{listed}",
    }
    assert wheels.interpreters(environment) == {"3.12": str(on_path), "3.13": str(of_pyenv), "3.14": str(listed)}


@pytest.mark.parametrize("arguments", [["--only", "3.10"], ["--unknown"]])
def test_a_wrong_call_makes_nothing(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["wheels.py", *arguments])
    monkeypatch.setattr(wheels, "sdist", None)
    with pytest.raises(SystemExit) as ended:
        wheels.main()
    assert ended.value.code == 2
