"""Budgets as operators read them."""

from typing import Any

import pytest

from guard.cli.operate import budget_line

BUDGET: dict[str, Any] = {
    "route": None, "currency": "EUR", "limit": 20.0, "spent": 5.0, "held": 0.0, "share": 0.25, "on_spent": "next",
    "strict": True, "durable": True, "closed": False, "ends": "2026-12-02T00:00:00+00:00",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "the service: 5 of 20 EUR spent (25.0%), then the next rung, strict"),
        ({"route": "POST /p", "on_spent": "deny", "strict": False}, "POST /p: 5 of 20 EUR spent (25.0%), then 429"),
        ({"on_spent": "alert", "strict": False}, "the service: 5 of 20 EUR spent (25.0%), only alerts"),
        ({"held": 0.5}, "the service: 5 of 20 EUR spent (25.0%), 0.5 held, then the next rung, strict"),
        (
            {"closed": True, "durable": False},
            "the service: 5 of 20 EUR spent (25.0%), then the next rung, strict   SPENT until 2026-12-02T00:00:00+00:00"
            "   NOT DURABLE",
        ),
    ],
)
def test_a_budget_is_one_line(changes: dict[str, Any], line: str) -> None:
    assert budget_line({**BUDGET, **changes}) == line
