"""Orders against the real process: how soon they are in force, what survives, and that none is lost."""

import pytest

pytest.register_assert_rewrite("tests.orders.promises", "tests.orders.interleaved")
