"""Completion is what a shell does with the script, so a real shell is asked where there is one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from guard.cli.completion import INSTALL, SHELLS

WITHIN = 60


def guard(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "guard", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environ}, timeout=WITHIN)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_says_where_it_belongs(shell):
    done = guard("completion", shell)
    assert done.returncode == 0, done.stderr
    assert f"# {INSTALL[shell]}\n" in done.stdout
    assert done.stdout.startswith("#compdef guard\n") == (shell == "zsh"), "zsh reads the first line of the file"


def test_an_unknown_shell_is_an_error_that_names_the_known_ones():
    done = guard("completion", "tcsh")
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path on which `guard` is this one."""
    script = tmp_path / "guard"
    script.write_text(f"#!{sys.executable}\nfrom guard.cli import main\nmain()\n")
    script.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"), [("guard rest", "restore"), ("guard kill --rea", "--reason"), ("guard completion fi", "fish")]
)
def test_bash_completes_commands_options_and_values(path, tmp_path, typed, offered):
    (tmp_path / "script").write_text(guard("completion", "bash").stdout)
    words = typed.split()
    asked = f"source {tmp_path}/script; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _guard_completion guard; echo ${{COMPREPLY[@]}}"
    environ = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, env=environ, timeout=WITHIN)
    assert done.stdout.split() == [offered], done.stderr
