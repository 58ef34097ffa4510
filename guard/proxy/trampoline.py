"""Resumes a pipeline with events, one at a time.

Events may arrive while a command is performed (`pause_writing` fires inside `write`), and a generator cannot be re-entered:
they wait in an inbox.
"""

from guard.proxy.pipeline import Pipeline
from guard.proxy.values import (
    CUT,
    Answer,
    Body,
    Call,
    Command,
    Ending,
    Failed,
    Refused,
    Relay,
    Relayed,
    Reply,
)


class Trampoline:
    """The part of an exchange that drives its pipeline; its subclasses perform the commands."""

    __slots__ = ("_inbox", "_pipeline", "_running", "_waiting")

    _pipeline: Pipeline | None
    _inbox: list[tuple[bytes | Answer | Relayed | None, Exception | None]] | None
    _running: bool
    _waiting: Command | None  # the command that is outstanding

    def _read_body(self, command: Body) -> tuple[bytes | None, Refused | None]:
        raise NotImplementedError

    def _begin_call(self, call: Call) -> Failed | Refused | None:
        raise NotImplementedError

    def _begin_relay(self, relay: Relay) -> None:
        raise NotImplementedError

    def _finish(self, result: Reply | Ending) -> None:
        raise NotImplementedError

    def _advance(self, value: bytes | Answer | Relayed | None, error: Exception | None) -> None:
        pipeline = self._pipeline
        if self._running or pipeline is None:
            self._inbox = [*(self._inbox or ()), (value, error)]
            return
        self._running = True
        try:
            while True:
                command = pipeline.send(value) if error is None else pipeline.throw(error)  # type: ignore[arg-type]
                if type(command) is Reply or type(command) is Ending:
                    break
                value = error = None
                try:
                    if type(command) is Body:
                        value, error = self._read_body(command)
                    elif type(command) is Call:
                        error = self._begin_call(command)
                    else:
                        self._begin_relay(command)  # type: ignore[arg-type]
                except Exception as bug:  # noqa: BLE001 — the pipeline makes it a 500 with a Record
                    self._waiting, error = None, bug
                if value is None and error is None:
                    if not self._inbox:
                        self._running = False
                        return
                    value, error = self._inbox.pop(0)
        except BaseException:
            self._finish(CUT)  # a bug in the rescue itself: free everything and cut the client
            raise
        self._pipeline = None  # breaks a reference cycle
        self._finish(command)

    def _answer(self, value: bytes | Answer | Relayed | None, error: Exception | None = None) -> None:
        self._waiting = None
        self._advance(value, error)
