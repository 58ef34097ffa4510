"""Looks at a route's sampled requests where they are judged, and counts what they hold as cells.

    draw      before the request is judged: whether it is looked at
    inputs    in the contract, with the values as they were sent
    counted   once all judges allowed it: a key for its answer, or 0
    outputs   when the model's own answer was judged

The monitor is made at the first request that is drawn, so a route without traffic has none. This is on the path of a
request: beyond `rate` requests a second, a request pays for `draw` alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from guard.monitoring.monitor import MonitorConfig, RouteMonitor
from guard.monitoring.sampling import Sampler


class RouteWatch:
    """One route. `begin` makes its monitor, or returns None where guard watches no more routes."""

    def __init__(
        self,
        config: MonitorConfig,
        begin: Callable[[], RouteMonitor | None],
        inputs: int,
        outputs: tuple[int, ...],
        rate: int,
    ) -> None:
        """`inputs`: the number of watched input fields; `outputs`: the places of those watched among all reported ones.

        `rate`: the most requests looked at in a second.
        """
        self.config: Final = config
        self.looking = False
        self.monitor: RouteMonitor | None = None
        self.sampler: Final = Sampler(rate)
        self._begin: Final = begin
        self._inputs: Final = inputs
        self._outputs: Final = outputs
        self._left_out = False
        self._key = 0

    def draw(self, request_id: str, now: float) -> None:
        """Decide whether to look at a request. `now`: monotonic seconds."""
        self.looking = False
        self._key = 0
        if self._left_out or not self.sampler.draw(hash(request_id), now):
            return
        if self.monitor is None:
            self.monitor = self._begin()
            if self.monitor is None:
                self._left_out = True
                return
        self.looking = True

    def inputs(self, columns: Sequence[Sequence[Any]], rows: int, key: int) -> None:
        """Count a request's inputs: for each watched field, one value for each row. `key`: a hash of them all."""
        self.looking = False
        if self.monitor is None or not rows:
            return
        self._key = key or 1
        tally = self.monitor.tally
        tally.begin(self._key, rows)
        for place, column in enumerate(columns):
            tally.fields[place].add(column)

    def counted(self, body: bytes) -> int:
        """The key of the request for its answer, 0 if it is not looked at. A request without watched inputs counts too."""
        if self.looking and self.monitor is not None:
            self.looking = False
            self._key = hash(body) or 1
            self.monitor.tally.begin(self._key, 1)
        return self._key

    def outputs(self, key: int, values: Sequence[Sequence[Any]]) -> None:
        """Count the model's answer to a request that was looked at: for each output, one value for each row."""
        if self.monitor is None:
            return
        tally = self.monitor.tally
        tally.answer(key)
        position = self._inputs
        for place in self._outputs:
            tally.fields[position].add(values[place])
            position += 1
