"""Errors as RFC 9457 problem details."""

from http import HTTPStatus
from typing import Final

import orjson

from guard.proxy.values import Problem

TITLES: Final[dict[str, str]] = {
    "json_syntax": "The body is not JSON",
    "json_duplicate": "The body has a key twice",
    "json_depth": "The body is nested too deep",
    "json_elements": "The body has too many elements",
    "json_number": "The body has a number that JSON or a double cannot hold",
    "json_encoding": "The body is not UTF-8",
    "json_bom": "The body begins with a byte order mark: send UTF-8 without",
    "json_surrogate": "The body has half a surrogate pair, which is no character",
    "contract": "The request breaks the contract",
    "bad_request": "The request is not valid HTTP",
    "not_found": "No such route",
    "method_not_allowed": "The route does not know this method",
    "request_timeout": "The request did not arrive in time",
    "body_too_large": "The body is too large",
    "target_too_long": "The request target is too long",
    "unsupported_media_type": "The route does not take this content type",
    "coding_unsupported": "The route does not take this content coding",
    "coding_malformed": "The body is not whole, or not in the coding that Content-Encoding names",
    "coding_ratio": "The body expands to more than 100 times its compressed size",
    "coding_window": "The body needs a zstd window above 8 MiB",
    "headers_too_large": "The headers are too large",
    "upstream_refused": "The model server refused the request",
    "internal": "A bug in guard",
    "method_unknown": "guard does not know this method",
    "websocket": "guard does not relay WebSocket connections",
    "draining": "Shutting down",
    "mode": "Switched off by an operator",
    "kill_file": "Switched off by the kill file",
    "budget": "The budget for calls of the model is spent",
    "burn": "Lowered for a time, as the route did not keep its targets",
    "forced": "Held open by an operator",
    "breaker_open": "The model server is left alone for a while",
    "backoff": "The model server asked for time",
    "overloaded": "Too many requests at once",
    "stale": "An input is too old",
    "missing": "An input is missing",
    "body_spent": "The body was already sent elsewhere",
    "no_time": "No time left",
    "connect": "The model server cannot be reached",
    "tls": "The model server cannot be trusted",
    "reset": "The model server broke the connection",
    "timeout": "The model server did not answer in time",
    "malformed": "The model server does not speak HTTP",
    "too_large": "The model's answer is too large",
    "status": "The model server failed",
    "invalid": "The model's answer breaks its contract",
    "version": "The model server serves another version",
    "miss": "No cached answer",
    "no_rule": "No rule applies",
    "rule_error": "A rule failed",
}
"""Titles of every refusal code and every reason; a test keeps them complete."""

WORDS: Final[dict[str, str]] = {
    "context_length_exceeded": "The request exceeds the model's maximum context length",
    "model_not_found": "The model server has no model of that name",
    "invalid_api_key": "The model server does not accept these credentials",
    "insufficient_quota": "The quota of these credentials is spent",
    "rate_limit_exceeded": "The rate limit of these credentials is reached",
    "content_filter": "The model server's content filter refused the request",
    "batch_too_large": "The request exceeds the model server's maximum batch",
    "unsupported_parameter": "The model server does not support a parameter of the request",
    "unsupported_value": "The model server does not support a value of the request",
    "missing_required_parameter": "The model server misses a parameter of the request",
    "unknown_parameter": "The model server does not know a parameter of the request",
    "invalid_value": "The model server does not take a value of the request",
}
"""Titles of every error word that is passed on from a model server."""

CONTENT_TYPE: Final = b"application/problem+json"


def title(problem: Problem) -> str:
    """The title of a problem in one sentence, with the model server's own limit if it named one."""
    text = WORDS.get(problem.word) or TITLES.get(problem.code) or HTTPStatus(problem.status).phrase
    unit = "inputs" if problem.word == "batch_too_large" else "tokens"
    return f"{text} of {problem.limit} {unit}" if problem.limit else text


def problem_body(problem: Problem) -> bytes:
    """The body of a problem; it holds guard's own words and declared names, never a value that a client sent."""
    body: dict[str, object] = {
        "type": f"urn:guard:error:{problem.code}",
        "title": title(problem),
        "status": problem.status,
        "code": problem.code,
        "request_id": problem.request_id,
        "violations": [{"pointer": pointer, "code": code} for pointer, code, _ in problem.violations],
    }
    if problem.word:
        body["reason"] = problem.word
    return orjson.dumps(body)
