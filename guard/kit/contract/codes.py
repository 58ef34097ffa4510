"""Advice to clients for each code; `guard.dialects.problem` and `guard.contract.violation_codes` explain the codes."""

from typing import Final

from guard.contract.violation_codes import CODES
from guard.dialects.problem import TITLES
from guard.kit.contract.values import CodeMeaning
from guard.proxy.values import ViolationCode

_FIX: Final = "Fix the request; the same one will be refused again."
_LATER: Final = "Wait as long as `retry-after` says, then send it again; back off further each time."
_AGAIN: Final = "Send it again once, a moment later; then go on without an answer."
_SLOW: Final = "Do not send it again at once: the service is slow already. Go on without an answer."
_CLOSED: Final = "Nothing is wrong with the request. Go on without the model; the owners are informed."
_OLD: Final = "Send newer data, or go on without the model."
_FAULT: Final = "Tell the owners, with the `request_id`."

CLIENT: Final[dict[str, str]] = {
    "contract": "Fix what `violations` names: a place and a code for each.",
    "not_found": "Check path and version of the API.",
    "method_not_allowed": "Use a method that `allow` names.",
    "request_timeout": "Send the whole request within the time given.",
    "body_too_large": "Send less at once, such as fewer instances.",
    "json_elements": "Send less at once, such as fewer instances.",
    "coding_unsupported": "Use one of the codings that `accept-encoding` names, or none.",
    "coding_ratio": "Send it uncompressed, or fewer instances at once.",
    "coding_window": "Compress it without long-distance matching and `--ultra`, or not at all.",
    "upstream_refused": "Fix the request: it keeps this contract, but the model server refused it. " + _FAULT,
    "internal": _FAULT,
    "draining": "Connect again: another replica answers. " + _LATER,
    "overloaded": _LATER, "backoff": _LATER, "breaker_open": _LATER, "budget": _LATER,
    "mode": _CLOSED, "burn": _CLOSED, "kill_file": _CLOSED, "forced": _CLOSED,
    "stale": _OLD, "missing": "Send the field, or go on without the model.",
    "no_time": _SLOW, "timeout": _SLOW,
    "connect": _AGAIN, "reset": _AGAIN, "tls": _FAULT, "malformed": _FAULT, "too_large": _FAULT,
    "status": _AGAIN, "invalid": _FAULT, "version": _FAULT, "body_spent": _AGAIN,
    "miss": _LATER, "no_rule": _FAULT, "rule_error": _FAULT,
}  # fmt: skip


def explained_code(code: str) -> CodeMeaning:
    """A code of an error."""
    return CodeMeaning(code, TITLES[code], CLIENT.get(code, _FIX))


def violation(code: ViolationCode) -> CodeMeaning:
    """A code of a violation."""
    return CodeMeaning(code, CODES[code].meaning, _FIX)
