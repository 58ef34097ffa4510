"""The party at fault for an error of an OpenAI-compatible server, in a whole answer or in an event of a stream.

Source: OpenAI's API reference (error codes), vLLM, llama.cpp, SGLang, TGI, Ollama and LiteLLM as they answer. The object's
`type` and `code` are the server's words, which no client writes: they are read from the parsed object, never searched for.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from guard.dialects.error_words import error_object
from guard.dialects.faults import STATUSES, judge
from guard.proxy.values import Answer, Fault, ForwardedRequest, Outcome

FAULTS: Final[Mapping[int, Fault]] = {
    **STATUSES,
    404: Fault("names", "unavailable", "the API does not know the named model; a path that it does not know counts"),
    424: Fault("never", "model_fault", "a backend that failed"),
    529: Fault("never", "overload", "overloaded_error"),
}

TYPES: Final[Mapping[str, int]] = {
    "invalid_request_error": 400, "BadRequestError": 400, "exceed_context_size_error": 400, "invalid_prompt": 400,
    "context_length_exceeded": 400, "ContextWindowExceededError": 400, "ContentPolicyViolationError": 400,
    "content_filter": 400, "validation": 422, "UnprocessableEntityError": 422, "VLLMValidationError": 400,
    "UnsupportedParamsError": 400, "authentication_error": 401, "AuthenticationError": 401, "invalid_api_key": 401,
    "permission_error": 403, "PermissionDeniedError": 403, "not_found_error": 404, "NotFoundError": 404,
    "model_not_found": 404, "rate_limit_error": 429, "rate_limit_exceeded": 429, "RateLimitError": 429, "requests": 429,
    "tokens": 429, "insufficient_quota": 429, "server_error": 500, "api_error": 500, "InternalServerError": 500,
    "internal_error": 500, "internal_server_error": 500, "generation": 500, "incomplete_generation": 500,
    "unavailable_error": 503, "service_unavailable": 503, "ServiceUnavailableError": 503, "overloaded_error": 503,
    "overloaded": 503, "engine_overloaded": 503, "timeout_error": 504, "not_supported_error": 501,
}  # fmt: skip
"""The status that means the same as an error's type or code."""

_QUOTA: Final = "insufficient_quota"
"""Code of a spent account, which waiting does not restore; any other 429 closes the rung for that exchange."""
_NO_PATH: Final = re.compile(r"(?:file )?not found|invalid url.*|no route.*", re.IGNORECASE)
"""Messages of a server whose router does not know the path."""


def outcome(answer: Answer, request: ForwardedRequest) -> Outcome:
    """The party at fault for an error: by its object if that is more precise, else by its status."""
    status = answer.status
    error = error_of(error_object(answer.body))
    meant = status_of(error)
    if 200 <= status < 300:
        return of_object(error, request)
    if status == 404:
        named = bool(error) and error.get("code") != "unknown_url" and not _NO_PATH.fullmatch(_message(error))
        return judge(FAULTS, 404, request) if named or request.free_path else "unavailable"
    if (status >= 500 and 400 <= meant < 500) or (status == 400 and meant >= 500):
        return judge(FAULTS, meant, request)
    if status == 429 and _QUOTA in _names(error) and request.head.credentialed:
        return "client_fault"
    return judge(FAULTS, status, request)


def of_object(error: Mapping[str, Any], request: ForwardedRequest) -> Outcome:
    """The party at fault for an error without a status of its own: by its object, else the model."""
    meant = status_of(error)
    if _QUOTA in _names(error) and request.head.credentialed:
        return "client_fault"
    return judge(FAULTS, meant, request) if meant else "model_fault"


def error_of(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """The error in a document or event: under `error`, or the object itself, as older vLLM writes it; empty if none."""
    error = tree.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str) and error:
        return {"message": error, "type": tree.get("error_type"), "code": tree.get("code")}
    if tree.get("object") == "error" or tree.get("type") == "error":
        return tree
    response = tree.get("response")  # `response.failed` of the Responses API
    return error_of(response) if isinstance(response, dict) else {}


def status_of(error: Mapping[str, Any]) -> int:
    """The status that an error's code or type means; 0 if it means none."""
    code = error.get("code")
    if type(code) is int and 400 <= code <= 599:
        return code
    return next((TYPES[name] for name in _names(error) if name in TYPES), 0)


def _names(error: Mapping[str, Any]) -> list[str]:
    """The code and type of an error, the more precise code first."""
    return [name for name in (error.get("code"), error.get("type")) if isinstance(name, str)]


def _message(error: Mapping[str, Any]) -> str:
    message = error.get("message")
    return message.strip() if isinstance(message, str) else ""
