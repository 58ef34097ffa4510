"""Whether a text holds nothing but the document that was read from it: then its contract has proven all there is to prove.

A document that is read and validated in one pass shows no name that came twice and nothing that the contract does not
declare. But each name of a text is followed by a colon, and other colons stand in strings only. Where there are as many as
the document has names, none came twice and none was left out; and where each field is one value, all is finite, and as deep
as the contract. Such a text is never read into a tree, which with the search for names that came twice was a tenth of an
exchange's instructions, and a quarter where it had twenty rows.
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
"""Fields times bytes up to which a text is read in one pass, which looks for each field among all names of a row."""
Row: TypeAlias = Literal["members", "positions", "value"]
"""What a row is."""
NONE: Final[Mapping[str, bool]] = {}


class Reader:
    """Reads texts and holds them against `schema`. `whole` None: a text can say what its document does not show.

    `breaches` has what is wrong with a document that does not keep the schema; `budget` bounds what is read at all. Raises
    ContractInvalid.

    `text`: the schema for one pass, None where a tree is wanted each time. It has no required members: of each that is
    missing an error would hold a copy of the row, made whether anybody asks for it or not. `fields`: how many there are.
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
        """The document as the schema makes it, the tree that the text says, and whether it keeps the schema.

        In place of a document that does not keep it stands pydantic's error. Raises Unreadable.

        Clients and model servers say the same members each time, so where the last text said more than its document, or
        broke the contract, one pass over this one is likely to be one too many.
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
    """`steps` lead to the list of rows; None: the document is the one row.

    Of rows that are members: `required` ones; `width`, how many there are where all are required, else -1; `closed`, the
    only ones that a row may have, where the schema lets others through.
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
        """Of a document that keeps its contract, but for members that are missing, and has none of its defaults."""
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
        """Colons in strings; as they stand in the text, where none is escaped."""
        if self._row == "value":
            rows = (rows,)
        colons = 0
        for row in rows:
            for value in row.values() if self._row == "members" else row:
                if type(value) is str:
                    colons += value.count(":")
        return colons
