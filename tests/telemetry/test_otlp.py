"""The exporters of a process: what is loaded for them."""

import os
import signal
import subprocess
import sys
from pathlib import Path


def test_the_client_is_loaded_without_the_tables_of_charsets_and_says_nothing_of_it() -> None:
    program = "import sys; from guard.telemetry.otlp import load_client; load_client(); import requests"
    program += "; print(requests.compat.chardet, sys.modules.get('charset_normalizer', 'none'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("None none\n", "")


SPIED = """
import sys, threading
class Finder:
    def find_spec(self, name, *_):
        if name.startswith("opentelemetry.sdk"):
            print("SDK", threading.current_thread() is threading.main_thread(), file=sys.stderr)
            sys.meta_path.remove(self)
sys.meta_path.insert(0, Finder())
from guard.cli import main
sys.exit(main())
"""


def test_the_loop_goes_on_while_the_sdk_is_imported(tmp_path: Path) -> None:
    listen = [word for name in ("listen", "ops", "admin") for word in (f"--{name}", "127.0.0.1:0")]
    command = [
        sys.executable,
        "-c",
        SPIED,
        "serve",
        "--upstream",
        "http://127.0.0.1:1",
        "--state-dir",
        str(tmp_path),
        *listen,
    ]
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stderr is not None
        seen = next((line for line in process.stderr if line.startswith("SDK")), "never")
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert seen == "SDK False\n"
