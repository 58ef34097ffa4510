"""Contracts from a JSON Schema file in place of declared fields: jsonschema-rs validates, guard writes the violations.

The draft is 2020-12 unless the file names another. No reference leaves the file, and the engine is offline. Formats are
asserted in every draft. Patterns run on the linear-time engine; a pattern that it rejects (look-around, back-references) is
refused when the policy is read.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema_rs

from guard.contract.breaches import MOST_VIOLATIONS
from guard.contract.fields import ContractInvalid, join
from guard.contract.media import is_json
from guard.contract.output import NONE, unread
from guard.contract.schema_cost import most_visits
from guard.contract.schema_faults import Faults
from guard.contract.schema_graph import Graph
from guard.contract.strict import LARGEST_EXACT, LEAST_EXACT, MAX_ELEMENTS, SAFE, Unreadable, audit, dumps, loads
from guard.contract.strict import exact as bounded
from guard.contract.validators import declared
from guard.contract.violation_codes import BY_KEYWORD
from guard.proxy.values import Allow, Amend, Deny, Head, Headers, Message, Values, Verdict, Violation

FREE_VISITS: Final = 8
"""Visits to one place that cost no more than building it; a schema with more visits gets fewer elements."""


class _Schema:
    """A compiled schema and the names that it declares. Raises ContractInvalid."""

    def __init__(self, schema: Any) -> None:
        self._graph = Graph(schema)
        self.visits = most_visits(self._graph)
        self._faults: Faults | None = None
        try:
            self._validator = jsonschema_rs.validator_for(
                schema, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(), offline=True
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise ContractInvalid(f"not a JSON Schema: {str(error).splitlines()[0]}", ("schema",)) from None
        self._names = frozenset(_declared(self._graph))

    def violations(self, document: object) -> list[Violation]:
        """Up to 64 violations of a document, with pointers that show declared names only."""
        violations: list[Violation] = []
        if self._validator.is_valid(document):
            return violations
        faults = self._faults = self._faults or Faults(self._graph, _parts(self._graph.root))
        document = faults.shortened(document)
        for error in () if faults.too_large else self._validator.iter_errors(document):
            if tuple(error.instance_path) in faults.cut:
                continue
            keyword = next((part for part in reversed(error.schema_path) if isinstance(part, str)), "")
            code = BY_KEYWORD.get(keyword, "shape")
            path = declared(error.instance_path, self._names)
            if code == "missing":
                path = (*path, *declared((error.kind.as_dict()["property"],), self._names))
            if code == "type" and error.instance is None:
                code = "null"
            violations.append(Violation(join((*path, "<undeclared>") if code == "unknown" else path), code))
            if len(violations) == MOST_VIOLATIONS:
                break
        return violations or [Violation("", "shape")]


def _parts(schema: Any) -> jsonschema_rs.ValidatorMap:
    return jsonschema_rs.validator_map_for(
        schema, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(), offline=True
    )


class SchemaInput:
    """A Judge by a JSON Schema. It strips and defaults nothing: the schema decides which other members are allowed."""

    def __init__(self, schema: Any, *, enforce: bool, elements: int, exact: bool) -> None:
        self._schema = _Schema(schema)
        self._least, self._largest = (LEAST_EXACT, LARGEST_EXACT) if exact else (-SAFE, SAFE)
        self._enforce = enforce
        self._elements = elements // max(1, self._schema.visits // FREE_VISITS)

    def judge(self, head: Head, body: bytes, wall: float) -> Verdict:  # noqa: ARG002 — a Judge
        """Read a request and judge it by the schema; under enforce, exactly the tree that was judged is forwarded."""
        if not is_json(head):
            return Deny("unsupported_media_type")
        try:
            document = loads(body, elements=self._elements)
            audit(document, body)
            if self._enforce:
                bounded(document, body, self._least, self._largest)
        except Unreadable as error:
            return Deny(error.code)
        violations = self._schema.violations(document)
        if not self._enforce:
            return Allow(document, violations)
        return Deny("contract", violations) if violations else Amend(document, dumps(document))


class SchemaOutput:
    """An AnswerJudge by a JSON Schema."""

    def __init__(self, schema: Any, elements: int) -> None:
        self._schema = _Schema(schema)
        self._elements = elements // max(1, self._schema.visits // FREE_VISITS)

    def judge(self, body: bytes, rows: int | None = None, headers: Headers = NONE) -> Allow | Deny:  # noqa: ARG002
        """Read an answer and judge it by the schema."""
        try:
            document = loads(body, elements=self._elements)
            audit(document, body)
        except Unreadable as error:
            return Deny(error.code, unread(error))
        violations = self._schema.violations(document)
        return Deny("contract", violations) if violations else Allow(document)

    def excuse(
        self, denied: Deny, document: object, body: bytes | None, rows: int | None, headers: Headers, message: Message
    ) -> Allow | Deny:
        """The denial, unchanged: a plain document has no request that selects outputs."""
        del document, body, rows, headers, message
        return denied

    def judge_own(self, document: object, rows: int | None = None) -> Allow | Deny:  # noqa: ARG002 — an AnswerJudge
        """Judge an answer that guard made by the schema."""
        violations = self._schema.violations(document)
        return Deny("contract", violations) if violations else Allow(document)

    def measured(self, document: object) -> Values:  # noqa: ARG002 — an AnswerJudge
        """No values: a schema does not declare which of its members may be reported."""
        return ()


def compile_schema_input(
    schema: Any,
    *,
    enforce: bool,
    elements: int = MAX_ELEMENTS,
    exact: bool = False,
) -> SchemaInput:
    """Compile the Judge of a schema. Raises ContractInvalid.

    `elements`: most elements of one document, see `strict.limit`. `exact`: see `compile_input`.
    """
    return SchemaInput(schema, enforce=enforce, elements=elements, exact=exact)


def compile_schema_output(schema: Any, elements: int = MAX_ELEMENTS) -> SchemaOutput:
    """Compile the AnswerJudge of a schema. Raises ContractInvalid. `elements`: most of one answer, see `strict.limit`."""
    return SchemaOutput(schema, elements)


def _declared(graph: Graph) -> Iterator[str]:
    for schema in graph.schemas:
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        required = schema.get("required")
        if isinstance(required, list):
            yield from (name for name in required if isinstance(name, str))
