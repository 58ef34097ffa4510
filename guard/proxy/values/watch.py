"""Monitoring as the data plane sees it."""

from collections.abc import Sequence
from typing import Any, Protocol


class Watch(Protocol):
    """Counts what sampled requests of a route and their answers hold, as cells. Values are counted and not kept."""

    looking: bool
    """Whether the request that is judged now is looked at."""

    def draw(self, request_id: str, now: float) -> None:
        """Decide whether to look at a request. `now`: monotonic seconds."""

    def inputs(self, columns: Sequence[Sequence[Any]], rows: int, key: int) -> None:
        """Count a request's inputs: for each watched field, one value for each row. `key`: a hash of them all."""

    def counted(self, body: bytes) -> int:
        """The key of a request that is looked at, 0 for any other. Called once all judges allowed it."""

    def outputs(self, key: int, values: Sequence[Sequence[Any]]) -> None:
        """Count the model's answer to the request with this key: for each reported output, one value for each row."""
