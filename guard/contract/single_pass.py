"""Checks that a text holds nothing but the document that was read from it, so that validating it has proven everything.

A document that is read and validated in one pass shows no name that came twice, and nothing that the contract does not
declare. But each name of a text is followed by a colon, and other colons stand in strings only. If there are as many as the
document has names, no name came twice and none was left out; and if each field is one value, every number is finite, and
the document is as deep as its contract. Such a text is never read into a tree, which saves a tenth of an exchange's
instructions, and a quarter with twenty rows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from pydantic_core import ValidationError

from guard.contract.breaches import Breaches
from guard.contract.elements import Budget
from guard.contract.fields import FieldType
from guard.contract.strict import limit, parse, proven
from guard.contract.validators import Schema, validator

NESTED: Final[frozenset[FieldType]] = frozenset(("array", "object"))
"""Types whose values have members of their own."""
MOST: Final = 1 << 18
"""Most fields times bytes of a text that is read in one pass, which looks for each field among all names of a row."""
Row: TypeAlias = Literal["members", "positions", "value"]
"""The form of a row: an object of members, a list of positions, or a single value."""
NONE: Final[Mapping[str, bool]] = {}


class Reader:
    """Reads texts and validates them against `schema`. Raises ContractInvalid.

    `single_pass` None: a text can hold more than its document shows. `breaches` collects the breaches of an invalid
    document; `budget` bounds the elements of a text. `text` is the schema for one pass, None: every text is read into a
    tree. It has no required members, because the error of each absent one would copy the row. `fields`: their number.
    """

    def __init__(
        self, schema: Schema, single_pass: "SinglePassCheck | None", text: Schema | None, fields: int, budget: Budget
    ) -> None:
        self.breaches = Breaches(schema)
        compiled = validator(schema)
        self.of_tree: Callable[[Any], Any] = compiled.validate_python
        self._of_text: Callable[[bytes], Any] | None = None
        if text is not None and single_pass is not None:
            self._of_text = (compiled if text is schema else validator(text)).validate_json
        self._single_pass = single_pass
        self._budget, self._elements, self._free = budget, budget.elements, budget.free
        self._most = MOST // max(1, fields)
        self._at_once = True

    def read(self, body: bytes) -> tuple[Any, Any, bool]:
        """The document as the schema makes it, the tree of the text, and whether the document is valid. Raises Unreadable.

        If the document is invalid, pydantic's error stands in its place.

        Clients and model servers send the same members each time. If the last text held more than its document, or broke
        the contract, this one probably does too, and is read into a tree at once.
        """
        if len(body) > self._elements:
            limit(body, self._elements)
        single_pass = self._single_pass
        if self._at_once and self._of_text is not None and single_pass is not None and len(body) <= self._most:
            try:
                document = self._of_text(body)
                if single_pass.holds(document, body):
                    if len(body) > self._free:
                        self._budget.spread(document)
                    return document, document, True
            except ValidationError:
                pass
        tree = parse(body)
        self._budget.spread(tree)
        self._at_once = False
        try:
            document = self.of_tree(tree)
        except ValidationError as error:
            return error, proven(tree, body), False
        self._at_once = single_pass is not None and single_pass.holds(document, body)
        return document, tree if self._at_once else proven(tree, body), True


class SinglePassCheck:
    """Compares the colons of a text with its document's names. `steps` lead to the rows; None: the document is the row.

    `members` are the names that a row may have, and whether each is required. `closed`: the schema refuses or drops others;
    otherwise a row with another name fails the check.
    """

    def __init__(
        self,
        steps: Sequence[str] | None,
        row: Row,
        members: Mapping[str, bool] = NONE,
        *,
        closed: bool = True,
    ) -> None:
        self._steps, self._row = steps, row
        self._covers = None if closed else frozenset(members).issuperset
        self._required = frozenset(name for name, required in members.items() if required)
        self._width = len(members) if all(members.values()) else -1

    def holds(self, document: Any, body: bytes) -> bool:
        """Whether the text holds nothing else. The document is valid but for absent members, without defaults."""
        rows: Any = (document,)
        if self._steps is None:
            names = held = len(document)
        else:
            rows, names = document, len(self._steps)
            for step in self._steps:
                rows = rows[step]
            held = sum(map(len, rows)) if self._row == "members" else 0
            names += held
        colons = body.count(b":")
        if colons != names and (b"\\u003" in body or colons - self._count_colons(rows) != names):
            return False
        if self._covers is not None and not all(map(self._covers, rows)):
            return False
        if self._row != "members" or held == self._width * len(rows):
            return True
        return all(row.keys() >= self._required for row in rows)

    def _count_colons(self, rows: Any) -> int:
        """The number of colons in the strings of rows; the same as in the text if none is escaped."""
        if self._row == "value":
            rows = (rows,)
        colons = 0
        for row in rows:
            for value in row.values() if self._row == "members" else row:
                if type(value) is str:
                    colons += value.count(":")
        return colons
