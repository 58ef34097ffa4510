"""A JSON Schema file in place of declared fields: a compiled validator (jsonschema-rs), our words.

2020-12 unless the file says otherwise. No reference leaves the file, and the engine is offline besides. Formats are
asserted in every draft. Patterns run on the linear-time engine; one that it does not take (look-around, back-references) is
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
"""Looks at one place that cost no more than to build it; a schema that looks more often is given fewer elements."""


class _Schema:
    """A compiled schema, and the names it declares."""

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
        """Up to 64, as pointers of declared names."""
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
    """A Judge. Nothing is stripped or defaulted: the schema says what else is allowed."""

    def __init__(self, schema: Any, *, enforce: bool, elements: int, exact: bool) -> None:
        self._schema = _Schema(schema)
        self._least, self._largest = (LEAST_EXACT, LARGEST_EXACT) if exact else (-SAFE, SAFE)
        self._enforce = enforce
        self._elements = elements // max(1, self._schema.visits // FREE_VISITS)

    def judge(self, head: Head, body: bytes, wall: float) -> Verdict:  # noqa: ARG002 — a Judge
        """Read and hold against the schema; under enforce, what is forwarded is the tree that was judged."""
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
    """An AnswerJudge."""

    def __init__(self, schema: Any, elements: int) -> None:
        self._schema = _Schema(schema)
        self._elements = elements // max(1, self._schema.visits // FREE_VISITS)

    def judge(self, body: bytes, rows: int | None = None, headers: Headers = NONE) -> Allow | Deny:  # noqa: ARG002
        """Read an answer and hold it against the schema."""
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
        """Plain documents have no request that says what is asked for."""
        del document, body, rows, headers, message
        return denied

    def judge_own(self, document: object, rows: int | None = None) -> Allow | Deny:  # noqa: ARG002 — an AnswerJudge
        """Hold an answer of our own against the schema."""
        violations = self._schema.violations(document)
        return Deny("contract", violations) if violations else Allow(document)

    def measured(self, document: object) -> Values:  # noqa: ARG002 — an AnswerJudge
        """A schema does not say which of its members may be told."""
        return ()


def compile_schema_input(
    schema: Any,
    *,
    enforce: bool,
    elements: int = MAX_ELEMENTS,
    exact: bool = False,
) -> SchemaInput:
    """Compile. Raises ContractInvalid. `elements`: of one document, see `strict.limit`. `exact`: see `compile_input`."""
    return SchemaInput(schema, enforce=enforce, elements=elements, exact=exact)


def compile_schema_output(schema: Any, elements: int = MAX_ELEMENTS) -> SchemaOutput:
    """Compile. Raises ContractInvalid. `elements`: of one answer, see `strict.limit`."""
    return SchemaOutput(schema, elements)


def _declared(graph: Graph) -> Iterator[str]:
    for schema in graph.schemas:
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        required = schema.get("required")
        if isinstance(required, list):
            yield from (name for name in required if isinstance(name, str))
