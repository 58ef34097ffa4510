"""Sections → what `guard checklist --json` prints, and what is kept as evidence (docs/checklist.schema.json)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from guard.kit.checklist.values import Section


def document(sections: Sequence[Section]) -> dict[str, Any]:
    """Plain values."""
    return {
        "sections": [
            {
                "id": section.id,
                "title": section.title,
                "status": section.status,
                "items": [asdict(item) for item in section.items],
            }
            for section in sections
        ]
    }
