"""Limits the instances of a request: a model server with a largest batch refuses more."""

from guard.contract.codec_contract import CodecInput
from guard.contract.input import InputContract
from guard.proxy.values import Allow, Deny, Head, Verdict, Violation


class RowLimit:
    """A Judge that asks the contract and denies more than `most` instances. `pointer`: the list of a plain body."""

    def __init__(self, contract: InputContract | CodecInput, most: int, pointer: str, *, enforce: bool) -> None:
        self._contract, self._most, self._pointer, self._enforce = contract, most, pointer, enforce

    def judge(self, head: Head, body: bytes, wall: float) -> Verdict:
        """The contract's verdict, with the violation `rows` if the request has too many. Observed, it is counted."""
        verdict = self._contract.judge(head, body, wall)
        if isinstance(verdict, Deny) or verdict.rows is None or verdict.rows <= self._most:
            return verdict
        pointer = verdict.message.locate([]) if verdict.message is not None else self._pointer
        found = Violation(pointer, "rows")
        if self._enforce:
            return Deny("contract", [found])
        if isinstance(verdict, Allow):
            verdict.violations = [*verdict.violations, found]
        return verdict
