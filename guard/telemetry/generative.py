"""The sink of generative answers: tokens, time to the first and between them, under the names of OpenTelemetry's gen_ai.

Source: semantic-conventions v1.41 (model/gen-ai/metrics.yaml). The names are in development, so a policy asks for them
(`telemetry.gen_ai`). The model of a request is what a client says, and is left out; that of the answer is the server's.

A piece of a stream is taken for a token, where the answer itself does not say how many there were.
"""

from collections.abc import Iterator

from guard.proxy.values import Attempt, Record, Route, Usage
from guard.telemetry import instruments as of
from guard.telemetry.accumulators import Histogram, Series
from guard.telemetry.cardinality import CardinalityLimiter


class Generative:
    """A Sink."""

    def __init__(self) -> None:
        self.on = False
        self._tokens = Series(of.TOKEN_USAGE, Histogram)
        self._duration = Series(of.GENERATION_DURATION, Histogram)
        self._first = Series(of.FIRST_TOKEN, Histogram)
        self._each = Series(of.EACH_TOKEN, Histogram)
        self._model = CardinalityLimiter()

    def take(self, records: Iterator[Record]) -> None:
        """Count exchanges that a generative model answered."""
        if self.on:
            for record in records:
                for attempt in record.attempts:
                    if attempt.usage is not None and record.matched is not None:
                        self._answered(attempt, attempt.usage, record.matched, record.ended_at)

    def _answered(self, attempt: Attempt, usage: Usage, matched: Route, ended_at: float) -> None:
        labels = (usage.operation, matched.dialect.name, self._model(attempt.version))
        ended = attempt.ended_at or ended_at
        error = attempt.failed or ("error_event" if usage.finish == "error" else "")
        self._duration.bind((*labels, error)).record(ended - attempt.begun_at)
        if usage.input_tokens:
            self._tokens.bind((*labels, "input")).record(usage.input_tokens)
        if usage.output_tokens:
            self._tokens.bind((*labels, "output")).record(usage.output_tokens)
        if usage.first_at:
            self._first.bind(labels).record(usage.first_at - attempt.begun_at)
            later = max(usage.output_tokens, usage.pieces) - 1
            if later > 0:
                self._each.bind(labels).record((usage.last_at - usage.first_at) / later)

    def series(self) -> Iterator[Series[Histogram]]:
        """Everything that was counted."""
        yield from (self._tokens, self._duration, self._first, self._each)
