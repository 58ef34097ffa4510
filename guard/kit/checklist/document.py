"""Sections → what `guard checklist --json` prints, and what is kept as evidence (docs/checklist.schema.json)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from guard.kit.checklist.values import Section


def document(sections: Sequence[Section]) -> dict[str, Any]:
    """Plain values."""
    return {
        "sections": [
            {"id": one.id, "title": one.title, "status": one.status, "items": [asdict(item) for item in one.items]}
            for one in sections
        ]
    }
