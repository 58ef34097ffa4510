"""The contract of a route whose dialect is not plain JSON: a codec reads and writes, the contract judges documents."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from guard.contract.breaches import MOST_VIOLATIONS
from guard.contract.fields import split
from guard.contract.input import InputContract
from guard.contract.output import NONE, OutputContract, unread
from guard.contract.scrub import Found
from guard.contract.strict import Unreadable
from guard.contract.validators import UNDECLARED
from guard.proxy.values import (
    Allow,
    Deny,
    Facts,
    Field,
    Head,
    Headers,
    LayoutError,
    Message,
    RouteCodec,
    Values,
    Verdict,
    Violation,
)

BESIDE: Final = f"/{UNDECLARED}"
"""Pointer to a text beside the instances at which the search stopped; it hides the member's name, the client's choice."""
NOTHING: Final[Found] = []


class CodecInput:
    """A Judge. `contract` judges the instances; None: they are read and pass. `field_of` names the field of a pointer."""

    def __init__(
        self, codec: RouteCodec, contract: InputContract | None, *, enforce: bool, field_of: Callable[[str, bool], str]
    ) -> None:
        self._codec, self._contract, self._enforce, self._field_of = codec, contract, enforce, field_of

    def judge(self, head: Head, body: bytes, wall: float) -> Verdict:
        """Read a request, judge it by the contract, and write the body that the model server receives."""
        try:
            message = self._codec.read(head, body)
        except Unreadable as error:
            return Deny(error.code)
        except LayoutError as error:
            return Deny("contract", error.violations) if self._enforce else Allow(None, error.violations)
        if message is None:
            return Deny("unsupported_media_type")
        if self._contract is None:
            return Allow(message.document, message=message)
        verdict = self._held(self._contract, message, wall, body)
        if not isinstance(verdict, Deny):
            verdict.message = message
        return verdict

    def _held(self, contract: InputContract, message: Message, wall: float, body: bytes) -> Verdict:
        """The verdict on a request that could be read: first on the members beside the instances, then on the instances."""
        tally, redactions = contract.tally(), NOTHING
        if message.beside:
            try:
                contract.bounded(message.beside, body)
            except Unreadable as error:
                return Deny(error.code)
            if tally is not None and not message.searched:
                message.beside, redactions = contract.searched(message.beside, tally)
                if tally.field:
                    return Deny("contract", [Violation(BESIDE, tally.code)])
        try:
            verdict = contract.written(contract.hold(message.document, wall, body, tally), message.write)
        except LayoutError as error:  # the layout cannot hold the document that the contract made
            return Deny("contract", error.violations)
        if verdict.violations:
            verdict.violations = self._located(verdict.violations, message)
        if redactions and not isinstance(verdict, Deny):
            verdict.facts = verdict.facts or Facts()
            verdict.facts.redactions += redactions
        return verdict

    def _located(self, violations: Iterable[Violation], message: Message) -> Sequence[Violation]:
        """The violations, at their places in the client's own document."""
        return [
            Violation(
                message.locate([_number(part) for part in split(item.pointer)]),
                item.code,
                self._field_of(item.pointer, False),
            )
            for item in violations
        ]


class CodecOutput:
    """An AnswerJudge. `contract` None: every answer that can be read passes."""

    def __init__(self, codec: RouteCodec, contract: OutputContract | None, outputs: Mapping[str, Field]) -> None:
        self._codec, self._contract, self._outputs = codec, contract, outputs

    def judge(self, body: bytes, rows: int | None = None, headers: Headers = NONE) -> Allow | Deny:
        """Read an answer of a model server and judge it by the contract."""
        try:
            answer = self._codec.read_answer(headers, body)
        except Unreadable as error:
            return Deny(error.code, unread(error)) if self._contract is not None else Allow()
        except LayoutError as error:
            return Deny("contract", error.violations) if self._contract is not None else Allow()
        verdict = self._contract.hold(answer.document, rows) if self._contract is not None else Allow(answer.document)
        verdict.version, verdict.usage = answer.version, answer.usage
        return verdict

    def judge_own(self, document: object, rows: int | None = None) -> Allow | Deny:
        """Judge an answer that a rung of guard made."""
        return self._contract.judge_own(document, rows) if self._contract is not None else Allow(document)

    def excuse(
        self, denied: Deny, document: object, body: bytes | None, rows: int | None, headers: Headers, message: Message
    ) -> Allow | Deny:
        """The verdict without the breaches that the request itself explains; see AnswerJudge."""
        contract, asks = self._contract, message.requested_outputs(self._outputs)
        if contract is None or asks is None:
            return denied
        version, usage = denied.version, denied.usage
        if body is not None:
            try:
                answer = self._codec.read_answer(headers, body, asks.absent)
            except (Unreadable, LayoutError):
                return replace(denied, bent=asks.bent.issuperset(self._outputs))
            document, version, usage = answer.document, answer.version, answer.usage
        violations: list[Violation] = []
        broken: set[str] = set()
        for name in contract.names:
            if name in asks.absent:
                continue
            excused = asks.codes.get(name, frozenset())
            verdict = contract.part(name).hold(document, rows)
            breaches = [violation for violation in verdict.violations if violation.code not in excused]
            if breaches:
                broken.add(name)
                violations += breaches
        if not violations:
            return Allow(document, version=version, usage=usage)
        return Deny("contract", violations[:MOST_VIOLATIONS], document, version, usage, broken <= asks.bent)

    def build(self, answers: Sequence[Mapping[str, object]]) -> object:
        """The document that holds these outputs, given by name, one mapping for each instance."""
        assert self._contract is not None  # rules answer declared outputs
        return self._contract.build(answers)

    def measured(self, document: object) -> Values:
        """The values of the measured outputs; empty without a contract."""
        return self._contract.measured(document) if self._contract is not None else ()


def _number(part: str) -> str | int:
    return int(part) if part.isascii() and part.isdigit() else part
