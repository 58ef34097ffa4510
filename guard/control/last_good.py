"""The last good policy, in the state folder: for a restart that meets a bad one."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from guard.control.state import StateFolder
from guard.policy.loading import Loaded
from guard.policy.loading.read import Reader

NAME: Final = "policy.json"


def keep(state: StateFolder, path: Path, loaded: Loaded) -> None:
    """Save every file of a policy that is in force. Raises OSError."""
    files = {str(file.absolute()): base64.b64encode(content).decode() for file, content in loaded.contents.items()}
    document = {"policy": str(path.absolute()), "digest": loaded.digest, "files": files}
    state.save(NAME, json.dumps(document).encode())


def read(state: StateFolder, path: Path) -> Reader | None:
    """A Reader of the files of the last good policy that was read from `path`; None where there is none."""
    try:
        document: Any = json.loads(state.read(NAME) or b"null")
        if not isinstance(document, dict) or document["policy"] != str(path.absolute()):
            return None
        files: Mapping[str, bytes] = {name: base64.b64decode(text) for name, text in document["files"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None

    def read(file: Path) -> bytes:
        try:
            return files[str(file.absolute())]
        except KeyError:
            raise FileNotFoundError(2, "not saved with the last good policy") from None

    return read
