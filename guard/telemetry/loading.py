"""What must happen before the exporters are imported. Importing this imports nothing of them."""

import importlib
import sys
import warnings


def load_client() -> None:
    """Import the exporters' HTTP client without what it guesses an answer's charset by, 3 MiB: nobody reads the answers."""
    if "requests" in sys.modules:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it cannot guess
        sys.modules["charset_normalizer"] = None  # type: ignore[assignment]
        try:
            importlib.import_module("requests")
        finally:
            del sys.modules["charset_normalizer"]
