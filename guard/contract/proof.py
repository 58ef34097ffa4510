"""Whether a text holds nothing but the document that was read from it: then its contract has proven all there is to prove.

A document that is read and validated in one pass shows no name that came twice and nothing that the contract does not
declare. But each name of a text is followed by a colon, and other colons stand in strings only. Where there are as many as
the document has names, none came twice and none was left out; and where each field is one value, all is finite, and as deep
as the contract. Such a text is never read into a tree, which with the search for names that came twice was a tenth of an
exchange's instructions, and a quarter where it had twenty rows.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Literal, TypeAlias

from pydantic_core import SchemaValidator, ValidationError

from guard.contract.fields import FieldType
from guard.contract.strict import parse, proven

NESTED: Final[frozenset[FieldType]] = frozenset(("array", "object"))
"""Types whose values have members of their own."""
Row: TypeAlias = Literal["members", "positions", "value"]
"""What a row is."""


class Reader:
    """Reads texts and holds them against `schema`. `whole` None: a text can say what its document does not show.

    `one_pass`: where the document is all that a text says, it may stand for the tree.
    """

    def __init__(self, schema: SchemaValidator, whole: "Whole | None", *, one_pass: bool = True) -> None:
        self._whole, self._one_pass = whole, one_pass
        self._of_text: Callable[[bytes], Any] = schema.validate_json
        self.of_tree: Callable[[Any], Any] = schema.validate_python
        self._at_once = whole is not None and one_pass

    def read(self, body: bytes) -> tuple[Any, Any, ValidationError | None]:
        """The document as the schema makes it, the tree that the text says, and what is wrong. Raises Unreadable.

        Clients and model servers say the same members each time, so where the last text said more than its document, one
        pass over this one is likely to be one too many.
        """
        tree = None if self._at_once else parse(body)
        try:
            document = self._of_text(body) if tree is None else self.of_tree(tree)
        except ValidationError as error:
            return None, proven(parse(body) if tree is None else tree, body), error
        whole = self._whole is not None and self._whole.holds(document, body)
        self._at_once = whole and self._one_pass
        if whole:
            return document, document if tree is None else tree, None
        return document, proven(parse(body) if tree is None else tree, body), None


class Whole:
    """`steps` lead to the list of rows; None: the document is the one row. `closed`: the only members a row may have."""

    def __init__(self, steps: Sequence[str] | None, row: Row, closed: Collection[str] | None = None) -> None:
        self._steps, self._row = steps, row
        self._covers = frozenset(closed).issuperset if closed is not None else None

    def holds(self, document: Any, body: bytes) -> bool:
        """Of a document that keeps its contract and has none of its defaults: is it all that this text says?"""
        rows: Any = (document,)
        if self._steps is None:
            names = len(document)
        else:
            rows, names = document, len(self._steps)
            for step in self._steps:
                rows = rows[step]
            if self._row == "members":
                names += sum(map(len, rows))
        colons = body.count(b":")
        if colons != names and (b"\\u003" in body or colons - self._spoken(rows) != names):
            return False
        return self._covers is None or all(map(self._covers, rows))

    def _spoken(self, rows: Any) -> int:
        """Colons in strings; as they stand in the text, where none is escaped."""
        if self._row == "value":
            rows = (rows,)
        found = 0
        for row in rows:
            for value in row.values() if self._row == "members" else row:
                if type(value) is str:
                    found += value.count(":")
        return found
