"""`guard demo --release` keeps its promises: the bad version is aborted by itself, and no client gets a bad answer."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_of_a_release(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "guard", "demo", "--release"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "aborted by itself after" in done.stdout
    assert "0 bad answers. Everything as promised." in done.stdout
