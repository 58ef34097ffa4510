"""Estimates of a call's tokens, learnt from the calls before it. No tokenizer is loaded."""

from typing import Final

FIRST: Final = 200
"""Answers that must have been seen before their sizes count."""
UNKNOWN: Final = 1024
"""Output tokens of an answer before anything is known of it."""
BYTES_PER_TOKEN: Final = 3.5
WEIGHT: Final = 0.05
"""Weight of the newest call in the mean of real ÷ estimated input tokens."""
QUANTILE: Final = 0.99
TEMPLATE: Final = 256
"""Most tokens that a chat template adds to a request."""
FULL: Final = 1 << 20
"""Answers after which all counts are halved, so that old ones fade."""


def _edges() -> tuple[int, ...]:
    """Upper edges of the classes: powers of the square root of two, from 1 to 2^30."""
    return tuple(dict.fromkeys(round(2 ** (step / 2)) for step in range(61)))


EDGES: Final = _edges()


class Estimates:
    """Sizes of one route's answers from one target."""

    def __init__(self) -> None:
        self.counts = [0] * (len(EDGES) + 1)
        self.seen = 0
        self.ratio = 1.0  # of real to estimated input tokens

    def input_tokens(self, size: int) -> int:
        """Tokens of a body of that many bytes."""
        return int(size / BYTES_PER_TOKEN * self.ratio) + 1

    def output_tokens(self, limit: int) -> int:
        """Tokens that 99 % of answers do not exceed, at most `limit`; 0: the request has no limit."""
        if self.seen < FIRST:
            return limit or UNKNOWN
        below, wanted = 0, QUANTILE * self.seen
        for index, count in enumerate(self.counts):
            below += count
            if below >= wanted:
                most = EDGES[min(index, len(EDGES) - 1)]
                return min(limit, most) if limit else most
        return limit or UNKNOWN

    def learn(self, size: int, input_tokens: int, output_tokens: int) -> None:
        """Learn from a call with a body of `size` bytes, whose tokens the model server counted."""
        low, high = 0, len(EDGES)
        while low < high:
            middle = (low + high) // 2
            if EDGES[middle] < output_tokens:
                low = middle + 1
            else:
                high = middle
        self.counts[low] += 1
        self.seen += 1
        if self.seen >= FULL:
            self.counts = [count // 2 for count in self.counts]
            self.seen = sum(self.counts)
        if input_tokens and size:
            self.ratio += WEIGHT * (input_tokens * BYTES_PER_TOKEN / size - self.ratio)
