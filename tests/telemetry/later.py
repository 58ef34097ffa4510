"""A loop's call_later, by hand."""

from collections.abc import Callable


class Timer:
    """Of a loop."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Later:
    """The loop's call_later, by hand."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, Callable[[], None]]] = []
        self.timers: list[Timer] = []

    def __call__(self, delay: float, work: Callable[[], None]) -> Timer:
        self.asked.append((delay, work))
        self.timers.append(Timer())
        return self.timers[-1]
