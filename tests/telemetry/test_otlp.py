"""The exporters of a process: what is loaded for them."""

import subprocess
import sys


def test_the_client_is_loaded_without_the_tables_of_charsets_and_says_nothing_of_it() -> None:
    program = (
        "import sys; from guard.telemetry.loading import load_client; load_client(); import guard.telemetry.otlp, requests"
    )
    program += "; print(requests.compat.chardet, sys.modules.get('charset_normalizer', 'none'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("None none\n", "")
