"""Placeholder."""

from collections.abc import Mapping
from typing import Any


def html(document: Mapping[str, Any]) -> str:
    """Placeholder."""
    return str(document)
