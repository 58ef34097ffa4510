"""Progress of a command that takes long: a bar on a terminal, plain lines elsewhere. Always on standard error."""

import time
from typing import Final, TextIO

WIDTH: Final = 28
EVERY: Final = {True: 0.1, False: 5.0}
"""Seconds between two signs of life, on a terminal and elsewhere."""


class Progress:
    """Writes to a stream; nothing where it is None. `command` names the command."""

    def __init__(self, stream: TextIO | None, command: str = "rehearse") -> None:
        self._stream, self._command = stream, command
        self._terminal = stream is not None and stream.isatty()
        self._title, self._shown_at, self._open = "", 0.0, False

    def begin(self, title: str) -> None:
        """A part begins."""
        self.clear()
        self._title, self._shown_at = title, time.monotonic()
        if self._stream is not None and not self._terminal:
            self._stream.write(f"{self._command}: {title}\n")
            self._stream.flush()

    def at(self, share: float, label: str = "") -> None:
        """So much of the part is done; `label` is going on."""
        if self._stream is None or time.monotonic() - self._shown_at < EVERY[self._terminal]:
            return
        self._shown_at = time.monotonic()
        share = min(max(share, 0.0), 1.0)
        if self._terminal:
            bar = "█" * round(share * WIDTH) + "░" * (WIDTH - round(share * WIDTH))
            self._stream.write(f"\r\x1b[K{self._title:22} {bar} {share:4.0%} {label}")
            self._open = True
        else:
            self._stream.write(f"{self._command}: {self._title}: {share:.0%} {label}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Nothing of it is left on the line."""
        if self._open and self._stream is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._open = False
