"""amtool, Alertmanager's own judge of configurations."""

import subprocess
from pathlib import Path

from tests.servers import install
from tests.servers.process import WITHIN, found


class Refused(AssertionError):
    """amtool found a fault; the message is what it said."""


def check_config(path: Path) -> str:
    """A configuration can be loaded."""
    return _run("check-config", str(path))


def receivers(path: Path, **labels: str) -> list[str]:
    """Where an alert with these labels goes."""
    said = _run("config", "routes", "test", f"--config.file={path}", *(f"{key}={value}" for key, value in labels.items()))
    return said.strip().split(",")


def _run(*arguments: str) -> str:
    program = found(install.amtool)
    run = subprocess.run(
        [program.path, *arguments], capture_output=True, text=True, env=dict(program.environ), check=False, timeout=WITHIN
    )
    if run.returncode:
        raise Refused(f"amtool {' '.join(arguments)}, code {run.returncode}:\n{run.stdout}{run.stderr}")
    return run.stdout
