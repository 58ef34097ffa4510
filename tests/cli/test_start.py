"""What a start leaves for later, and to whom."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SPIED = """
import sys, threading
class Finder:
    def find_spec(self, name, *_):
        if name == {module!r}:
            print("SEEN", threading.current_thread() is threading.main_thread(), file=sys.stderr)
sys.meta_path.insert(0, Finder())
from guard.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["starlette", "uvicorn", "uvicorn.protocols.http.httptools_impl", "opentelemetry.sdk"])
def test_the_loop_answers_clients_while_the_admin_api_and_the_sdk_are_imported(tmp_path: Path, module: str) -> None:
    listen = [word for name in ("listen", "ops", "admin") for word in (f"--{name}", "127.0.0.1:0")]
    command = [sys.executable, "-c", SPIED.format(module=module), "serve", "--upstream", "http://127.0.0.1:1"]
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with subprocess.Popen(
        [*command, "--state-dir", str(tmp_path), *listen], stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stderr is not None
        seen = next((line for line in process.stderr if line.startswith("SEEN")), "never")
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert seen == "SEEN False\n"
