"""The closed lists: every word that a client, a metric, a runbook or an alert may meet."""

import re
from typing import Final, Literal, TypeAlias, get_args

LowerSource: TypeAlias = Literal["previous", "cached", "rules", "disabled"]
Source: TypeAlias = Literal["model", LowerSource]
"""The rungs of the ladder, from the highest to the lowest: the registry of their names, which nothing else repeats."""
Called: TypeAlias = Literal["model", "previous"]
"""The rungs that call a model server."""
MODEL: Final = "model"
PREVIOUS: Final = "previous"
CACHED: Final = "cached"
RULES: Final = "rules"
DISABLED: Final = "disabled"

Reason: TypeAlias = Literal[
    "mode", "kill_file", "forced", "breaker_open", "backoff", "overloaded", "stale", "missing", "body_spent", "no_time",
    "connect", "tls", "reset", "timeout", "malformed", "too_large", "status", "invalid", "version", "miss", "no_rule",
    "rule_error",
]  # fmt: skip
"""Why a rung did not answer. Closed: metrics, runbook and alerts are built on it."""

ViolationCode: TypeAlias = Literal[
    "missing", "null", "type", "enum", "min", "max", "multiple_of", "length", "pattern", "format", "offset", "encoding",
    "items", "shape", "unknown", "not_finite", "stale", "future",
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
"""What is worth counting of a field that keeps its contract; `aging`: older than `freshness.warn`."""

Outcome: TypeAlias = Literal["ok", "client_fault", "client_limit", "unproven", "model_fault", "overload", "unavailable"]
"""What a dialect makes of a model server's answer.

`client_limit`: what the client's own credentials allow is spent. `unproven`: the rung is closed for this request and nobody
is blamed, for it cannot be told whether its client or the deployment is at fault.
"""

StreamError: TypeAlias = Literal["error_event", "unfinished"]
"""What broke a streamed answer from within: an error that it says, or an end that does not say that it is whole."""

ErrorWord: TypeAlias = Literal[
    "", "context_length_exceeded", "model_not_found", "invalid_api_key", "insufficient_quota", "rate_limit_exceeded",
    "content_filter", "batch_too_large", "unsupported_parameter", "unsupported_value", "missing_required_parameter",
    "unknown_parameter", "invalid_value",
]  # fmt: skip
"""What a model server may say is wrong with a request, in words that can hold nothing of the request."""

SOURCES: Final[tuple[Source, ...]] = get_args(Source)
LEVEL: Final[dict[Source, int]] = {source: level for level, source in enumerate(SOURCES)}
"""How far down the ladder a source stands: `model` is 0."""
TARGETS: Final[tuple[Called, ...]] = get_args(Called)
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
FEATURE_STATES: Final[tuple[FeatureState, ...]] = get_args(FeatureState)
VIOLATIONS: Final[tuple[ViolationCode, ...]] = get_args(ViolationCode)
ERROR_WORDS: Final[tuple[ErrorWord, ...]] = get_args(ErrorWord)
UNREADABLE: Final[tuple[UnreadableCode, ...]] = get_args(UnreadableCode)
REFUSALS: Final[tuple[RefusalCode, ...]] = get_args(RefusalCode)

Document: TypeAlias = object
"""What JSON, or a dialect, says once it is read; its shape is for a contract to know."""

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Names lower case, in order of arrival, duplicates kept, obs-text kept byte for byte."""

LEAST_NUMBER: Final = 10**11
"""An integer from here on is searched as the text it is written as: shorter ones are no card and no account."""
NUMBERS_ONLY: Final = frozenset(("seed", "sequence_id"))
"""Members whose integers are drawn by a machine, and are never searched."""
SECRET_MEMBER: Final = re.compile(
    r"(?i:pass(?:word|wd|phrase|code)?|pwd|secret|token|(?:api|access|private)[_-]?key|credentials?)\Z"
)
"""A name of a member that says that its value is secret."""
SECRET_VALUE: Final = re.compile(r"[^\"\n]{4,512}\Z")
"""A value that is searched together with such a name, as `name: "value"`."""
