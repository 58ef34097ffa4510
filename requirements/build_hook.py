"""Build hook of hatchling: puts guard's data plane into the wheel as machine code, where that can be made.

GUARD_COMPILE decides: `yes` compiles, or the build fails; `no` does not; unset compiles where a C compiler and Python's
headers are, and otherwise makes the interpreted wheel and says so in one line. docs/compiled-code.md says what differs.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pathspec
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CHOICES = ("yes", "no", "")
INTERPRETED = "guard runs interpreted, at about two thirds of the requests per second"


def choice(environment: Mapping[str, str]) -> str:
    """The value of GUARD_COMPILE, or an error that names the values that there are."""
    value = environment.get("GUARD_COMPILE", "")
    if value not in CHOICES:
        raise ValueError(f"GUARD_COMPILE is {value!r}: write yes, no, or leave it unset")
    return value


def lacking(environment: Mapping[str, str]) -> str:
    """What this machine lacks to make machine code, or an empty text."""
    compiler = environment.get("CC") or sysconfig.get_config_var("CC") or "cc"
    try:
        subprocess.run([*compiler.split(), "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"no C compiler ({compiler})"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "no headers of Python (Debian: python3-dev)"
    return ""


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles the files that `include` lists, and puts the libraries beside their sources."""

    PLUGIN_NAME = "custom"
    _built: Path | None = None
    """The folder of the libraries, until they are in the wheel."""

    def _wanted(self) -> bool:
        if self.target_name != "wheel":
            return False
        chosen = choice(os.environ)
        return chosen == "yes" or (chosen == "" and not lacking(os.environ))

    def dependencies(self) -> list[str]:
        """What compiling needs: mypy reads the annotations of all that guard imports."""
        if not self._wanted():
            return []
        return [*self.config["dependencies-to-compile"], *self.build_config.builder.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, unless this is an sdist or an editable install."""
        if self.target_name != "wheel" or version == "editable":
            return
        missing = lacking(os.environ)
        if missing and choice(os.environ) == "yes":
            raise RuntimeError(f"guard's data plane cannot be compiled: {missing}")
        if not self._wanted():
            self.app.display_warning(f"{f'{missing}: ' if missing else ''}{INTERPRETED}")
            return
        self._built = built = Path(mkdtemp(prefix="guard-compiled-"))
        command = [sys.executable, str(Path(__file__).with_name("machine_code.py")), str(built), *self._sources()]
        if subprocess.run(command, cwd=self.root, check=False).returncode:
            if choice(os.environ) == "yes":
                raise RuntimeError("guard's data plane could not be compiled: the lines above say why")
            self.app.display_warning(f"compiling failed, the lines above say why: {INTERPRETED}")
            return
        build_data["infer_tag"] = True
        build_data["pure_python"] = False
        for library in built.rglob("*"):
            if library.is_file():
                build_data["force_include"][str(library)] = library.relative_to(built).as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes the libraries that the wheel holds now."""
        del version, build_data, artifact_path
        if self._built is not None:
            shutil.rmtree(self._built, ignore_errors=True)

    def _sources(self) -> list[str]:
        listed = pathspec.GitIgnoreSpec.from_lines(self.config["include"])
        names = (file.relative_path for file in self.build_config.builder.recurse_included_files())
        return sorted(name for name in names if name.endswith(".py") and listed.match_file(name))
