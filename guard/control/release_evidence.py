"""`release-evidence.json`: what the candidate's answers have proven, by its digest."""

import json
from typing import Any, Final

from guard.candidate.arms import Arms
from guard.candidate.release_state import Damaged
from guard.control.state import StateFolder

NAME: Final = "release-evidence.json"
FORMAT: Final = "guard/release-evidence/v1"


def encode(digest: str, arms: list[Arms], shadow: dict[str, Any] | None = None) -> bytes:
    """The file. `shadow`: pairs of answers, and the money that they cost."""
    arms_of = [step.document() for step in arms]
    return json.dumps({"format": FORMAT, "digest": digest, "arms": arms_of, "shadow": shadow}).encode()


def read(folder: StateFolder, digest: str) -> list[Arms]:
    """The evidence about a candidate; none where the file is another's. Raises OSError and Damaged."""
    raw = folder.read(NAME)
    if raw is None:
        return []
    try:
        document = json.loads(raw)
        if document["format"] != FORMAT or document["digest"] != digest:
            return []
        return [Arms.read(item) for item in document["arms"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(type(error).__name__) from None


def read_shadow(folder: StateFolder) -> dict[str, Any]:
    """The pairs and the money of a shadow, whomever they are about. Raises OSError and Damaged."""
    raw = folder.read(NAME)
    if raw is None:
        return {}
    try:
        document = json.loads(raw).get("shadow") or {}
        if type(document.get("day", 0)) is not int or type(document.get("spent", 0)) is not int:
            raise ValueError("not an amount")
        return dict(document)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(type(error).__name__) from None
