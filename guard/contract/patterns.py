r"""The cost of a regular expression, known before any text is matched.

Every pattern runs on Rust's `regex` (pydantic and jsonschema-rs use it), whose time is linear in the text: about 1 ns for
each character while its automaton is small, else up to 20 ns for each character and place of the pattern. `steps` counts
the places that a pattern may be in at once, so that `\b(\p{L}+\W+){0,50}zzz`, which took 2.4 s for 1 MiB, is bounded when
the policy is read. Python's `re` matches no pattern of a policy.
"""

import re
from typing import Final

SMALL: Final = 12
"""Number of places up to which a pattern's automaton always stays small: at most 4,096 states."""
MOST_STEPS: Final = 1 << 20
"""Largest cost of one text, as places times characters: 20 ms."""

_COUNT: Final = re.compile(r"\{(\d*)(,?)(\d*)\}")
_ESCAPE: Final = re.compile(r"\\(?:[pPxuU]\{[^}]*\}|[pP].|x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ANCHORS: Final = frozenset((r"\b", r"\B", r"\A", r"\z"))


class _Reader:
    """Counts the places of a pattern that the engine has accepted."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._open = False  # an unbounded repeat stands before
        self._anchored = pattern.startswith(("^", r"\A"))
        self._varies = False  # the last group has no fixed length
        self.loose = False
        """Whether a repeat that counts may begin at several places of a text at once."""

    def places(self) -> int:
        """The number of places, with each counted repeat written out."""
        total = 0
        while self._at < len(self._pattern) and self._pattern[self._at] != ")":
            variable = self._open
            size, group = self._atom()
            times, open_ = self._repeat()
            if times > 1 and (variable or not self._anchored or (group and self._varies)):
                self.loose = True
            self._open = self._open or open_
            total += size * max(times, 1)
        return total

    def _atom(self) -> tuple[int, bool]:
        pattern, at = self._pattern, self._at
        first = pattern[at]
        self._varies = False
        if first == "(":
            head = re.compile(r"\((?:\?(?:P?<[^>]*>|[a-zA-Z-]*[:)]))?").match(pattern, at)
            self._at = head.end() if head is not None else at + 1
            if pattern[self._at - 1] == ")":  # flags alone
                return 0, False
            begin = self._at
            size = self.places()
            self._varies = re.search(r"[*+?|]|\{\d*,", pattern[begin : self._at]) is not None
            self._at += 1
            return size, True
        if first == "\\":
            escape = _ESCAPE.match(pattern, at)
            self._at = escape.end() if escape is not None else at + 2
            return int(pattern[at : self._at] not in _ANCHORS), False
        if first == "[":
            self._skip_class()
            return 1, False
        self._at += 1
        return int(first not in "^$|"), False

    def _skip_class(self) -> None:
        depth = 0
        while self._at < len(self._pattern):
            here = self._pattern[self._at]
            self._at += 2 if here == "\\" else 1
            depth += (here == "[") - (here == "]" and self._pattern[self._at - 2] not in "[^")
            if depth == 0:
                return

    def _repeat(self) -> tuple[int, bool]:
        """The repeat that follows: the largest count that is written, and whether the repeat is unbounded."""
        times, open_ = 1, False
        while self._at < len(self._pattern):
            here = self._pattern[self._at]
            if here in "*+?":
                self._at += 1
                open_ = open_ or here != "?"
            elif here == "{" and (count := _COUNT.match(self._pattern, self._at)) is not None:
                self._at = count.end()
                times *= int(count[3] or count[1] or 1)
                open_ = open_ or (count[2] == "," and not count[3])
            else:
                break
        return times, open_


def steps(pattern: str) -> int:
    """Places that may be tried for each character of a text; 0 if the automaton stays small.

    The automaton stays small if the pattern has few places, or if the pattern begins at the text's start and its counted
    repeats are of single characters, with no unbounded repeat before them.
    """
    reader = _Reader(pattern)
    places = reader.places()
    return places if places > SMALL and reader.loose else 0
