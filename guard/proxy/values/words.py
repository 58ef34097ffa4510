"""The closed lists of words that clients, metrics, runbooks and alerts may receive."""

import re
from typing import Final, Literal, TypeAlias, get_args

LowerSource: TypeAlias = Literal["previous", "cached", "rules", "disabled"]
_Level: TypeAlias = Literal["model", LowerSource]
Source: TypeAlias = Literal[_Level, "candidate"]
"""The rungs of the ladder, from the highest to the lowest, and the candidate: the registry of their names."""
Called: TypeAlias = Literal["model", "previous", "candidate"]
"""The rungs that call a model server."""
CANDIDATE: Final = "candidate"
MODEL: Final = "model"
PREVIOUS: Final = "previous"
CACHED: Final = "cached"
RULES: Final = "rules"
DISABLED: Final = "disabled"

Reason: TypeAlias = Literal[
    "mode", "kill_file", "forced", "breaker_open", "backoff", "overloaded", "stale", "missing", "body_spent", "no_time",
    "connect", "tls", "reset", "timeout", "malformed", "too_large", "status", "invalid", "version", "miss", "no_rule",
    "rule_error", "burn", "budget",
]  # fmt: skip
"""Reasons that a rung did not answer. The list is closed: metrics, runbook and alerts use it."""

ViolationCode: TypeAlias = Literal[
    "missing", "null", "type", "enum", "min", "max", "multiple_of", "length", "pattern", "format", "offset", "encoding",
    "items", "rows", "shape", "unknown", "not_finite", "stale", "future",
]  # fmt: skip

UnreadableCode: TypeAlias = Literal[
    "json_syntax", "json_duplicate", "json_depth", "json_elements", "json_number", "json_encoding", "json_bom",
    "json_surrogate"
]  # fmt: skip

RefusalCode: TypeAlias = Literal[
    UnreadableCode,
    "contract", "bad_request", "not_found", "method_not_allowed", "request_timeout", "body_too_large",
    "target_too_long", "unsupported_media_type", "headers_too_large", "upstream_refused", "internal", "draining",
    "overloaded", "method_unknown", "websocket", "coding_unsupported", "coding_malformed", "coding_ratio", "coding_window",
]  # fmt: skip

FeatureState: TypeAlias = Literal["missing", "defaulted", "at_min", "at_max", "aging"]
"""States of a valid field that are counted; `aging`: older than `freshness.warn`."""

Outcome: TypeAlias = Literal["ok", "client_fault", "client_limit", "unproven", "model_fault", "overload", "unavailable"]
"""Classes of a model server's answer, as a dialect judges it.

`client_limit`: the quota of the client's own credentials is spent. `unproven`: the rung is closed for this request without
blame, since either the client or the deployment may be at fault.
"""

StreamError: TypeAlias = Literal["error_event", "unfinished"]
"""Causes that break a streamed answer from within: an error event, or an end without the stream's end mark."""

ErrorWord: TypeAlias = Literal[
    "", "context_length_exceeded", "model_not_found", "invalid_api_key", "insufficient_quota", "rate_limit_exceeded",
    "content_filter", "batch_too_large", "unsupported_parameter", "unsupported_value", "missing_required_parameter",
    "unknown_parameter", "invalid_value",
]  # fmt: skip
"""Causes that a model server may name for refusing a request; the words can hold no value of the request."""

SOURCES: Final[tuple[Source, ...]] = get_args(_Level)
"""The rungs that a mode may name or end at. The candidate has the level of the model: what closes one closes both."""
LEVEL: Final[dict[Source, int]] = {**{source: level for level, source in enumerate(SOURCES)}, CANDIDATE: 0}
"""Source → its level below the top of the ladder: `model` is 0."""
TARGETS: Final[tuple[Called, ...]] = get_args(Called)
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
FEATURE_STATES: Final[tuple[FeatureState, ...]] = get_args(FeatureState)
VIOLATIONS: Final[tuple[ViolationCode, ...]] = get_args(ViolationCode)
ERROR_WORDS: Final[tuple[ErrorWord, ...]] = get_args(ErrorWord)
UNREADABLE: Final[tuple[UnreadableCode, ...]] = get_args(UnreadableCode)
REFUSALS: Final[tuple[RefusalCode, ...]] = get_args(RefusalCode)

Document: TypeAlias = object
"""A parsed body, as JSON or a dialect gives it; contracts know its shape."""

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Header fields: lower-case names, in order of arrival, with duplicates; obs-text is kept byte for byte."""

LEAST_NUMBER: Final = 10**11
"""Smallest integer that is searched as text: shorter ones are not card or account numbers."""
NUMBERS_ONLY: Final = frozenset(("seed", "sequence_id"))
"""Members whose integers are machine-generated, and are never searched."""
SECRET_MEMBER: Final = re.compile(
    r"(?i:pass(?:word|wd|phrase|code)?|pwd|secret|token|(?:api|access|private)[_-]?key|credentials?)\Z"
)
"""Matches the name of a member whose value is secret."""
SECRET_VALUE: Final = re.compile(r"[^\"\n]{4,512}\Z")
"""Matches a value that is searched together with such a name, as `name: "value"`."""
