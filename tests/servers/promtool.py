"""promtool, Prometheus's own judge of expositions and rules."""

import subprocess
from pathlib import Path

from tests.servers import install
from tests.servers.process import WITHIN, found

PLAY = 180.0
"""Seconds for a file of rule tests, which may play days."""


class Refused(AssertionError):
    """promtool found a fault; the message is what it said. Code 3 is a fault of style, such as a metric without help."""


def check_metrics(text: bytes) -> str:
    """An exposition in the text format 0.0.4 (not OpenMetrics) is well formed and named by the rules."""
    return _run("check", "metrics", given=text)


def check_rules(path: Path) -> str:
    """A rule file can be loaded."""
    return _run("check", "rules", str(path))


def test_rules(path: Path) -> str:
    """A file of rule tests passes."""
    return _run("test", "rules", str(path), within=PLAY)


test_rules.__test__ = False  # type: ignore[attr-defined]  # the name is promtool's, a test it is not


def _run(*arguments: str, given: bytes = b"", within: float = WITHIN) -> str:
    program = found(install.promtool)
    run = subprocess.run(
        [program.path, *arguments], input=given, capture_output=True, env=dict(program.environ), check=False, timeout=within
    )
    text = (run.stdout + run.stderr).decode(errors="replace")
    if run.returncode:
        raise Refused(f"promtool {' '.join(arguments)}, code {run.returncode}:\n{text}")
    return text
