"""The rung that answers from the policy's rules: for each row, the first rule that matches wins."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from guard.ladder.cel_tree import ExpressionInvalid
from guard.ladder.expressions import EvaluationFailed, Expression, Expressions, Field
from guard.proxy.values import Answer, Closed, Permit, Source


class Rule(Protocol):
    """A rule as the policy declares it. A value with a `text` is an expression."""

    @property
    def when(self) -> str | None: ...
    @property
    def answer(self) -> Mapping[str, object]: ...


class RuleInvalid(ValueError):  # noqa: N818 — a word of the domain
    """The error of a rule that cannot be compiled. `path`: its place below the list of rules."""

    def __init__(self, message: str, path: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its expressions compiled. `when` None: it always applies. `constant`: no value is an expression."""

    when: Expression | None
    answer: Mapping[str, object]
    constant: bool


def compile_rules(
    rules: Sequence[Rule], fields: Mapping[str, Field], integers: Collection[str] = ()
) -> tuple[CompiledRule, ...]:
    """Compile rules. `integers`: outputs whose whole numbers are written without a fraction. Raises RuleInvalid."""
    expressions = Expressions(fields)
    return tuple(_compiled(index, rule, expressions, integers) for index, rule in enumerate(rules))


def _compiled(index: int, rule: Rule, expressions: Expressions, integers: Collection[str]) -> CompiledRule:
    path: tuple[str | int, ...] = (index, "when")
    try:
        when = None if rule.when is None else expressions.compile(rule.when, boolean=True)
        answer: dict[str, object] = {}
        for name, value in rule.answer.items():
            path = (index, "answer", name)
            text = getattr(value, "text", None)
            answer[name] = value if text is None else expressions.compile(text, integral=name in integers)
    except ExpressionInvalid as error:
        raise RuleInvalid(str(error), path) from None
    return CompiledRule(when, answer, not any(isinstance(value, Expression) for value in answer.values()))


class Rules:
    """The rules rung. `instances` finds the rows of a document; `build` makes the answer's document from the outputs."""

    source: Source = "rules"
    remote = False
    reads_input = False
    version = ""

    def __init__(
        self,
        rules: Sequence[CompiledRule],
        instances: Callable[[object], Sequence[Mapping[str, object]]] | None,
        build: Callable[[Sequence[Mapping[str, object]]], object],
        encode: Callable[[object, object], tuple[bytes, bytes]],
    ) -> None:
        """`encode`: (document, the request's message) → (content type, body)."""
        self._rules = tuple(rules)
        self._instances = instances
        self._build = build
        self._encode = encode

    def ask(self, permit: Permit, above: Closed | None, now: float) -> Answer | Closed:  # noqa: ARG002 — a Rung
        """One answer for each row, or the reason for none. A rule that fails does not apply, and is counted."""
        rows: Sequence[Mapping[str, object]] = ({},)
        if self._instances is not None and permit.document is not None:
            rows = self._instances(permit.document)
        answers: list[Mapping[str, object]] = []
        failed: list[int] = []
        for row in rows:
            answer = self._first(row, failed)
            if answer is None:
                return Closed("rule_error" if failed else "no_rule")
            answers.append(answer)
        if not answers:
            return Closed("no_rule")
        document = self._build(answers)
        content_type, body = self._encode(document, permit.message)
        return Answer(200, [(b"content-type", content_type)], body, document=document, failed_rules=failed)

    def _first(self, row: Mapping[str, object], failed: list[int]) -> Mapping[str, object] | None:
        """The answer of the first rule that applies. The numbers of rules that failed before it are added to `failed`."""
        for number, rule in enumerate(self._rules, 1):
            try:
                if rule.when is not None and rule.when(row) is not True:
                    continue
                if rule.constant:
                    return rule.answer
                return {name: value(row) if isinstance(value, Expression) else value for name, value in rule.answer.items()}
            except EvaluationFailed:
                failed.append(number)
        return None
