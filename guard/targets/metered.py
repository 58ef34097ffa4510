"""A streamed answer that reserves as it goes, and ends like one that has reached its length once nothing more is left."""

from typing import Protocol

from guard.proxy.values import ParsedAnswer, StreamParser


class Reserves(Protocol):
    """A reservation, as a stream uses it."""

    by_output: bool  # output tokens are paid for

    def extend(self, tokens: int) -> bool:
        """Reserve for a stream of that many tokens. False: it is over."""


class Metered:
    """A StreamParser around the dialect's own."""

    def __init__(self, parser: StreamParser, reservation: Reserves) -> None:
        self.parser = parser
        self.tokens = 0  # streamed so far: each event that carries output counts as one at least
        self._reservation = reservation
        self._counts = reservation.by_output
        self._mirror()

    def _mirror(self) -> None:
        """Copy what the dialect's parser has found out; see StreamParser."""
        parser = self.parser
        self.begun, self.error, self.refused, self.unfinished = (
            parser.begun,
            parser.error,
            parser.refused,
            parser.unfinished,
        )

    @property
    def between(self) -> bool:
        """See Inspector."""
        return self.parser.between

    @property
    def parsed(self) -> ParsedAnswer:
        """See StreamParser."""
        return self.parser.parsed

    def feed(self, chunk: bytes, now: float) -> bytes:
        """See Inspector. Reserves for the tokens that came."""
        passed = self.parser.feed(chunk, now)
        self._mirror()
        if self._counts:
            usage = self.parser.parsed.usage
            if usage is not None:
                self.tokens = max(self.tokens, usage.output_tokens, usage.pieces)
                self._reservation.extend(self.tokens)
        return passed

    def end(self) -> bytes:
        """See Inspector."""
        rest = self.parser.end()
        self._mirror()
        return rest

    def end_at_length(self) -> bytes:
        """See StreamParser."""
        return self.parser.end_at_length()

    def stop(self, code: str) -> bytes:
        """See Inspector. A stream whose budget is spent ends as one that has reached its length."""
        closing = self.parser.end_at_length() if code == "budget" else self.parser.stop(code)
        self._mirror()
        return closing
