"""Launching the demo model: from nothing to a green checklist, and each item broken in turn."""
